package link

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	known "golang.org/x/crypto/ssh/knownhosts"
)

// HostKey is the key by which a machine was known.
type HostKey struct {
	// Key is as in authorized_keys: "ssh-ed25519 AAAA...". Pin a machine with it.
	Key string
	// Fingerprint is as ssh prints it: "SHA256:...".
	Fingerprint string
	// Trust says why it was believed.
	Trust Trust
}

// Trust is why a host key was believed.
type Trust string

// Reasons to believe a host key.
const (
	// TrustKnown is a line of known_hosts, or a certificate by an authority that one names.
	TrustKnown Trust = "known_hosts"
	// TrustPinned is the key that was pinned at first contact.
	TrustPinned Trust = "pinned"
	// TrustFirst is first contact: nothing was known of the machine.
	TrustFirst Trust = "first contact"
)

// guard checks which machine answers. It is used for one connection.
type guard struct {
	m    Machine
	db   *knownhosts.HostKeyDB // nil if there is no file
	pin  ssh.PublicKey
	seen HostKey
}

func (l *Links) guard(m Machine) (*guard, error) {
	g := &guard{m: m}
	if m.Pin != "" {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(m.Pin))
		if err != nil {
			return nil, &Failure{Machine: m, Step: StepConfig, What: "the host key that is recorded for it cannot be read: " + plain(err), Cause: err}
		}
		g.pin = key
	}
	var files []string
	for _, f := range l.o.KnownHosts {
		if _, err := os.Stat(f); err == nil {
			files = append(files, f)
		}
	}
	if len(files) > 0 {
		db, err := knownhosts.NewDB(files...)
		if err != nil {
			return nil, &Failure{Machine: m, Step: StepConfig, What: "known_hosts cannot be read: " + plain(err), Advice: "correct that line", Cause: err}
		}
		g.db = db
	}
	return g, nil
}

// algorithms are the kinds of host keys to ask the server for: those of the keys that are known, so that another kind of key
// of the same machine is not taken for a change.
func (g *guard) algorithms() []string {
	if g.db != nil {
		if list := g.db.HostKeyAlgorithms(g.m.address()); len(list) > 0 {
			return list
		}
	}
	if g.pin == nil {
		return nil
	}
	if g.pin.Type() == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA}
	}
	return []string{g.pin.Type()}
}

// check is an ssh.HostKeyCallback.
func (g *guard) check(_ string, remote net.Addr, key ssh.PublicKey) error {
	plainKey := key
	if cert, ok := key.(*ssh.Certificate); ok {
		plainKey = cert.Key
	}
	g.seen = HostKey{
		Key:         strings.TrimSpace(string(ssh.MarshalAuthorizedKey(plainKey))),
		Fingerprint: ssh.FingerprintSHA256(plainKey),
		Trust:       TrustFirst,
	}
	if g.db != nil {
		// What was dialled is the machine's address; behind a head node the remote address would be the head node's.
		if g.m.Jump != nil || remote == nil {
			remote = nowhere{}
		}
		err := g.db.HostKeyCallback()(g.m.address(), remote, key)
		var unknown *known.KeyError
		var revoked *known.RevokedError
		switch {
		case err == nil:
			g.seen.Trust = TrustKnown
			return nil
		case errors.As(err, &revoked):
			return &Failure{
				Machine: g.m, Step: StepHostKey, Cause: err,
				What:   fmt.Sprintf("its host key %s is revoked in %s line %d", g.seen.Fingerprint, revoked.Revoked.Filename, revoked.Revoked.Line),
				Advice: "whoever answers must not be trusted with anything; give the machine a new host key",
			}
		case errors.As(err, &unknown) && len(unknown.Want) > 0:
			w := unknown.Want[0]
			return g.changed(ssh.FingerprintSHA256(w.Key), fmt.Sprintf("%s line %d", w.Filename, w.Line), fmt.Sprintf("ssh-keygen -R %s", known.Normalize(g.m.address())), err)
		case !errors.As(err, &unknown):
			return &Failure{Machine: g.m, Step: StepHostKey, What: "its host key was refused: " + plain(err), Cause: err}
		}
	}
	if g.pin == nil {
		return nil
	}
	if !bytes.Equal(g.pin.Marshal(), plainKey.Marshal()) {
		return g.changed(ssh.FingerprintSHA256(g.pin), "the state, since first contact", "", nil)
	}
	g.seen.Trust = TrustPinned
	return nil
}

// nowhere is an address that known_hosts holds nothing of.
type nowhere struct{}

func (nowhere) Network() string { return "tcp" }
func (nowhere) String() string  { return "0.0.0.0:0" }

func (g *guard) changed(was, where, remove string, cause error) error {
	advice := "if the machine was set up anew, check the new fingerprint on its console (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), and then "
	if remove != "" {
		advice += "forget the old one: " + remove
	} else {
		advice += "add the new key to known_hosts, which wins over the state"
	}
	return &Failure{
		Machine: g.m, Step: StepHostKey, Cause: cause,
		What:   fmt.Sprintf("its host key has changed, or somebody is in between: it is %s, and was %s (%s)", g.seen.Fingerprint, was, where),
		Advice: advice,
	}
}
