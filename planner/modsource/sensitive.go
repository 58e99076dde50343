package modsource

import (
	"regexp"
	"strings"
)

// secretName is a parameter of an address whose value is a secret.
var secretName = regexp.MustCompile(`(?i)token|key|secret|pass|pwd|sig|auth|cred`)

// longestPlain is how long a text can be where a secret may stand and still be taken for none.
const longestPlain = 12

// Sensitive tells whether a text that was meant as a source may hold a password or a token, so that not even the line
// that it stands in should be shown. It looks at every text, also at those that Parse refuses, and rather says yes.
func Sensitive(text string) bool {
	text = strings.TrimPrefix(strings.TrimSpace(text), "git::")
	text, fragment, _ := strings.Cut(text, "#")
	text, query, _ := strings.Cut(text, "?")
	if len(fragment) > longestPlain {
		return true
	}
	for part := range strings.SplitSeq(query, "&") {
		name, val, ok := strings.Cut(part, "=")
		if !ok {
			name, val = "", part
		}
		if strings.ContainsAny(val, "@:") || name != "ref" && (secretName.MatchString(name) || len(val) > longestPlain) {
			return true
		}
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
