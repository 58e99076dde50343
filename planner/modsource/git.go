package modsource

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
)

// hosts are those that need neither git:: nor .git, because there is nothing but Git repositories there. The number is
// that of the parts of a repository's path, 0 where groups nest.
var hosts = map[string]int{"github.com": 2, "gitlab.com": 0, "bitbucket.org": 2, "codeberg.org": 2}

// git reads the source of a module in a repository.
func git(text string) (Source, error) {
	if strings.ContainsAny(text, "$`{}<>|^") {
		return Source{}, fmt.Errorf("the source has characters that no address of a repository has; %s", possible)
	}
	rest, forced := strings.CutPrefix(text, "git::")
	if !forced {
		if kind, _, ok := strings.Cut(text, "::"); ok && !strings.ContainsAny(kind, "/@?") {
			return Source{}, fmt.Errorf("%q is no kind of source here; %s", kind+"::", possible)
		}
	}
	rest, ref, err := cutRef(rest)
	if err != nil {
		return Source{}, err
	}
	switch scheme, _, isURL := strings.Cut(rest, "://"); {
	case isURL && strings.ContainsAny(scheme, "/@:"):
	case isURL:
		return gitURL(rest, ref, forced)
	}
	if host, _, _ := strings.Cut(rest, "/"); !strings.ContainsAny(host, "@:") {
		if _, known := hosts[strings.ToLower(host)]; known {
			return gitURL("https://"+rest, ref, true)
		}
	}
	user, at, ok := strings.Cut(rest, "@")
	if ok && !strings.ContainsAny(user, "/") && strings.Contains(at, ":") {
		return gitSCP(user, at, ref)
	}
	if forced {
		return Source{}, fmt.Errorf("what follows git:: is no address of a repository; %s", possible)
	}
	if strings.ContainsAny(rest, "@") {
		return Source{}, errors.New(possible)
	}
	if strings.Contains(rest, "/") {
		return Source{}, fmt.Errorf("%q is neither a folder nor a repository. A folder begins with ./ or ../, so perhaps it is:\n  ./%s\nThere is no registry of modules; %s", rest, rest, possible)
	}
	return Source{}, fmt.Errorf("%q is neither a folder nor a repository; %s", rest, possible)
}

// cutRef takes the query off a source.
func cutRef(text string) (rest, ref string, err error) {
	if strings.Contains(text, "#") {
		return "", "", errors.New("a source has no fragment (#...); the tag, branch or commit is ?ref=v1.2.0")
	}
	rest, query, ok := strings.Cut(text, "?")
	if !ok {
		return text, "", nil
	}
	for _, part := range strings.Split(query, "&") {
		name, val, ok := strings.Cut(part, "=")
		switch {
		case !ok:
			return "", "", errors.New("what follows the question mark of a source is the tag, branch or commit: ?ref=v1.2.0") // it may be a secret
		case name != "ref":
			return "", "", fmt.Errorf("%q is nothing that a source can say after the question mark; there is only ref, the tag, branch or commit: ?ref=v1.2.0", clip(name))
		case ref != "":
			return "", "", errors.New("ref stands twice in the source; keep one of them")
		}
		if ref, err = url.PathUnescape(val); err != nil {
			return "", "", fmt.Errorf("the ref %q is not well escaped: after %% stand two hexadecimal digits", val)
		}
		if !validRef(ref) {
			return "", "", fmt.Errorf("%q can be no tag, branch or commit; a ref looks like v1.2.0, main, or the 40 digits of a commit", ref)
		}
	}
	return rest, ref, nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

// validRef tells whether git could have a ref of that name. What it refuses beyond git's own rules would have to be
// escaped in a source.
func validRef(ref string) bool {
	if ref == "" || len(ref) > 250 || ref == "@" || strings.ContainsAny(ref, " ~^:?*[\\#&%\"'$`{}<>|;()!") || strings.Contains(ref, "..") || strings.Contains(ref, "@{") {
		return false
	}
	for _, r := range ref {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return false
		}
	}
	for part := range strings.SplitSeq(ref, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasPrefix(part, "-") || strings.HasSuffix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return true
}

// gitURL reads an address with a scheme.
func gitURL(text, ref string, forced bool) (Source, error) {
	scheme, _, _ := strings.Cut(text, "://")
	switch strings.ToLower(scheme) {
	case "https", "ssh":
	case "http", "git":
		return Source{}, fmt.Errorf("%s:// lets everybody on the way change what is fetched; write https:// or ssh://", scheme)
	case "file":
		return Source{}, errors.New("a folder of this machine is written as a path that begins with ./ or ../, not as file://")
	default:
		return Source{}, fmt.Errorf("modules are not fetched by %s://; %s", clip(scheme), possible)
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Hostname() == "" || !validHost(u.Hostname()) {
		return Source{}, fmt.Errorf("the address of the repository cannot be read; %s", possible)
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if _, secret := u.User.Password(); secret || u.User != nil && u.Scheme == "https" {
		return Source{}, fmt.Errorf("a user, password or token in a source would be in files that others read. Write the address without it:\n  %s\nand let Git know the credentials: by a credential helper (git config credential.helper), or by SSH:\n  git@%s:%s",
			u.Scheme+"://"+u.Host+u.Path, u.Hostname(), strings.TrimPrefix(u.Path, "/"))
	}
	if u.User != nil && !validUser(u.User.Username()) {
		return Source{}, errors.New("the user in the address of the repository has characters that a user cannot have")
	}
	repo, dir, err := splitRepo(u.Path, u.Host)
	if err != nil {
		return Source{}, err
	}
	parts, known := hosts[u.Host]
	known = known && u.Scheme == "https"
	switch n := strings.Count(strings.Trim(repo, "/"), "/") + 1; {
	case strings.Trim(repo, "/") == "":
		return Source{}, fmt.Errorf("the address names no repository; %s", possible)
	case known && (parts == 0 && n < 2 || parts > 0 && n != parts):
		return Source{}, fmt.Errorf("%s%s is no repository there: it is %s/ORG/REPO, and a folder in it follows after two slashes: %s/ORG/REPO//FOLDER", u.Host, repo, u.Host, u.Host)
	case known && !strings.HasSuffix(repo, ".git"):
		repo += ".git"
	case !known && !forced && !strings.HasSuffix(repo, ".git"):
		return Source{}, fmt.Errorf("modules come from Git repositories, not from archives or pages. If there is a repository at that address, say so:\n  git::%s", text)
	}
	u.Path, u.RawPath = repo, ""
	return Source{Repo: u.String(), Ref: ref, Dir: dir}, nil
}

// gitSCP reads the short form of SSH: git@host:org/repo.git.
func gitSCP(user, rest, ref string) (Source, error) {
	if strings.Contains(user, ":") {
		return Source{}, errors.New("a password has no place in a source, which others read. SSH uses keys:\n  git@HOST:ORG/REPO.git")
	}
	host, p, _ := strings.Cut(rest, ":")
	if !validUser(user) || !validHost(host) || strings.HasPrefix(p, "-") || strings.HasPrefix(p, ":") {
		return Source{}, fmt.Errorf("the address of the repository cannot be read; %s", possible)
	}
	repo, dir, err := splitRepo(p, "")
	if err != nil {
		return Source{}, err
	}
	if strings.Trim(repo, "/") == "" {
		return Source{}, fmt.Errorf("the address names no repository; %s", possible)
	}
	return Source{Repo: user + "@" + strings.ToLower(host) + ":" + repo, Ref: ref, Dir: dir}, nil
}

// splitRepo parts the path of a repository from the folder in it, which two slashes or the end of ".git" divide.
func splitRepo(p, host string) (repo, dir string, err error) {
	repo, dir, found := strings.Cut(p, "//")
	if strings.HasPrefix(p, "//") {
		return "", "", fmt.Errorf("the address of the repository cannot be read; %s", possible)
	}
	if !found {
		if before, after, ok := strings.Cut(p, ".git/"); ok && after != "" {
			return "", "", fmt.Errorf("two slashes part a repository from a folder in it:\n  %s.git//%s", before, after)
		}
		if segments := strings.Split(strings.Trim(p, "/"), "/"); hosts[host] > 0 && len(segments) > hosts[host] {
			parts := hosts[host]
			return "", "", fmt.Errorf("two slashes part a repository from a folder in it:\n  %s/%s//%s", host, strings.Join(segments[:parts], "/"), strings.Join(segments[parts:], "/"))
		}
	}
	repo = strings.TrimRight(repo, "/")
	if slices.Contains(strings.Split(repo, "/"), "..") {
		return "", "", errors.New("the address of a repository has no .. in it")
	}
	if !found {
		return repo, "", nil
	}
	clean := path.Clean("/" + dir)[1:]
	for part := range strings.SplitSeq(dir, "/") {
		if part == ".." || strings.EqualFold(part, ".git") {
			return "", "", fmt.Errorf("%q is no folder in the repository: after the two slashes there is neither .. nor .git", dir)
		}
	}
	if strings.ContainsAny(clean, "%?#") {
		return "", "", fmt.Errorf("%q has characters that a folder of a module cannot have", dir)
	}
	return repo, clean, nil
}

// validHost keeps out what ssh would take for an option, and what is no name.
func validHost(host string) bool {
	if host == "" || strings.HasPrefix(host, "-") {
		return false
	}
	return !strings.ContainsFunc(host, func(r rune) bool {
		return r != '-' && r != '.' && r != '_' && r != ':' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

func validUser(user string) bool {
	return validHost(user) && !strings.Contains(user, ":")
}
