package launch

import "strings"

// base are the variables that every provider gets; a trailing * is a prefix.
func base() []string {
	return []string{
		"HOME", "PATH", "TMPDIR", "LANG", "LC_*", "TZ",
		"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
		"SSL_CERT_*", "DSTACK_LOG", "DSTACK_LOG_FORMAT",
	}
}

// environment selects from all variables those of the base and those that are asked for, and says whether any of the
// latter is not in the base. DSTACK_HOME is set by us.
func environment(all []string, home string, asked []string) (env []string, more bool) {
	always := base()
	for _, v := range all {
		name, _, ok := strings.Cut(v, "=")
		switch {
		case !ok || name == "DSTACK_HOME":
		case matches(always, name):
			env = append(env, v)
		case matches(asked, name):
			env, more = append(env, v), true
		}
	}
	if home != "" {
		env = append(env, "DSTACK_HOME="+home)
	}
	return env, more
}

func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if start, ok := strings.CutSuffix(p, "*"); p == name || ok && start != "" && strings.HasPrefix(name, start) {
			return true
		}
	}
	return false
}
