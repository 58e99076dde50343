package gitrepo_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/dstackai/dstack-planner/modfetch/gittest"
)

// file is an entry that holds a text.
func file(text string) gittest.Entry { return gittest.Entry{Mode: "100644", Content: text} }

// place is a repository on a server.
type place struct {
	*gittest.Repo
	server *gittest.Server
	plain  *httptest.Server
	root   string
}

// serve makes an empty repository that is served over HTTP on this machine, with settings of its own.
func serve(t *testing.T, settings ...string) *place {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	p := &place{root: t.TempDir()}
	var err error
	p.Repo, err = gittest.Init(filepath.Join(p.root, "train.git"), "sha1")
	require.NoError(t, err)
	for _, s := range settings {
		_, err := p.Git("", "config", s, "true")
		require.NoError(t, err)
	}
	p.server, err = gittest.Serve(p.root)
	require.NoError(t, err)
	t.Cleanup(p.server.Close)
	p.plain = httptest.NewServer(p.server.Config.Handler)
	t.Cleanup(p.plain.Close)
	return p
}

func (p *place) url() string { return p.plain.URL + "/train.git" }

// commit adds a commit to main.
func (p *place) commit(t *testing.T, files map[string]gittest.Entry) string {
	t.Helper()
	id, err := p.Commit(files)
	require.NoError(t, err)
	return id
}

func (p *place) git(t *testing.T, args ...string) string {
	t.Helper()
	out, err := p.Git("", args...)
	require.NoError(t, err)
	return out
}

// host is an SSH server that lets one key read repositories.
type host struct {
	url   string // of the repository
	key   string // that opens it
	known string // lines of known_hosts
}

func newKey(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return signer, string(pem.EncodeToMemory(block))
}

func (p *place) overSSH(t *testing.T) host {
	t.Helper()
	own, _ := newKey(t)
	client, text := newKey(t)
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(client.PublicKey().Marshal()) {
			return nil, fmt.Errorf("who are you?")
		}
		return nil, nil
	}}
	config.AddHostKey(own)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var all sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.converse(conn, config) })
		}
	})
	port := l.Addr().(*net.TCPAddr).Port
	return host{
		url: fmt.Sprintf("ssh://git@127.0.0.1:%d/train.git", port), key: text,
		known: fmt.Sprintf("[127.0.0.1]:%d %s", port, ssh.MarshalAuthorizedKey(own.PublicKey())),
	}
}

// converse serves one connection: git-upload-pack 'PATH', below the root.
func (p *place) converse(conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	_, chans, reqs, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(reqs)
	for offered := range chans {
		ch, reqs, err := offered.Accept()
		if err != nil {
			return
		}
		for r := range reqs {
			var command struct{ Text string }
			if r.Type != "exec" || ssh.Unmarshal(r.Payload, &command) != nil {
				r.Reply(false, nil)
				continue
			}
			r.Reply(true, nil)
			path := strings.Trim(strings.TrimPrefix(command.Text, "git-upload-pack "), "'")
			cmd := exec.Command("git", "upload-pack", filepath.Join(p.root, path))
			cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C")
			cmd.Stdout, cmd.Stderr = ch, ch.Stderr()
			in, err := cmd.StdinPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				break
			}
			go func() {
				defer in.Close()
				buf := make([]byte, 4<<10)
				for {
					n, err := ch.Read(buf)
					if n > 0 {
						in.Write(buf[:n])
					}
					if err != nil {
						return
					}
				}
			}()
			code := uint32(0)
			if cmd.Wait() != nil {
				code = 128
			}
			ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{code}))
			break
		}
		ch.Close()
	}
}
