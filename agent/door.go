package agent

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/disk"
	"github.com/dstackai/dstack-planner/agent/internal/inside"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
	"github.com/dstackai/dstack-planner/agent/internal/shell"
)

// Files about who enters jobs: in the folder of the instance, and in those of its jobs.
const (
	accessFile   = "access.json"
	hostKeyFile  = "host_key"
	presenceFile = "presence.json"
)

// access is who may enter the jobs of an instance.
type access struct {
	mu   sync.Mutex
	keys shell.Keys
}

// recall reads what was said before. Nobody may enter before that.
func (a *access) recall(dir string) error {
	var said api.Access
	err := disk.ReadJSON(filepath.Join(dir, accessFile), &said)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = a.set(said)
	}
	if err != nil {
		return fmt.Errorf("read who may enter: %w", err)
	}
	return nil
}

func (a *access) set(said api.Access) error {
	keys, err := shell.ParseKeys(said.AuthorizedKeys)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = keys
	return nil
}

func (a *access) may(key ssh.PublicKey) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.keys.Has(key)
}

// putAccess says who may enter from now on. Who is inside stays.
func (s *server) putAccess(_ http.ResponseWriter, r *http.Request) (any, error) {
	var said api.Access
	if err := readJSON(r, &said); err != nil {
		return nil, err
	}
	if err := s.access.set(said); err != nil {
		return nil, api.Errorf(api.KindInvalid, "%v", err)
	}
	return said, disk.WriteJSON(filepath.Join(s.dir, accessFile), said)
}

// openDoor finds the job's host key, and makes it at the first time.
func (j *job) openDoor() (err error) {
	j.key, err = shell.HostKey(filepath.Join(j.dir, hostKeyFile))
	return err
}

// recallPresence goes on from what an earlier agent saw of a job.
func (j *job) recallPresence() *shell.Presence {
	path := filepath.Join(j.dir, presenceFile)
	var seen shell.Seen
	// One that is missing or broken says as much as one of a job that has just begun.
	_ = disk.ReadJSON(path, &seen)
	p := shell.NewPresence(seen, time.Now(), func(now shell.Seen) {
		// Nobody asks about a job that has ended, and its folder may be on its way out.
		if !j.hasEnded() {
			_ = disk.WriteJSON(path, now)
		}
	})
	p.Limit(j.rec.Spec.InactivityDuration)
	return p
}

func (j *job) hasEnded() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ended || j.gone
}

// expire stops a job that nobody was connected to for too long. It returns when it has, or when ctx is done.
func (s *server) expire(ctx context.Context, j *job) {
	for {
		v, _, changed := j.view()
		if v.Status == api.StatusRunning {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
	j.presence.Begin(j.status().StartedAt)
	limit, err := j.presence.Await(ctx)
	if err != nil {
		return
	}
	stop := &api.StopRequest{Reason: api.ReasonInactivityExceeded, Message: fmt.Sprintf("nobody was connected to it for its inactivity_duration of %s", limit)}
	if err := j.tell(ctx, controlRequest{Stop: stop}); err != nil && ctx.Err() == nil {
		s.log.Error("inactive job cannot be stopped", "job", j.rec.Spec.ID, "error", err)
	}
}

// enterJob turns a request into a connection to the job's SSH server.
func (s *server) enterJob(w http.ResponseWriter, r *http.Request) (any, error) {
	j, err := s.find(r)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "ssh") {
		return nil, api.Errorf(api.KindInvalid, "this is not HTTP: ask for Upgrade: ssh")
	}
	v, _, _ := j.view()
	if v.Status != api.StatusRunning {
		return nil, api.Errorf(api.KindConflict, "nobody can enter job %s: it is %s", v.ID, v.Status)
	}
	person := r.FormValue("tunnel") == ""
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	s.visitors.Add(1)
	defer s.visitors.Done()
	if _, err := io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ssh\r\n\r\n"); err != nil {
		conn.Close()
		return nil, nil // whoever asked is gone
	}
	log := s.log.With("job", v.ID)
	door := shell.Door{HostKey: j.key, May: s.access.may, Presence: j.presence, Logger: log,
		Enter: func(ctx context.Context) (io.ReadWriteCloser, error) { return s.startHelper(ctx, j) }}
	if err := door.Serve(r.Context(), readAhead(conn, buffered.Reader), person); err != nil {
		log.Info("somebody did not get into the job", "error", err)
	}
	return nil, nil
}

// readAhead is a connection of which a reader may have read more than its user.
func readAhead(conn net.Conn, r *bufio.Reader) net.Conn {
	if r.Buffered() == 0 {
		return conn
	}
	return ahead{conn, io.MultiReader(io.LimitReader(r, int64(r.Buffered())), conn)}
}

type ahead struct {
	net.Conn
	in io.Reader
}

func (a ahead) Read(p []byte) (int, error) { return a.in.Read(p) }

// startHelper starts the helper in a job.
func (s *server) startHelper(ctx context.Context, j *job) (io.ReadWriteCloser, error) {
	task := s.taskOf(j)
	task.Spec.Env = nil // only names are known here; the job's process has the values
	// It ends when its pipes are closed, in its own way.
	ctx = context.WithoutCancel(ctx)
	p, err := runtimeOf(task).Inside(task, j.status().Handle).Exec(ctx, runtime.Command{Argv: []string{ownProgram(s.program), "inside"}})
	if err != nil {
		return nil, err
	}
	go func() {
		for lines := bufio.NewScanner(p.Stderr()); lines.Scan(); {
			s.log.Warn("helper in the job", "job", task.Spec.ID, "said", lines.Text())
		}
	}()
	return helper{p.Stdout(), p.Stdin(), p}, nil
}

// ownProgram is the path of the running program, for what is started by it: one that no mount hides.
func ownProgram(path string) string {
	if goruntime.GOOS == "linux" {
		return "/proc/self/exe"
	}
	return path
}

// helper is the two ends of a helper's pipes.
type helper struct {
	io.Reader
	io.WriteCloser
	process runtime.Process
}

// leaveTime is how long a helper may take to end what it started when nobody is there any more.
const leaveTime = 5 * time.Second

// Close lets the helper end. What it started without a terminal may go on, as with any SSH server.
func (h helper) Close() error {
	err := h.WriteCloser.Close()
	go func() {
		timer := time.AfterFunc(leaveTime, func() { h.process.Signal(syscall.SIGKILL) })
		defer timer.Stop()
		h.process.Wait()
		h.process.Close()
	}()
	return err
}

// runInside is the helper in a job.
func runInside(_ context.Context, s streams, args []string) error {
	if err := flags(s, "inside", args, func(*flag.FlagSet) {}); err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	return inside.Stdio(ownProgram(program), "shell")
}

// exited is the error of a command whose exit code is not its own.
type exited int

func (e exited) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// runShell is the shell of jobs that have none.
func runShell(_ context.Context, s streams, args []string) error {
	in, ok := s.in.(*os.File)
	if !ok {
		return fmt.Errorf("%w: shell reads from a file", errUsage)
	}
	if code := inside.Script(args, in, s.out, s.err); code != 0 {
		return exited(code)
	}
	return nil
}
