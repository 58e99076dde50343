package inside

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/dstackai/dstack-planner/agent/internal/mux"
)

// exitNoProgram is what shells give to a program that is not there.
const exitNoProgram = 127

// exit is how a session's program ended: by itself, or by a signal.
type exit struct {
	code   int
	signal string // without SIG, as in RFC 4254 6.10
	core   bool
}

// session is one program in the job, or one that transfers files.
type session struct {
	*server
	ch      *mux.Channel
	env     []string
	size    *size // of the terminal, nil without one
	modes   []byte
	cleanup []func() // when the session is over
	hangUps []func() // when the other side has closed it
	started bool
	known   chan struct{} // closed when the client was told that it is started
	running sync.WaitGroup

	mu       sync.Mutex
	process  *os.Process // nil before it is started and after it has ended
	terminal *terminal
}

func newSession(s *server, ch *mux.Channel) *session {
	return &session{server: s, ch: ch, known: make(chan struct{})}
}

// serve answers what is asked about the session until it is closed.
func (s *session) serve() {
	for r := range s.ch.Requests() {
		err := s.request(r)
		if err != nil {
			fmt.Fprintf(s.ch.Stderr(), "dstack: %v\r\n", err)
		}
		was := s.isKnown()
		r.Reply(err == nil, nil)
		if s.started && !was {
			close(s.known)
		}
	}
	if !s.isKnown() {
		close(s.known)
	}
	s.hangUp()
	s.ch.Close()
	s.running.Wait()
	for _, f := range s.cleanup {
		f()
	}
}

func (s *session) isKnown() bool {
	select {
	case <-s.known:
		return true
	default:
		return false
	}
}

var errUnknown = errors.New("this is not known here")

// validName is what a variable may be called.
var validName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// request does what is asked. Some questions have no answer that anybody waits for.
func (s *session) request(r *mux.Request) error {
	switch r.Name {
	case "env":
		var v struct{ Name, Value string }
		if err := ssh.Unmarshal(r.Payload, &v); err != nil {
			return err
		}
		if validName.MatchString(v.Name) && !strings.ContainsRune(v.Value, 0) {
			s.env = append(s.env, v.Name+"="+v.Value)
		}
		return nil
	case "pty-req":
		var v struct {
			Term                         string
			Columns, Rows, Width, Height uint32
			Modes                        string
		}
		if err := ssh.Unmarshal(r.Payload, &v); err != nil {
			return err
		}
		s.size, s.modes = &size{v.Columns, v.Rows, v.Width, v.Height}, []byte(v.Modes)
		s.env = append(s.env, "TERM="+v.Term)
		return nil
	case "window-change":
		var v size
		if err := ssh.Unmarshal(r.Payload, &v); err != nil {
			return err
		}
		s.resize(v)
		return nil
	case "signal":
		var v struct{ Name string }
		if err := ssh.Unmarshal(r.Payload, &v); err != nil {
			return err
		}
		if sig := unix.SignalNum("SIG" + v.Name); sig != 0 {
			s.signal(sig)
		}
		return nil
	case "auth-agent-req@openssh.com":
		path, remove, err := s.listenAgent()
		if err != nil {
			return fmt.Errorf("forward the ssh-agent: %w", err)
		}
		s.cleanup = append(s.cleanup, remove)
		s.env = append(s.env, "SSH_AUTH_SOCK="+path)
		return nil
	case "shell":
		return s.begin("", true)
	case "exec":
		var v struct{ Command string }
		if err := ssh.Unmarshal(r.Payload, &v); err != nil {
			return err
		}
		return s.begin(v.Command, false)
	case "subsystem":
		var v struct{ Name string }
		if err := ssh.Unmarshal(r.Payload, &v); err != nil {
			return err
		}
		if v.Name != "sftp" {
			return fmt.Errorf("there is no subsystem %q", v.Name)
		}
		return s.transfer()
	}
	if !r.WantReply {
		return nil
	}
	return errUnknown
}

var errStarted = errors.New("the session runs something already")

// environment is what programs of the session see: the job's, then what the client sends.
func (s *session) environment(a account, sh shell) []string {
	env := append([]string(nil), s.opts.Env...)
	add := func(name, value string) {
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	if home := variable(env, "HOME"); home == "" || home == "/" {
		add("HOME", a.home)
	}
	add("USER", a.name)
	add("LOGNAME", a.name)
	add("SHELL", sh.path)
	if variable(env, "PATH") == "" {
		add("PATH", systemPath)
	}
	add("SSH_CONNECTION", "UNKNOWN 65535 UNKNOWN 65535")
	return append(env, s.env...)
}

// begin starts the user's shell, with a command or as a login. What keeps it from that is told as a shell would, since nobody
// reads what comes with a refusal.
func (s *session) begin(command string, login bool) error {
	if s.started {
		return errStarted
	}
	s.started = true
	if err := s.start(command, login); err != nil {
		s.running.Go(func() {
			fmt.Fprintf(s.ch.Stderr(), "dstack: %v\r\n", err)
			s.finish(exit{code: exitNoProgram})
		})
	}
	return nil
}

func (s *session) start(command string, login bool) error {
	who := self()
	sh := s.opts.shellOf(who, s.opts.Env)
	if sh.path == "" {
		return errors.New("there is no shell in this job")
	}
	cmd := exec.Command(sh.path)
	cmd.Dir, cmd.Env = s.opts.Dir, s.environment(who, sh)
	cmd.Args = append([]string{sh.name}, sh.args...)
	if login {
		cmd.Args[0] = "-" + sh.name
	} else {
		cmd.Args = append(cmd.Args, "-c", command)
		if text := missing(command, cmd.Env); text != "" {
			return errors.New(text)
		}
	}
	if s.size != nil {
		return s.startOnTerminal(cmd)
	}
	return s.startOnPipes(cmd)
}

func (s *session) startOnTerminal(cmd *exec.Cmd) error {
	t, err := openTerminal(*s.size, s.modes)
	if err != nil {
		return fmt.Errorf("open a terminal: %w", err)
	}
	cmd.Env = append(cmd.Env, "SSH_TTY="+t.tty.Name())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = t.tty, t.tty, t.tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = cmd.Start()
	t.tty.Close()
	if err != nil {
		t.Close()
		return fmt.Errorf("start the shell: %w", err)
	}
	s.runs(cmd.Process, t)
	s.hangUps = append(s.hangUps, t.Close)
	go func() {
		io.Copy(t.file, s.ch)
		t.end()
	}()
	s.running.Go(func() {
		shown := make(chan struct{})
		go func() {
			defer close(shown)
			io.Copy(s.ch, t.file)
		}()
		s.ended(cmd.Wait())
		t.drain(shown)
		t.Close()
		<-shown
		s.finish(exitOf(cmd.ProcessState))
	})
	return nil
}

func (s *session) startOnPipes(cmd *exec.Cmd) error {
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	// The output ends when everybody who holds it has ended, not with the first program.
	var copies sync.WaitGroup
	var theirs []*os.File
	for _, out := range []struct {
		field *io.Writer
		to    io.Writer
	}{{&cmd.Stdout, s.ch}, {&cmd.Stderr, s.ch.Stderr()}} {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		*out.field = w
		theirs = append(theirs, w)
		s.hangUps = append(s.hangUps, func() { r.Close() })
		copies.Go(func() {
			defer r.Close()
			io.Copy(out.to, r)
		})
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	for _, f := range theirs {
		f.Close()
	}
	if err != nil {
		return fmt.Errorf("start the shell: %w", err)
	}
	s.runs(cmd.Process, nil)
	go func() {
		io.Copy(in, s.ch)
		in.Close()
	}()
	s.running.Go(func() {
		s.ended(cmd.Wait())
		copies.Wait()
		s.finish(exitOf(cmd.ProcessState))
	})
	return nil
}

// transfer serves files.
func (s *session) transfer() error {
	if s.started {
		return errStarted
	}
	s.started = true
	files, err := sftp.NewServer(s.ch, sftp.WithServerWorkingDirectory(s.opts.Dir))
	if err != nil {
		return err
	}
	s.running.Go(func() {
		var e exit
		if err := files.Serve(); err != nil && !errors.Is(err, io.EOF) {
			e.code = 1
		}
		s.finish(e)
	})
	return nil
}

// runs notes what the session runs, so that it can be told of signals and sizes.
func (s *session) runs(p *os.Process, t *terminal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process, s.terminal = p, t
}

// ended notes that the program has ended. Its error is in its state.
func (s *session) ended(error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process = nil
}

// signal sends a signal to the program and what it started in the foreground.
func (s *session) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		// It may end just now, and whoever is signalled that has ended needs no answer.
		_ = unix.Kill(-s.process.Pid, sig)
	}
}

func (s *session) resize(to size) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.terminal != nil {
		s.terminal.resize(to)
	} else if s.size != nil {
		s.size = &to
	}
}

// hangUp does what a modem did that lost its line. A program that has ended is no matter, nor what it left in the background.
func (s *session) hangUp() {
	s.signal(unix.SIGHUP)
	for _, f := range s.hangUps {
		f()
	}
}

// finish says how the program ended and closes the session.
func (s *session) finish(e exit) {
	<-s.known
	s.ch.CloseWrite()
	if e.signal != "" {
		s.ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Signal  string
			Core    bool
			Message string
			Lang    string
		}{e.signal, e.core, "", ""}))
	} else {
		s.ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(e.code)}))
	}
	s.ch.Close()
}

func exitOf(state *os.ProcessState) exit {
	ws, ok := state.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return exit{signal: strings.TrimPrefix(unix.SignalName(ws.Signal()), "SIG"), core: ws.CoreDump()}
	}
	return exit{code: state.ExitCode()}
}
