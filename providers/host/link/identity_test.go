package link_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/dstackai/dstack-planner/providers/host/link"
	"github.com/dstackai/dstack-planner/providers/host/link/linktest"
)

func newEd25519(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return private
}

// writeKey writes a key as OpenSSH does.
func writeKey(t testing.TB, path string, private any, passphrase string) ssh.Signer {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return signer
}

func TestIdentityFiles(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	pkcs8 := func(key any) func(t *testing.T, path string) ssh.Signer {
		return func(t *testing.T, path string) ssh.Signer {
			der, err := x509.MarshalPKCS8PrivateKey(key)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
			signer, err := ssh.NewSignerFromKey(key)
			require.NoError(t, err)
			return signer
		}
	}
	openSSH := func(key any, passphrase string) func(t *testing.T, path string) ssh.Signer {
		return func(t *testing.T, path string) ssh.Signer { return writeKey(t, path, key, passphrase) }
	}
	text := func(text string) func(t *testing.T, path string) ssh.Signer {
		return func(t *testing.T, path string) ssh.Signer {
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			return linktest.Key(t)
		}
	}
	asks := func(answer string, err error) func(context.Context, string) ([]byte, error) {
		return func(context.Context, string) ([]byte, error) { return []byte(answer), err }
	}
	tests := map[string]struct {
		write func(t *testing.T, path string) ssh.Signer
		ask   func(context.Context, string) ([]byte, error)
		want  string
	}{
		"Ed25519":                   {write: openSSH(newEd25519(t), "")},
		"RSA":                       {write: openSSH(rsaKey, "")},
		"ECDSA":                     {write: openSSH(ecKey, "")},
		"Ed25519 as PKCS#8":         {write: pkcs8(newEd25519(t))},
		"RSA as PKCS#8":             {write: pkcs8(rsaKey)},
		"ECDSA as PKCS#8":           {write: pkcs8(ecKey)},
		"with a passphrase":         {write: openSSH(newEd25519(t), "secret"), ask: asks("secret", nil)},
		"with another passphrase":   {write: openSSH(newEd25519(t), "secret"), ask: asks("guess", nil), want: "that is not its passphrase"},
		"nobody to ask":             {write: openSSH(newEd25519(t), "secret"), want: "has a passphrase, and there is no terminal to ask for it; add the key to the ssh-agent: ssh-add "},
		"somebody who says no":      {write: openSSH(newEd25519(t), "secret"), ask: asks("", errors.New("interrupted")), want: "has a passphrase: interrupted"},
		"encrypted PKCS#8":          {write: text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGb\n-----END ENCRYPTED PRIVATE KEY-----\n"), want: "is encrypted as PKCS#8; convert it with: ssh-keygen -p -f "},
		"the public half":           {write: text("ssh-ed25519 AAAA me@here\n"), want: "holds a public key; the private one has the same name without .pub"},
		"no key":                    {write: text("hello\n"), want: "holds no private key that can be used"},
		"a key that the server has": {write: func(t *testing.T, path string) ssh.Signer { return writeKey(t, path, newEd25519(t), "") }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := someone(t)
			path := filepath.Join(w.home, "key")
			signer := test.write(t, path)
			s := linktest.Serve(t, linktest.Options{Keys: []ssh.PublicKey{signer.PublicKey()}})
			c, err := w.links(t, func(o *link.Options) { o.Passphrase = test.ask }).Open(t.Context(), link.Machine{Host: s.Host, Port: s.Port, User: "ubuntu", Identity: path})
			if test.want != "" {
				require.ErrorContains(t, err, "identity file "+path)
				require.ErrorContains(t, err, test.want)
				return
			}
			require.NoError(t, err)
			c.Close()
		})
	}
}

func TestAPassphraseIsAskedForOnce(t *testing.T) {
	w := someone(t)
	path := filepath.Join(w.home, "locked")
	key := writeKey(t, path, newEd25519(t), "secret").PublicKey()
	asked := 0
	l := w.links(t, func(o *link.Options) {
		o.Passphrase = func(context.Context, string) ([]byte, error) { asked++; return []byte("secret"), nil }
	})
	for range 3 {
		s := linktest.Serve(t, linktest.Options{Keys: []ssh.PublicKey{key}})
		open(t, l, link.Machine{Host: s.Host, Port: s.Port, User: "ubuntu", Identity: path})
	}
	require.Equal(t, 1, asked)
}

// hold starts an ssh-agent with keys.
func hold(t *testing.T, keys ...any) (socket string) {
	t.Helper()
	ring := agent.NewKeyring()
	for _, k := range keys {
		require.NoError(t, ring.Add(agent.AddedKey{PrivateKey: k}))
	}
	dir, err := os.MkdirTemp("", "agent") // short enough for a socket
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(ring, conn); _ = conn.Close() }()
		}
	}()
	return socket
}

func TestAnAgentOfManyKeys(t *testing.T) {
	keys := make([]any, 12)
	for i := range keys {
		keys[i] = newEd25519(t)
	}
	signer, err := ssh.NewSignerFromKey(keys[11])
	require.NoError(t, err)
	w := someone(t)
	socket := hold(t, keys...)
	with := func(o *link.Options) { o.Agent = socket }

	t.Run("the last one opens it, on another connection", func(t *testing.T) {
		s := linktest.Serve(t, linktest.Options{Keys: []ssh.PublicKey{signer.PublicKey()}})
		open(t, w.links(t, with), link.Machine{Host: s.Host, Port: s.Port, User: "ubuntu"})
		require.EqualValues(t, 3, s.Connections.Load())
	})
	t.Run("a server that hears out fewer", func(t *testing.T) {
		s := linktest.Serve(t, linktest.Options{Keys: []ssh.PublicKey{w.key.PublicKey()}, MostKeys: 3})
		open(t, w.links(t, with), w.machine(s))
		require.EqualValues(t, 1, s.Connections.Load(), "the machine's own identity is among the first")
	})
	t.Run("the identity is in the agent", func(t *testing.T) {
		file := filepath.Join(w.home, "card")
		require.NoError(t, os.WriteFile(file+".pub", ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o600))
		s := linktest.Serve(t, linktest.Options{Keys: []ssh.PublicKey{signer.PublicKey()}, MostKeys: 1})
		open(t, w.links(t, with), link.Machine{Host: s.Host, Port: s.Port, User: "ubuntu", Identity: file})
		require.EqualValues(t, 1, s.Connections.Load(), "and comes first")
	})
	t.Run("none does", func(t *testing.T) {
		s := linktest.Serve(t, linktest.Options{})
		_, err := w.links(t, with).Open(t.Context(), link.Machine{Host: s.Host, Port: s.Port, User: "ubuntu"})
		require.ErrorContains(t, err, "(ssh-agent)")
		require.ErrorContains(t, err, ssh.FingerprintSHA256(signer.PublicKey()), "every key that was offered is named")
	})
	t.Run("an agent that is gone", func(t *testing.T) {
		s := w.serve(t)
		l := w.links(t, func(o *link.Options) { o.Agent = filepath.Join(w.home, "none") })
		open(t, l, w.machine(s))
		_, err := l.Open(t.Context(), link.Machine{Host: s.Host, Port: s.Port, User: "ubuntu"})
		require.ErrorContains(t, err, "the ssh-agent at "+filepath.Join(w.home, "none")+" did not answer")
	})
}

func TestOwnKeys(t *testing.T) {
	w := someone(t)
	own, other := filepath.Join(w.home, "own"), filepath.Join(w.home, "env")
	ownKey := writeKey(t, own, newEd25519(t), "")
	envKey := writeKey(t, other, newEd25519(t), "")
	l := w.links(t, func(o *link.Options) { o.OwnKey, o.Identity = own, other })
	for _, key := range []ssh.Signer{ownKey, envKey} {
		s := linktest.Serve(t, linktest.Options{Keys: []ssh.PublicKey{key.PublicKey()}})
		open(t, l, link.Machine{Host: s.Host, Port: s.Port, User: "ubuntu"})
	}
}
