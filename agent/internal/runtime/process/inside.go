package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"

	"github.com/dstackai/dstack-planner/agent/internal/environ"
	"github.com/dstackai/dstack-planner/agent/internal/proc"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
)

// Inside opens the world of a job: the machine's, with the job's mounts, user and environment.
func (Runtime) Inside(t runtime.Task, of runtime.Handle) runtime.Inside { return inside{t, of} }

type inside struct {
	task   runtime.Task
	handle runtime.Handle
}

// Dial connects as the machine does, whose network the job has.
func (inside) Dial(ctx context.Context, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

// Exec starts a command in the job's mounts and control group, as its user.
func (i inside) Exec(ctx context.Context, c runtime.Command) (runtime.Process, error) {
	leader, ok := proc.Find(i.handle.PID)
	if !ok || leader.Start != i.handle.Started || leader.Zombie {
		return nil, errors.New("the job does not run any more")
	}
	stage := stageTask{Join: leader.PID, User: i.task.Spec.User, Dir: c.Dir, Argv: c.Argv}
	if stage.Dir == "" {
		stage.Dir = i.task.Spec.WorkingDir
	}
	if !filepath.IsAbs(stage.Dir) {
		stage.Dir = filepath.Join(i.task.Own(), stage.Dir)
	}
	env, err := proc.Environ(leader.PID)
	if err != nil {
		// What the job was given is not to be seen here; what the machine gives it is.
		t := i.task
		t.Spec.Env = nil
		env = jobEnv(t, "")
	}
	stage.Env = environ.LastOfEach(append(append(env, c.Env...), jobMarker(i.task.Dir)))
	p := &command{cmd: exec.CommandContext(ctx, i.task.Program, "stage"), ended: make(chan struct{})}
	if err := p.start(stage, c.Terminal, i.handle); err != nil {
		return nil, fmt.Errorf("start %s in the job: %w", c.Argv[0], err)
	}
	return p, nil
}

// command is a process beside the job.
type command struct {
	cmd      *exec.Cmd
	in       io.WriteCloser
	out, err io.Reader
	files    []*os.File // ours
	terminal *os.File   // nil without one
	ended    chan struct{}
	code     int
	failed   error
	closing  sync.Once
}

// start starts a stage, and returns when it has become the command.
func (p *command) start(stage stageTask, terminal *runtime.Terminal, of runtime.Handle) (err error) {
	defer func() {
		if err != nil {
			p.release()
		}
	}()
	var child []*os.File
	defer func() {
		for _, f := range child {
			f.Close()
		}
	}()
	pipe := func() (r, w *os.File, err error) {
		r, w, err = os.Pipe()
		return r, w, err
	}
	p.cmd.Env = []string{}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	p.cmd.WaitDelay = time.Second
	if terminal != nil {
		ours, theirs, err := pty.Open()
		if err != nil {
			return fmt.Errorf("open terminal: %w", err)
		}
		p.terminal, p.files, child = ours, append(p.files, ours), append(child, theirs)
		if err := p.Resize(*terminal); err != nil {
			return err
		}
		p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = theirs, theirs, theirs
		p.cmd.SysProcAttr.Setctty = true
		p.in, p.out, p.err = terminalInput{ours}, terminalOutput{ours}, eof{}
	} else {
		inR, inW, err := pipe()
		if err != nil {
			return err
		}
		child, p.files = append(child, inR), append(p.files, inW)
		outR, outW, err := pipe()
		if err != nil {
			return err
		}
		child, p.files = append(child, outW), append(p.files, outR)
		errR, errW, err := pipe()
		if err != nil {
			return err
		}
		child, p.files = append(child, errW), append(p.files, errR)
		p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = inR, outW, errW
		p.in, p.out, p.err = inW, outR, errR
	}
	taskR, taskW, err := pipe()
	if err != nil {
		return err
	}
	defer taskW.Close()
	reportR, reportW, err := pipe()
	child = append(child, taskR)
	if err != nil {
		return err
	}
	defer reportR.Close()
	child = append(child, reportW)
	p.cmd.ExtraFiles = []*os.File{taskR, reportW}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	for _, f := range child {
		f.Close()
	}
	child = nil
	go p.wait()
	if err := of.Cgroup.Add(p.cmd.Process.Pid); err != nil {
		return err
	}
	if err := json.NewEncoder(taskW).Encode(stage); err != nil {
		return err
	}
	var report stageError
	if err := json.NewDecoder(reportR).Decode(&report); err == nil {
		if report.Code != 0 {
			return &runtime.StartError{Message: report.Message, Code: &report.Code}
		}
		return errors.New(report.Message)
	}
	return nil
}

func (p *command) wait() {
	defer close(p.ended)
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.failed = err
		return
	}
	if ws, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		p.code = 128 + int(ws.Signal())
		return
	}
	p.code = p.cmd.ProcessState.ExitCode()
}

func (p *command) Stdin() io.WriteCloser { return p.in }
func (p *command) Stdout() io.Reader     { return p.out }
func (p *command) Stderr() io.Reader     { return p.err }

func (p *command) Resize(t runtime.Terminal) error {
	if p.terminal == nil {
		return nil
	}
	if err := pty.Setsize(p.terminal, &pty.Winsize{Rows: t.Rows, Cols: t.Columns}); err != nil {
		return fmt.Errorf("set size of terminal: %w", err)
	}
	return nil
}

func (p *command) Signal(sig syscall.Signal) error {
	select {
	case <-p.ended:
		return nil
	default:
		return syscall.Kill(-p.cmd.Process.Pid, sig)
	}
}

func (p *command) Wait() (int, error) {
	<-p.ended
	return p.code, p.failed
}

// Close kills the command's session and lets go of its files.
func (p *command) Close() error {
	p.release()
	return nil
}

func (p *command) release() {
	p.closing.Do(func() {
		if p.cmd.Process != nil {
			syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
			<-p.ended
		}
		for _, f := range p.files {
			f.Close()
		}
	})
}

// terminalInput writes to a terminal; the end of input there is a key and no close.
type terminalInput struct{ *os.File }

func (terminalInput) Close() error { return nil }

// terminalOutput ends, as a pipe does, when nobody has the terminal open any more; Linux calls that an error.
type terminalOutput struct{ *os.File }

func (t terminalOutput) Read(b []byte) (int, error) {
	n, err := t.File.Read(b)
	if errors.Is(err, syscall.EIO) {
		err = io.EOF
	}
	return n, err
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
