package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/disk"
	"github.com/dstackai/dstack-planner/agent/internal/joblog"
	"github.com/dstackai/dstack-planner/agent/internal/jobstate"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
	"github.com/dstackai/dstack-planner/agent/internal/runtime/docker"
	"github.com/dstackai/dstack-planner/agent/internal/runtime/process"
	"github.com/dstackai/dstack-planner/agent/internal/sock"
	"github.com/dstackai/dstack-planner/internal/version"
)

// supervisor is the process that holds one job's life.
type supervisor struct {
	dir   string
	task  runtime.Task
	log   *joblog.Writer // of the attempt that is under way
	notes *joblog.Writer // what the agent has to say about the job

	asks chan ask

	mu      sync.Mutex
	st      status
	logEnd  int64
	over    bool
	changed chan struct{} // closed and replaced at each change
	writeMu sync.Mutex    // keeps writes of the status file in order
}

// ask asks the job's life for its end or for other limits; heard is closed when it has begun to end or has them.
type ask struct {
	controlRequest
	heard chan struct{}
}

// runSupervise supervises the job in a folder until it has ended. It is started by the agent with the job's lock and a pipe to
// say that it is ready; after that it needs nobody.
func runSupervise(_ context.Context, s streams, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%w: supervise takes the folder of a job", errUsage)
	}
	unix.CloseOnExec(lockFD)
	unix.CloseOnExec(readyFD)
	unix.Umask(0o077)
	// A terminal that closes and a key that is pressed there mean somebody else. They are taken and dropped, not ignored: a
	// job would inherit that it ignores them.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT)

	sup := &supervisor{dir: args[0], asks: make(chan ask), changed: make(chan struct{})}
	// An agent that dies in the middle of its words has submitted no job.
	if err := json.NewDecoder(s.in).Decode(&sup.task); err != nil {
		return fmt.Errorf("read what to supervise: %w; this command is run by the agent only", err)
	}
	sup.task.Dir = sup.dir
	if err := process.Adopt(); err != nil {
		return fmt.Errorf("adopt orphans: %w", err)
	}
	listener, err := sock.Listen(sup.dir, controlSock)
	if err != nil {
		return fmt.Errorf("listen for the agent: %w", err)
	}
	defer listener.Close()
	sup.notes, err = joblog.NewWriter(filepath.Join(sup.dir, notesDir), api.LogLimits{TotalBytes: mostNotes}, time.Now, sup.logged)
	if err != nil {
		return err
	}
	if err := sup.openLog(max(sup.task.Spec.Attempt, 1)); err != nil {
		return err
	}
	err = sup.update(func(st *status) {
		*st = status{Supervisor: os.Getpid()}
		st.become(jobstate.New(sup.task.Spec.Attempt))
	})
	if err != nil {
		return err
	}
	sup.note("the job was submitted; it is supervised by process %d of dstack-agent %s", os.Getpid(), version.String())
	ready := os.NewFile(readyFD, "ready")
	if _, err := ready.WriteString("ready\n"); err != nil {
		// The agent that asked was killed. The job is written down, so the next one finds it, and whoever submitted it
		// finds it by asking again.
		sup.note("the agent that submitted the job is gone: %v", err)
	}
	ready.Close()

	var watchers sync.WaitGroup
	go sup.accept(listener, &watchers)
	err = sup.run()
	sup.mu.Lock()
	sup.over = true
	close(sup.changed)
	sup.changed = make(chan struct{})
	sup.mu.Unlock()
	waitFor(watchers.Wait, time.Second)
	return err
}

// waitFor waits for wait to return, but not for ever.
func waitFor(wait func(), atMost time.Duration) bool {
	done := make(chan struct{})
	go func() {
		wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-time.After(atMost):
		return false
	}
}

// update changes the status, makes it durable and tells those who watch.
func (s *supervisor) update(change func(*status)) error {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	s.mu.Lock()
	st := s.st
	s.mu.Unlock()
	change(&st)
	// Whoever hears of a status finds it on disk.
	err := disk.WriteJSON(filepath.Join(s.dir, statusFile), st)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st = st
	close(s.changed)
	s.changed = make(chan struct{})
	return err
}

// step does what happens to the job to its status, with what else changes with it.
func (s *supervisor) step(kind jobstate.Kind, reason api.Reason, more func(*status)) error {
	var impossible error
	err := s.update(func(st *status) {
		next, err := st.state().Next(jobstate.Event{Kind: kind, Reason: reason})
		if impossible = err; err != nil {
			return
		}
		st.become(next)
		if more != nil {
			more(st)
		}
	})
	return errors.Join(impossible, err)
}

// mostNotes bounds what is kept of what the agent says about a job.
const mostNotes = 1 << 20

// note writes down what happens to the job, for whoever has to find out what did.
func (s *supervisor) note(format string, args ...any) {
	if err := s.notes.Write(api.StreamAgent, fmt.Appendf(nil, format, args...), false); err != nil {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}
}

// openLog begins the log of an attempt.
func (s *supervisor) openLog(attempt int) (err error) {
	s.log, err = joblog.NewWriter(logPath(s.dir, attempt), s.task.Spec.Log, time.Now, s.logged)
	return err
}

func (s *supervisor) logged(end int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logEnd = end
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *supervisor) status() status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.st
}

func (s *supervisor) accept(l net.Listener, watchers *sync.WaitGroup) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		watchers.Go(func() {
			defer conn.Close()
			var req controlRequest
			if err := json.NewDecoder(conn).Decode(&req); err != nil {
				return
			}
			if req.Stop != nil || req.Limits != nil {
				s.tell(conn, req)
				return
			}
			s.watch(conn)
		})
	}
}

// tell hands a request to the job's life, and answers when it was heard or the life is over.
func (s *supervisor) tell(conn net.Conn, req controlRequest) {
	for {
		s.mu.Lock()
		over, changed := s.over || s.st.Status.Finished(), s.changed
		s.mu.Unlock()
		if over {
			break
		}
		a := ask{req, make(chan struct{})}
		select {
		case s.asks <- a:
			<-a.heard
		case <-changed:
			continue
		}
		break
	}
	json.NewEncoder(conn).Encode(controlReply{s.status()})
}

func (s *supervisor) watch(conn net.Conn) {
	gone := make(chan struct{})
	go func() {
		conn.Read(make([]byte, 1)) // returns when the agent is gone
		close(gone)
	}()
	out := json.NewEncoder(conn)
	for {
		s.mu.Lock()
		event, over, changed := controlEvent{s.st, s.logEnd}, s.over, s.changed
		s.mu.Unlock()
		conn.SetWriteDeadline(time.Now().Add(time.Minute))
		if err := out.Encode(event); err != nil || over {
			return
		}
		select {
		case <-changed:
		case <-gone:
			return
		}
	}
}

// run runs the job and returns when it has ended and nothing of it is left.
func (s *supervisor) run() error {
	life := &life{supervisor: s, runtime: runtimeOf(s.task), signals: make(chan os.Signal, 1)}
	signal.Notify(life.signals, syscall.SIGTERM)
	defer signal.Stop(life.signals)
	end := life.live()
	if err := s.log.Close(); err != nil && end.Message == "" {
		end.Message = fmt.Sprintf("the end of the log may be missing: %v", err)
	}
	s.note("the job has ended: %s", end.words())
	err := s.notes.Close()
	stepErr := s.step(jobstate.End, end.Reason, func(st *status) {
		st.Message, st.ExitCode, st.FinishedAt, st.Handle = end.Message, end.ExitCode, time.Now().UTC(), end.Left
	})
	return errors.Join(err, stepErr)
}

// runtimeOf is what a job runs in.
func runtimeOf(t runtime.Task) runtime.Runtime {
	if t.Spec.Container != nil {
		return docker.Runtime{Host: t.DockerHost}
	}
	return process.Runtime{}
}

// ending is why and how a job ended.
type ending struct {
	Reason   api.Reason
	Message  string
	ExitCode *int
	// Left is what is left of the attempt's handle.
	Left runtime.Handle
}

// words say how a job ended, in one line and without its output.
func (e ending) words() string {
	if e.ExitCode != nil {
		return fmt.Sprintf("%s, exit code %d", e.Reason, *e.ExitCode)
	}
	if first, _, _ := strings.Cut(e.Message, "\n"); first != "" {
		return string(e.Reason) + ": " + first
	}
	return string(e.Reason)
}

// checkPort makes sure that what answers at the job's port later is the job.
func checkPort(port int) error {
	if port == 0 {
		return nil
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %d of 127.0.0.1 is taken by another process; end that one, or give the job another port", port)
	}
	if err != nil {
		// A port below 1024 may be the job's user's and not ours; the job will see.
		return nil
	}
	return l.Close()
}
