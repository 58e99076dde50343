package gitrepo

import (
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Remote is a repository on a server, with what opens it.
type Remote struct {
	// URL is https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH. http:// is for servers of this machine, or those that
	// ask nobody who they are.
	URL string
	// Username and Token are for HTTPS; most servers look at the token alone, and Username is DefaultUsername unless set.
	Username string
	Token    string
	// PrivateKey is a key for SSH as ssh-keygen writes it, without a passphrase.
	PrivateKey string
	// KnownHosts are lines as ssh-keyscan prints them: the keys by which the host is known. SSH needs them.
	KnownHosts string
}

// DefaultUsername is said along with a token where no name is set.
const DefaultUsername = "git"

// address is a URL taken apart.
type address struct {
	scheme string // https, http or ssh
	user   string
	host   string
	port   string // "" for the usual one
	path   string
}

var scpLike = regexp.MustCompile(`^(?:([A-Za-z0-9._-]+)@)?([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):([^/:][^:]*|/.+)$`)

// CheckURL tells what is wrong with the address of a repository, if anything is.
func CheckURL(text string) error {
	_, err := parse(text)
	return err
}

// IsSSH tells whether a repository is reached over SSH.
func IsSSH(text string) bool {
	a, err := parse(text)
	return err == nil && a.scheme == "ssh"
}

// Host is the host of an address, with its port where that is not the usual one, as known_hosts has it; "" if there is none.
func Host(text string) string {
	a, err := parse(text)
	if err != nil {
		return ""
	}
	if a.port != "" && a.port != "22" && a.scheme == "ssh" {
		return "[" + a.host + "]:" + a.port
	}
	return a.host
}

// SameRepository tells whether two addresses lead to one repository, also where one is for SSH and the other for HTTPS.
func SameRepository(one, two string) bool {
	a, errA := parse(userLess(one))
	b, errB := parse(userLess(two))
	if errA != nil || errB != nil {
		return one == two
	}
	plain := func(a address) string {
		p := strings.Trim(strings.TrimSuffix(strings.TrimSuffix(a.path, "/"), ".git"), "/")
		return strings.ToLower(a.host) + "/" + p
	}
	return plain(a) == plain(b) && (a.scheme != b.scheme || a.port == b.port)
}

// userLess is an address without its user, which people may have written with a password.
func userLess(text string) string {
	before, rest, ok := strings.Cut(text, "://")
	if authority, path, slash := strings.Cut(rest, "/"); ok && slash {
		return before + "://" + authority[strings.LastIndex(authority, "@")+1:] + "/" + path
	}
	return text
}

func parse(text string) (address, error) {
	bad := func(why string) (address, error) {
		return address{}, &Error{Kind: BadURL, URL: withoutUser(text), What: why}
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return bad("there are spaces or unprintable characters in it")
	}
	if !strings.Contains(text, "://") {
		m := scpLike.FindStringSubmatch(text)
		if m == nil {
			return bad("it is neither https://HOST/PATH nor ssh://USER@HOST/PATH nor USER@HOST:PATH")
		}
		return address{scheme: "ssh", user: m[1], host: strings.Trim(m[2], "[]"), path: m[3]}, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return bad("it cannot be read")
	}
	a := address{scheme: strings.ToLower(u.Scheme), user: u.User.Username(), host: u.Hostname(), port: u.Port(), path: u.Path}
	_, password := u.User.Password()
	switch {
	case a.scheme != "https" && a.scheme != "http" && a.scheme != "ssh":
		return bad("repositories are cloned over https or ssh, not over " + strconv.Quote(a.scheme))
	case password || a.scheme != "ssh" && a.user != "":
		return bad("there are credentials in it, and addresses are shown and recorded")
	case a.host == "":
		return bad("it names no host")
	case strings.Trim(a.path, "/") == "":
		return bad("it names a host and no repository")
	case u.RawQuery != "" || u.Fragment != "":
		return bad("there is a ? or # in it")
	case strings.HasPrefix(a.user, "-") || strings.HasPrefix(a.host, "-"):
		return bad("a name in it begins with a dash")
	}
	return a, nil
}

// withoutUser is an address without what may be a password in it.
func withoutUser(text string) string {
	before, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	authority, path, slash := strings.Cut(rest, "/")
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		authority = "..." + authority[i:]
	}
	if slash {
		authority += "/" + path
	}
	return before + "://" + authority
}

// Check tells what is wrong with a remote as far as that can be told without its server.
func (r Remote) Check() error {
	a, err := parse(r.URL)
	if err != nil {
		return err
	}
	bad := func(what string) error { return &Error{Kind: BadCredentials, URL: r.URL, What: what} }
	if a.scheme == "ssh" {
		switch {
		case r.Token != "" || r.Username != "":
			return bad("a token and its user name are for https, and this repository is reached over SSH, which takes a private key")
		case r.PrivateKey == "":
			return &Error{Kind: NeedsKey, URL: r.URL, What: "a repository is reached over SSH with a private key, and there is none"}
		case r.KnownHosts == "":
			return &Error{Kind: UnknownHost, URL: r.URL, What: "nothing is said about the keys by which " + Host(r.URL) + " is known"}
		}
		if _, err := ssh.ParsePrivateKey([]byte(r.PrivateKey)); err != nil {
			if _, locked := err.(*ssh.PassphraseMissingError); locked {
				return bad("the private key has a passphrase, which nobody could type where the job runs")
			}
			return bad("the private key cannot be read; it is the whole text that ssh-keygen wrote, with its first and last line")
		}
		_, err := r.knownKeys(a)
		return err
	}
	switch {
	case r.PrivateKey != "" || r.KnownHosts != "":
		return bad("a private key and known hosts are for SSH, and this repository is reached over " + a.scheme + ", which takes a token")
	case r.Token == "" && r.Username != "":
		return bad("there is a user name and no token")
	case r.Token != "" && a.scheme == "http" && !isThisMachine(a.host):
		return bad("the token would be sent in clear over http; the repository can be reached over https")
	}
	return nil
}

func isThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
