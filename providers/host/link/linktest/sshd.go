package linktest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// WriteKey makes a private key in a file, as OpenSSH does.
func WriteKey(t testing.TB, path string) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return signer
}

// SSHD starts a real server on the loopback that lets the user of the test in by the keys of a file, and returns its port. more are
// lines for its configuration. Without one the test is skipped; in CI it fails.
func SSHD(t testing.TB, keys, more string) int {
	t.Helper()
	program := "/usr/sbin/sshd"
	if _, err := os.Stat(program); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no sshd; install openssh-server")
		}
		t.Skip("there is no sshd; install openssh-server to run this")
	}
	dir := t.TempDir()
	if os.Geteuid() == 0 {
		require.NoError(t, os.MkdirAll("/run/sshd", 0o755))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	require.NoError(t, listener.Close())
	WriteKey(t, filepath.Join(dir, "host"))
	config := fmt.Sprintf("ListenAddress 127.0.0.1:%d\nHostKey %s/host\nAuthorizedKeysFile %s\nStrictModes no\nUsePAM no\nPidFile none\nSubsystem sftp internal-sftp\n%s", port, dir, keys, more)
	file := filepath.Join(dir, "sshd_config")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	var log bytes.Buffer
	cmd := exec.Command(program, "-D", "-e", "-f", file)
	cmd.Stderr = &log
	cmd.WaitDelay = time.Second // its children, one for each connection, hold the log open
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, 30*time.Second, 20*time.Millisecond)
	return port
}
