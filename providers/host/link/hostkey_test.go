package link_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/dstackai/dstack-planner/providers/host/link"
	"github.com/dstackai/dstack-planner/providers/host/link/linktest"
)

func TestHostKeys(t *testing.T) {
	authority := linktest.Key(t)
	other := linktest.Key(t).PublicKey()
	line := func(key ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) }
	certified := func(o *linktest.Options) {
		key := linktest.Key(t)
		cert := &ssh.Certificate{Key: key.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{"127.0.0.1"}, ValidBefore: uint64(time.Now().Add(time.Hour).Unix())}
		require.NoError(t, cert.SignCert(rand.Reader, authority))
		signer, err := ssh.NewCertSigner(cert, key)
		require.NoError(t, err)
		o.HostKey = signer
	}
	tests := map[string]struct {
		serve func(*linktest.Options)
		known func(name string, key ssh.PublicKey) string
		pin   func(key ssh.PublicKey) string
		trust link.Trust
		want  []string
	}{
		"first contact":  {trust: link.TrustFirst},
		"known":          {known: func(n string, k ssh.PublicKey) string { return n + " " + line(k) }, trust: link.TrustKnown},
		"known, hashed":  {known: func(n string, k ssh.PublicKey) string { return knownhosts.HashHostname(n) + " " + line(k) }, trust: link.TrustKnown},
		"others known":   {known: func(_ string, k ssh.PublicKey) string { return "else.example " + line(other) }, trust: link.TrustFirst},
		"an authority":   {serve: certified, known: func(string, ssh.PublicKey) string { return "@cert-authority 127.0.0.* " + line(authority.PublicKey()) }, trust: link.TrustKnown},
		"pinned":         {pin: line, trust: link.TrustPinned},
		"pin is another": {pin: func(ssh.PublicKey) string { return line(other) }, want: []string{"its host key has changed, or somebody is in between", "was " + ssh.FingerprintSHA256(other) + " (the state, since first contact)", "add the new key to known_hosts, which wins over the state"}},
		"known after it was set up anew": {
			known: func(n string, k ssh.PublicKey) string { return n + " " + line(k) }, pin: func(ssh.PublicKey) string { return line(other) }, trust: link.TrustKnown,
		},
		"known as another": {
			known: func(n string, _ ssh.PublicKey) string { return "# mine\n" + n + " " + line(other) },
			want:  []string{"its host key has changed, or somebody is in between: it is SHA256:", "was " + ssh.FingerprintSHA256(other), "known_hosts line 2", "forget the old one: ssh-keygen -R"},
		},
		"revoked": {
			known: func(_ string, k ssh.PublicKey) string { return "@revoked * " + line(k) },
			want:  []string{"is revoked in", "known_hosts line 1", "must not be trusted"},
		},
		"a file of nonsense": {
			known: func(string, ssh.PublicKey) string { return "127.0.0.1 ssh-ed25519 ???" },
			want:  []string{"known_hosts cannot be read", "known_hosts:1"},
		},
		"a pin of nonsense": {pin: func(ssh.PublicKey) string { return "nonsense" }, want: []string{"the host key that is recorded for it cannot be read"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := someone(t)
			serve := test.serve
			if serve == nil {
				serve = func(*linktest.Options) {}
			}
			s := w.serve(t, serve)
			m := w.machine(s)
			if test.known != nil {
				text := test.known(knownhosts.Normalize(fmt.Sprintf("%s:%d", s.Host, s.Port)), s.HostKey) + "\n"
				require.NoError(t, os.WriteFile(filepath.Join(w.home, ".ssh", "known_hosts"), []byte(text), 0o600))
			}
			if test.pin != nil {
				m.Pin = test.pin(s.HostKey)
			}
			c, err := w.links(t).Open(t.Context(), m)
			if test.want != nil {
				for _, want := range test.want {
					require.ErrorContains(t, err, want)
				}
				return
			}
			require.NoError(t, err)
			defer c.Close()
			require.Equal(t, test.trust, c.HostKey().Trust)
			m.Pin = c.HostKey().Key
			again := open(t, w.links(t), m)
			require.Equal(t, c.HostKey().Fingerprint, again.HostKey().Fingerprint)
		})
	}
}
