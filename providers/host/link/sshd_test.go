package link_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/dstackai/dstack-planner/providers/host/link"
	"github.com/dstackai/dstack-planner/providers/host/link/linktest"
)

// sshd starts a real server that lets the user of the test in by the keys of a file.
func sshd(t *testing.T, keys string, more string) link.Machine {
	t.Helper()
	port := linktest.SSHD(t, keys, more)
	me, err := user.Current()
	require.NoError(t, err)
	return link.Machine{Host: "127.0.0.1", Port: port, User: me.Username}
}

// TestSSHD has the same against OpenSSH: keys, a certificate, a head node, scripts, files and sockets.
func TestSSHD(t *testing.T) {
	w := someone(t)
	keys := filepath.Join(w.home, "authorized_keys")
	require.NoError(t, os.WriteFile(keys, ssh.MarshalAuthorizedKey(w.key.PublicKey()), 0o600))
	head := sshd(t, keys, "")
	head.Identity = w.file
	worker := sshd(t, keys, "MaxSessions 2\n")
	worker.Identity, worker.Jump = w.file, &head
	l := w.links(t)
	c := open(t, l, worker)
	require.Equal(t, link.TrustFirst, c.HostKey().Trust)
	out, err := c.Script(t.Context(), "echo \"$SSH_CONNECTION\"; exit 3")
	require.NoError(t, err)
	require.Equal(t, 3, out.Code)
	require.Contains(t, string(out.Stdout), fmt.Sprint(worker.Port))

	files, done, err := c.Files(t.Context())
	require.NoError(t, err)
	_, err = files.Stat(keys)
	require.NoError(t, err)
	done()

	dir, err := os.MkdirTemp("", "sock")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		if conn, err := listener.Accept(); err == nil {
			_, _ = conn.Write([]byte("hello"))
			_ = conn.Close()
		}
	}()
	conn, err := c.Dial(t.Context(), "unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	var b bytes.Buffer
	_, err = b.ReadFrom(conn)
	require.NoError(t, err)
	require.Equal(t, "hello", b.String())

	stranger := worker
	stranger.Identity = filepath.Join(w.home, "stranger")
	writeKey(t, stranger.Identity, newEd25519(t), "")
	_, err = l.Open(t.Context(), stranger)
	require.ErrorContains(t, err, "it accepts none of the keys")

	shut := sshd(t, keys, "AllowTcpForwarding no\n")
	shut.Identity = w.file
	blocked := worker
	blocked.Jump = &shut
	_, err = l.Open(t.Context(), blocked)
	require.ErrorContains(t, err, "its head node does not forward connections")

	forced := sshd(t, keys, "ForceCommand echo only backups here\n")
	forced.Identity = w.file
	f := open(t, l, forced)
	_, err = f.Script(t.Context(), "true")
	require.ErrorContains(t, err, `the machine said "only backups here"`)
}

func TestSSHDTakesCertificates(t *testing.T) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("there is no ssh-keygen")
	}
	w := someone(t)
	authority := filepath.Join(w.home, "authority")
	key := writeKey(t, authority, newEd25519(t), "")
	require.NoError(t, os.WriteFile(authority+".pub", ssh.MarshalAuthorizedKey(key.PublicKey()), 0o600))
	require.NoError(t, os.WriteFile(w.file+".pub", ssh.MarshalAuthorizedKey(w.key.PublicKey()), 0o600))
	me, err := user.Current()
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-s", authority, "-I", "me", "-n", me.Username, w.file+".pub").CombinedOutput()
	require.NoError(t, err, strings.TrimSpace(string(out)))
	m := sshd(t, "none", "TrustedUserCAKeys "+authority+".pub\n")
	m.Identity = w.file
	open(t, w.links(t), m)
}
