package shell_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/internal/shell"
)

func TestCommands(t *testing.T) {
	j := open(t)
	for name, tt := range map[string]struct {
		args  []string
		stdin string
		want  ran
	}{
		"output and errors are apart":               {args: []string{"echo out; echo err >&2"}, want: ran{"out\n", "err\n", 0}},
		"the exit code is the command's":            {args: []string{"exit 41"}, want: ran{Code: 41}},
		"a command that is not there":               {args: []string{"no-such-program 2>/dev/null"}, want: ran{Code: 127}},
		"a signal ends it":                          {args: []string{"kill -TERM $$; sleep 5"}, want: ran{Code: 255}},
		"input is read to its end":                  {args: []string{"sort"}, stdin: "b\na\n", want: ran{Out: "a\nb\n"}},
		"it begins where the job does":              {args: []string{"pwd"}, want: ran{Out: j.inside + "\n"}},
		"it has the job's environment":              {args: []string{"echo $JOB"}, want: ran{Out: "yes\n"}},
		"and what the client sends":                 {args: []string{"-o", "SendEnv=LC_TEST", "echo $LC_TEST"}, want: ran{Out: "from the user\n"}},
		"quotes are the shell's of the job":         {args: []string{`echo 'a  b' "$JOB"`}, want: ran{Out: "a  b yes\n"}},
		"without a terminal":                        {args: []string{"test -t 0 || echo none"}, want: ran{Out: "none\n"}},
		"a shell that reads commands":               {args: []string{"-T"}, stdin: "echo one\nexit 3\n", want: ran{Out: "one\n", Code: 3}},
		"what it leaves behind does not hold it up": {args: []string{"sleep 60 >/dev/null 2>&1 </dev/null & echo started"}, want: ran{Out: "started\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"job"}, tt.args...)
			if strings.HasPrefix(tt.args[0], "-") {
				args = append(append([]string{}, tt.args[:len(tt.args)-1]...), "job", tt.args[len(tt.args)-1])
				if tt.args[0] == "-T" {
					args = []string{"-T", "job"}
				}
			}
			cmd := j.command("ssh", args...)
			cmd.Stdin = strings.NewReader(tt.stdin)
			require.Empty(t, cmp.Diff(tt.want, run(t, cmd)))
		})
	}
}

func TestWhatIsMissing(t *testing.T) {
	j := open(t)
	got := run(t, j.command("ssh", "job", "PATH=/nowhere; rsync --server"))
	require.Equal(t, 127, got.Code)
	if _, err := exec.LookPath("rsync"); err != nil {
		got = run(t, j.command("ssh", "job", "rsync --server . x"))
		require.Equal(t, ran{"", "dstack: rsync is not in this job; use scp, which needs nothing there\r\n", 127}, got)
	}
}

func TestMuchData(t *testing.T) {
	j := open(t)
	data := make([]byte, 8<<20)
	rand.Read(data)
	cmd := j.command("ssh", "job", "cat")
	var back bytes.Buffer
	cmd.Stdin, cmd.Stdout = bytes.NewReader(data), &back
	require.NoError(t, cmd.Run())
	require.True(t, bytes.Equal(data, back.Bytes()), "%d of %d bytes came back", back.Len(), len(data))
}

func TestWhoMayEnter(t *testing.T) {
	t.Run("a key that may not", func(t *testing.T) {
		j := open(t, func(d *shell.Door) { d.May = shell.Keys{publicKey(t)}.Has })
		got := run(t, j.command("ssh", "job", "true"))
		require.Equal(t, 255, got.Code)
		require.Contains(t, got.Err, "Permission denied (publickey)")
		require.Empty(t, j.seen(), "who does not get in is not there")
	})
	t.Run("a host key that changed", func(t *testing.T) {
		j := open(t)
		j.write("known_hosts", "job "+shell.Text(publicKey(t))+"\n")
		got := run(t, j.command("ssh", "job", "true"))
		require.Equal(t, 255, got.Code)
		require.Contains(t, got.Err, "REMOTE HOST IDENTIFICATION HAS CHANGED")
	})
	t.Run("a job that cannot be entered", func(t *testing.T) {
		j := open(t, func(d *shell.Door) {
			d.Enter = func(context.Context) (io.ReadWriteCloser, error) { return nil, errors.New("it has just ended") }
		})
		require.Equal(t, ran{"", "dstack: nobody can enter the job: it has just ended\r\n", 255}, run(t, j.command("ssh", "job", "true")))
		require.Contains(t, run(t, j.command("sftp", "job")).Err, "it has just ended")
	})
	t.Run("a subsystem that is not there", func(t *testing.T) {
		got := run(t, open(t).command("ssh", "-s", "job", "netconf"))
		require.Equal(t, 255, got.Code)
		require.Contains(t, got.Err, "subsystem request failed")
	})
}

func TestFiles(t *testing.T) {
	openSSH(t, "scp", "sftp")
	j := open(t)
	data := make([]byte, 3<<20)
	rand.Read(data)
	j.write("up", string(data))
	same := func(path string) {
		t.Helper()
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got), "%s has %d bytes that differ", path, len(got))
	}
	// -s is the default of scp since OpenSSH 9, and older ones know it since 8.7.
	require.Zero(t, run(t, j.command("scp", "-s", "up", "job:there")).Code)
	same(filepath.Join(j.inside, "there"))
	require.Zero(t, run(t, j.command("scp", "-s", "job:there", "down")).Code)
	same(filepath.Join(j.dir, "down"))

	require.NoError(t, os.MkdirAll(filepath.Join(j.dir, "tree", "deep"), 0o755))
	j.write("tree/deep/file", string(data))
	require.Zero(t, run(t, j.command("scp", "-s", "-r", "tree", "job:"+j.inside+"/copy")).Code)
	same(filepath.Join(j.inside, "copy", "deep", "file"))

	batch := j.write("batch", "mkdir a\nput up a/b\nrename a/b a/c\nchmod 600 a/c\nget a/c again\nls -l a\n")
	got := run(t, j.command("sftp", "-b", batch, "job"))
	require.Zero(t, got.Code, got.Err)
	same(filepath.Join(j.dir, "again"))
	info, err := os.Stat(filepath.Join(j.inside, "a", "c"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	got = run(t, j.command("scp", "-s", "job:absent", "x"))
	require.NotZero(t, got.Code)
	require.Contains(t, got.Err, "No such file")
}

// background starts a connection that is there for its forwarding, and returns when it says that it is up.
func (j *job) background(args ...string) {
	j.t.Helper()
	cmd := j.command("ssh", append(args, "job", "echo up; cat")...)
	in, err := cmd.StdinPipe()
	require.NoError(j.t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(j.t, err)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	require.NoError(j.t, cmd.Start())
	j.t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	buf := make([]byte, 3)
	_, err = io.ReadFull(out, buf)
	require.NoError(j.t, err, "ssh: %s", &errs)
}

// freePort is a port that nobody has now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func TestForwarding(t *testing.T) {
	j := open(t)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %d", r.URL.Path, len(body))
	}))
	defer web.Close()
	target := strings.TrimPrefix(web.URL, "http://")
	post := func(client *http.Client, url string) string {
		t.Helper()
		resp, err := client.Post(url+"/x", "text/plain", strings.NewReader(strings.Repeat("y", 300_000)))
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(text)
	}

	t.Run("local", func(t *testing.T) {
		port := freePort(t)
		j.background("-L", port+":"+target)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if got := post(&http.Client{Transport: &http.Transport{}}, "http://127.0.0.1:"+port); got != "/x 300000" {
					t.Error(got)
				}
			})
		}
		all.Wait()
	})
	t.Run("local, to a socket", func(t *testing.T) {
		socket := filepath.Join(j.inside, "socket")
		l, err := net.Listen("unix", socket)
		require.NoError(t, err)
		srv := &http.Server{Handler: web.Config.Handler}
		go srv.Serve(l)
		defer srv.Close()
		port := freePort(t)
		j.background("-L", port+":"+socket)
		require.Equal(t, "/x 300000", post(http.DefaultClient, "http://127.0.0.1:"+port))
	})
	t.Run("local, where nobody listens", func(t *testing.T) {
		port := freePort(t)
		j.background("-L", port+":127.0.0.1:"+freePort(t))
		_, err := http.Get("http://127.0.0.1:" + port)
		require.Error(t, err)
	})
	t.Run("remote", func(t *testing.T) {
		port := freePort(t)
		j.background("-R", port+":"+target)
		require.Equal(t, "/x 300000", post(http.DefaultClient, "http://127.0.0.1:"+port))
	})
	t.Run("remote, on a port that is taken", func(t *testing.T) {
		got := run(t, j.command("ssh", "-R", strings.Split(target, ":")[1]+":127.0.0.1:1", "job", "true"))
		require.Equal(t, 255, got.Code)
		require.Contains(t, got.Err, "remote port forwarding failed")
	})
	t.Run("remote, from a socket", func(t *testing.T) {
		socket := filepath.Join(j.inside, "remote")
		j.background("-R", socket+":"+target)
		client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}}
		require.Equal(t, "/x 300000", post(client, "http://job"))
	})
	t.Run("dynamic", func(t *testing.T) {
		port := freePort(t)
		j.background("-D", port)
		proxy := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "socks5", Host: "127.0.0.1:" + port})}}
		require.Equal(t, "/x 300000", post(proxy, web.URL))
	})
}

func TestAgentForwarding(t *testing.T) {
	openSSH(t, "ssh-agent", "ssh-add")
	j := open(t)
	socket := filepath.Join(j.dir, "agent")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	require.NoError(t, agent.Start())
	defer func() {
		agent.Process.Kill()
		agent.Wait()
	}()
	require.Eventually(t, func() bool { _, err := os.Stat(socket); return err == nil }, 20*time.Second, time.Millisecond)
	add := exec.Command("ssh-add", filepath.Join(j.dir, "id"))
	add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
	require.NoError(t, add.Run())
	cmd := j.command("ssh", "-A", "job", "ssh-add -l; echo $SSH_AUTH_SOCK")
	cmd.Env = append(cmd.Env, "SSH_AUTH_SOCK="+socket)
	got := run(t, cmd)
	require.Zero(t, got.Code, got.Err)
	require.Contains(t, got.Out, "(ED25519)")
	theirs := strings.TrimSpace(got.Out[strings.LastIndex(strings.TrimSpace(got.Out), "\n"):])
	require.NotEqual(t, socket, theirs)
	require.Eventually(t, func() bool { _, err := os.Stat(theirs); return os.IsNotExist(err) }, 20*time.Second, time.Millisecond, "the socket in the job stays")
}

// screen is what a person sees.
type screen struct {
	t    *testing.T
	file *os.File
	mu   sync.Mutex
	text string
}

func (s *screen) read() {
	buf := make([]byte, 4096)
	for {
		n, err := s.file.Read(buf)
		s.mu.Lock()
		s.text += string(buf[:n])
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *screen) shows(pattern string) {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	shown := func() string {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.text
	}
	for deadline := time.Now().Add(30 * time.Second); !re.MatchString(shown()); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("there is no %s on the screen:\n%q", pattern, shown())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = s.text[re.FindStringIndex(s.text)[1]:]
}

// terminal starts ssh on a terminal of its own.
func (j *job) terminal(args ...string) (*screen, *exec.Cmd) {
	j.t.Helper()
	cmd := j.command("ssh", args...)
	cmd.Env = append(cmd.Env, "TERM=vt100")
	file, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	require.NoError(j.t, err)
	s := &screen{t: j.t, file: file}
	done := make(chan struct{})
	go func() {
		s.read()
		close(done)
	}()
	j.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		file.Close()
		<-done
	})
	return s, cmd
}

func (s *screen) types(text string) {
	s.t.Helper()
	_, err := io.WriteString(s.file, text)
	require.NoError(s.t, err)
}

func TestTerminal(t *testing.T) {
	j := open(t)
	s, cmd := j.terminal("-t", "job", os.Args[0]+" editor")
	s.shows(`\[80x24 vt100\]`)
	require.NoError(t, pty.Setsize(s.file, &pty.Winsize{Rows: 50, Cols: 132}))
	s.shows(`\[132x50 vt100\]`)
	s.types("a\x03") // keys, and Ctrl-C is one of them
	s.shows(`key 97 `)
	s.shows(`key 3 `)
	s.types("q")
	err := cmd.Wait()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 7, exit.ExitCode())
}

func TestLogin(t *testing.T) {
	j := open(t)
	s, cmd := j.terminal("job")
	s.types("stty size; echo job=$JOB tty=$(tty | tr -d '0-9') login=$0\r")
	s.shows(`24 80\r?\n`)
	s.shows(`job=yes tty=/dev/pts/ login=-`)
	s.types(os.Args[0] + " wait\r")
	s.shows(`waiting\r?\n`) // a script that had said so might not wait yet
	s.types("\x03")         // ends the command, not the shell
	s.types("echo after=$?\r")
	s.shows(`after=1\d+`)
	s.types("exit 5\r")
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.Equal(t, 5, exit.ExitCode())
}

// TestHangUp holds that what runs on a terminal ends with it.
func TestHangUp(t *testing.T) {
	j := open(t)
	marker := filepath.Join(j.inside, "hung up")
	s, cmd := j.terminal("-t", "job", `trap 'touch "`+marker+`"; exit' HUP; echo ready; while :; do sleep 0.05; done`)
	s.shows(`ready`)
	require.NoError(t, cmd.Process.Kill())
	require.Eventually(t, func() bool { _, err := os.Stat(marker); return err == nil }, 30*time.Second, 5*time.Millisecond)
}

func TestPresenceOfConnections(t *testing.T) {
	j := open(t)
	_, alone := j.presence.Alone()
	require.True(t, alone)
	before := time.Now()
	require.Zero(t, run(t, j.command("ssh", "job", "true")).Code)
	require.Eventually(t, func() bool { _, alone := j.presence.Alone(); return alone }, 20*time.Second, time.Millisecond)
	seen := j.seen()
	require.Len(t, seen, 2)
	require.True(t, seen[0].Present)
	require.False(t, seen[1].Present)
	require.True(t, seen[1].Since.After(before))
}
