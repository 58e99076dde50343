package link

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// keysInOneTry is how many keys are offered on one connection: an sshd closes it at the sixth that it does not take.
const keysInOneTry = 5

// identity is a key that may open a machine, and where it is from.
type identity struct {
	ssh.Signer
	from string
}

// String is how errors name a key: its fingerprint, its kind and where it is from.
func (i identity) String() string {
	return fmt.Sprintf("%s %s (%s)", i.PublicKey().Type(), ssh.FingerprintSHA256(i.PublicKey()), i.from)
}

// keys are the identities to offer to a machine, best first, what could not be used, and what closes them.
func (l *Links) keys(ctx context.Context, m Machine) (ids []identity, notes []string, closed func()) {
	closed = func() {}
	add := func(id identity) {
		same := func(other identity) bool { return bytes.Equal(other.PublicKey().Marshal(), id.PublicKey().Marshal()) }
		if !slices.ContainsFunc(ids, same) {
			ids = append(ids, id)
		}
	}
	var own []identity
	for _, file := range []struct{ path, from string }{{l.o.Identity, "DSTACK_IDENTITY_FILE"}, {m.Identity, "identity_file"}, {l.o.OwnKey, "made by dstack"}} {
		if file.path == "" {
			continue
		}
		path := l.expand(file.path)
		signers, err := l.readKey(ctx, path)
		if err != nil {
			if file.path == l.o.OwnKey && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			notes = append(notes, err.Error())
			continue
		}
		for _, s := range signers {
			own = append(own, identity{s, path})
		}
	}
	if l.o.Agent != "" {
		held, stop, err := agentKeys(ctx, l.o.Agent)
		if err != nil {
			notes = append(notes, fmt.Sprintf("the ssh-agent at %s did not answer: %s", l.o.Agent, plain(err)))
		}
		closed = stop
		// As in OpenSSH, keys of the agent that are the machine's identity come first.
		named := map[string]bool{}
		for _, path := range []string{l.o.Identity, m.Identity} {
			if public := readPublic(l.expand(path)); public != nil {
				named[string(public.Marshal())] = true
			}
		}
		for _, first := range []bool{true, false} {
			for _, s := range held {
				if named[string(s.PublicKey().Marshal())] == first {
					add(identity{s, "ssh-agent"})
				}
			}
		}
		if m.Identity != "" && len(ids) > 2 {
			// A machine with an identity of its own gets that one in the first try.
			for i, id := range own {
				if id.from == l.expand(m.Identity) {
					ids = slices.Insert(ids, min(2, len(ids)), own[i])
					break
				}
			}
		}
	}
	for _, id := range own {
		add(id)
	}
	return ids, notes, closed
}

func agentKeys(ctx context.Context, socket string) ([]ssh.Signer, func(), error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, func() {}, err
	}
	// An agent may ask its user before it signs, which takes as long as it takes; what it holds it knows.
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		_ = conn.Close()
		return nil, func() {}, err
	}
	_ = conn.SetDeadline(time.Time{})
	return signers, func() { _ = conn.Close() }, nil
}

// readKey reads a private key in any form that OpenSSH or openssl write, and the certificate beside it, which comes first.
func (l *Links) readKey(ctx context.Context, path string) ([]ssh.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("identity file %s cannot be read: %w", path, errors.Unwrap(err))
	}
	signer, err := ssh.ParsePrivateKey(text)
	var missing *ssh.PassphraseMissingError
	if errors.As(err, &missing) || err != nil && isEncryptedPKCS8(text) {
		signer, err = l.unlock(ctx, path, text)
	}
	if err != nil {
		if block, _ := pem.Decode(text); block == nil && bytes.HasPrefix(text, []byte("ssh-")) {
			return nil, fmt.Errorf("identity file %s holds a public key; the private one has the same name without .pub", path)
		}
		if strings.HasPrefix(err.Error(), "identity file") {
			return nil, err
		}
		return nil, fmt.Errorf("identity file %s holds no private key that can be used (RSA, ECDSA or Ed25519, as OpenSSH or PKCS#8): %s", path, plain(err))
	}
	signers := []ssh.Signer{signer}
	if public, err := os.ReadFile(path + "-cert.pub"); err == nil {
		if key, _, _, _, err := ssh.ParseAuthorizedKey(public); err == nil {
			if cert, ok := key.(*ssh.Certificate); ok {
				if s, err := ssh.NewCertSigner(cert, signer); err == nil {
					signers = append([]ssh.Signer{s}, signers...)
				}
			}
		}
	}
	return signers, nil
}

// unlock reads an encrypted key with the passphrase that the user is asked for, once in a program's life.
func (l *Links) unlock(ctx context.Context, path string, text []byte) (ssh.Signer, error) {
	l.unlocking.Lock()
	defer l.unlocking.Unlock()
	if known, ok := l.unlocked[path]; ok {
		return known, nil
	}
	if isEncryptedPKCS8(text) {
		return nil, fmt.Errorf("identity file %s is encrypted as PKCS#8; convert it with: ssh-keygen -p -f %s", path, path)
	}
	if l.o.Passphrase == nil {
		return nil, fmt.Errorf("identity file %s has a passphrase, and there is no terminal to ask for it; add the key to the ssh-agent: ssh-add %s", path, path)
	}
	passphrase, err := l.o.Passphrase(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("identity file %s has a passphrase: %w", path, err)
	}
	defer clear(passphrase)
	signer, err := ssh.ParsePrivateKeyWithPassphrase(text, passphrase)
	if errors.Is(err, x509.IncorrectPasswordError) {
		return nil, fmt.Errorf("identity file %s: that is not its passphrase", path)
	}
	if err == nil {
		l.unlocked[path] = signer
	}
	return signer, err
}

func isEncryptedPKCS8(text []byte) bool {
	block, _ := pem.Decode(text)
	return block != nil && block.Type == "ENCRYPTED PRIVATE KEY"
}

// readPublic is the public half of a private key, from the file beside it.
func readPublic(path string) ssh.PublicKey {
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path + ".pub")
	if err != nil {
		return nil
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil
	}
	return key
}

// weak tells why a key is too short for servers of today, else it is empty.
func weak(key ssh.PublicKey) string {
	if c, ok := key.(ssh.CryptoPublicKey); ok {
		if k, ok := c.CryptoPublicKey().(*rsa.PublicKey); ok && k.N.BitLen() < 2048 {
			return fmt.Sprintf("an RSA key of %d bits", k.N.BitLen())
		}
	}
	return ""
}

func (l *Links) expand(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok && l.o.Home != "" {
		return filepath.Join(l.o.Home, rest)
	}
	return path
}
