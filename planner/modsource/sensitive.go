package modsource

import "strings"

// Sensitive tells whether a text that was meant as a source may hold a password or a token, so that not even the line
// that it stands in should be shown. It looks at every text, also at those that Parse refuses, and rather says yes.
func Sensitive(text string) bool {
	text = strings.TrimPrefix(strings.TrimSpace(text), "git::")
	text, query, _ := strings.Cut(text, "?")
	if strings.Contains(text, "#") || query != "" && (!strings.HasPrefix(query, "ref=") || strings.ContainsAny(query, "&#@:")) {
		return true
	}
	before, _, ok := strings.Cut(text, "@")
	if !ok {
		return false
	}
	scheme, user, isURL := strings.Cut(before, "://")
	if !isURL {
		user = before // git@host:path
	}
	// A user of SSH is no secret, and everything else that stands before an @ may be one.
	return isURL && scheme != "ssh" || strings.ContainsAny(user, ":/") || len(user) > 32
}
