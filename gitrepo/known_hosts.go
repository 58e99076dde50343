package gitrepo

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// knownKeys are the keys by which a host is known, without those that are marked as revoked.
func (r Remote) knownKeys(a address) ([]ssh.PublicKey, error) {
	port := a.port
	if port == "" {
		port = "22"
	}
	want := knownhosts.Normalize(net.JoinHostPort(a.host, port))
	var keys, revoked []ssh.PublicKey
	rest := []byte(r.KnownHosts)
	for {
		marker, hosts, key, _, left, err := ssh.ParseKnownHosts(rest)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, &Error{Kind: UnknownHost, URL: r.URL, What: "the known hosts cannot be read; they are lines as ssh-keyscan prints them: HOST ssh-ed25519 AAAA..."}
		}
		rest = left
		switch {
		case marker == "revoked":
			revoked = append(revoked, key)
		case marker == "" && slices.ContainsFunc(hosts, func(h string) bool { return knownhosts.Normalize(h) == want || isHashOf(h, want) }):
			keys = append(keys, key)
		}
	}
	keys = slices.DeleteFunc(keys, func(k ssh.PublicKey) bool { return contains(revoked, k) })
	if len(keys) == 0 {
		return nil, &Error{Kind: UnknownHost, URL: r.URL, What: "there is no key of " + want + " among the known hosts"}
	}
	return keys, nil
}

func contains(keys []ssh.PublicKey, key ssh.PublicKey) bool {
	return slices.ContainsFunc(keys, func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), key.Marshal()) })
}

// checkKey tells what is wrong with the key that a host answers with.
func (r Remote) checkKey(known []ssh.PublicKey, key ssh.PublicKey) error {
	if contains(known, key) {
		return nil
	}
	return &Error{Kind: UnknownHost, URL: r.URL, What: fmt.Sprintf("the host answers with the key %s, which is not among those by which it is known; somebody may be in between", ssh.FingerprintSHA256(key))}
}

// algorithms are those of the keys by which a host is known, so that it does not answer with another one.
func algorithms(known []ssh.PublicKey) []string {
	var out []string
	for _, key := range known {
		switch t := key.Type(); t {
		case ssh.KeyAlgoRSA:
			out = append(out, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		default:
			out = append(out, t)
		}
	}
	return out
}

// isHashOf tells whether a hashed name, as ssh-keygen -H writes it, is that of a host.
func isHashOf(hashed, host string) bool {
	parts := strings.Split(hashed, "|")
	if len(parts) != 4 || parts[0] != "" || parts[1] != "1" {
		return false
	}
	salt, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return false
	}
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(host))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil)) == parts[3]
}
