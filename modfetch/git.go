package modfetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/dstackai/dstack-planner/planner/modsource"
)

// Options say how to fetch. The zero value is what dstack init uses.
type Options struct {
	// Program is git, unless set.
	Program string
	// Environ is the environment of git, that of this process unless set.
	Environ []string
	// Protocols are the transports that git may use, https and ssh unless set.
	Protocols []string
	// Timeout is how long fetching one source may take, ten minutes unless set.
	Timeout time.Duration
	// Began is told that a server is going to be asked for a source, which may take long. It may be called by several
	// goroutines at once.
	Began func(s modsource.Source)
	// Limits bound what one source may hold; what is 0 is DefaultLimits'.
	Limits Limits
}

// Limits bound what one source may hold.
type Limits struct {
	Files int   // how many files
	File  int64 // bytes of one file
	Total int64 // bytes of all files
}

// DefaultLimits are generous for modules and small for a disk.
var DefaultLimits = Limits{Files: 50_000, File: 64 << 20, Total: 256 << 20}

func (o Options) withDefaults() Options {
	if o.Program == "" {
		o.Program = "git"
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.Protocols == nil {
		o.Protocols = []string{"https", "ssh"}
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Minute
	}
	if o.Began == nil {
		o.Began = func(modsource.Source) {}
	}
	if o.Limits.Files == 0 {
		o.Limits.Files = DefaultLimits.Files
	}
	if o.Limits.File == 0 {
		o.Limits.File = DefaultLimits.File
	}
	if o.Limits.Total == 0 {
		o.Limits.Total = DefaultLimits.Total
	}
	return o
}

// git runs git in one folder.
type git struct {
	program string
	dir     string // where it runs; no repository is found from there
	repo    string // the bare repository, "" while there is none
	env     []string
}

func newGit(o Options, dir string) *git {
	return &git{program: o.Program, dir: dir, env: environ(o, dir)}
}

// foreign are variables that would make git work on another repository than ours.
var foreign = []string{
	"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE",
	"GIT_PREFIX", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE", "GIT_REPLACE_REF_BASE", "GIT_QUARANTINE_PATH", "GIT_CEILING_DIRECTORIES", "GIT_TEMPLATE_DIR",
	"GIT_DEFAULT_HASH", "GIT_EXTERNAL_DIFF", "GIT_ALLOW_PROTOCOL", "GIT_TERMINAL_PROMPT", "LC_ALL", "LANGUAGE",
}

// environ is what git finds: the user's environment, so that credentials and proxies work, without what points at
// another repository.
func environ(o Options, dir string) []string {
	allowed := o.Protocols
	env := make([]string, 0, len(o.Environ)+8)
	for _, kv := range o.Environ {
		name, val, _ := strings.Cut(kv, "=")
		if name == "GIT_ALLOW_PROTOCOL" { // who allows less than we do has a reason
			theirs := strings.Split(val, ":")
			allowed = slices.DeleteFunc(slices.Clone(allowed), func(p string) bool { return !slices.Contains(theirs, p) })
		}
		if !slices.Contains(foreign, name) {
			env = append(env, kv)
		}
	}
	if len(allowed) == 0 {
		allowed = []string{"none"} // an empty list would allow all
	}
	return append(env, "GIT_ALLOW_PROTOCOL="+strings.Join(allowed, ":"), "GIT_TERMINAL_PROMPT=0", "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir),
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_OPTIONAL_LOCKS=0", "LC_ALL=C", "LANGUAGE=C")
}

// settings win over the user's configuration: no hooks, nothing in the background, no repository within the repository.
var settings = []string{
	"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false",
	"-c", "submodule.recurse=false", "-c", "fetch.recurseSubmodules=false", "-c", "advice.detachedHead=false", "-c", "protocol.version=2",
}

// grace is how long git has to end after it was told to.
const grace = 5 * time.Second

// command makes a call of git. It has no terminal, so that neither it nor ssh asks anything, and a signal for dstack
// does not reach it: the context ends it, with all that it started.
func (g *git) command(ctx context.Context, args ...string) *exec.Cmd {
	all := slices.Clone(settings)
	if g.repo != "" {
		all = append(all, "--git-dir="+g.repo)
	}
	cmd := exec.CommandContext(ctx, g.program, append(all, args...)...)
	cmd.Dir, cmd.Env = g.dir, g.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	return cmd
}

// largestAnswer is how many bytes of git's output are kept where it answers a question.
const largestAnswer = 16 << 20

// run runs git to its end and returns what it printed. The error is a *gitError with what it complained of.
func (g *git) run(ctx context.Context, args ...string) (string, error) {
	cmd := g.command(ctx, args...)
	out := &bounded{limit: largestAnswer}
	complaint := &tail{}
	cmd.Stdout, cmd.Stderr = out, complaint
	err := cmd.Run()
	g.sweep(cmd)
	return out.String(), g.failure(ctx, args[0], err, complaint)
}

// sweep ends what git started and did not wait for.
func (g *git) sweep(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // nobody is left, as a rule
	}
}

// failure makes the error of a call.
func (g *git) failure(ctx context.Context, op string, err error, complaint *tail) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return &gitError{op: op, err: err, stderr: complaint.String()}
}

// gitError is a call of git that went wrong.
type gitError struct {
	op     string
	err    error
	stderr string
}

func (e *gitError) Error() string {
	if said := e.said(); said != "" {
		return fmt.Sprintf("git %s: %s", e.op, said)
	}
	return fmt.Sprintf("git %s: %v", e.op, e.err)
}

func (e *gitError) Unwrap() error { return e.err }

// bounded keeps what is written, up to a limit.
type bounded struct {
	bytes.Buffer
	limit int
}

var errTooLong = errors.New("the answer is too long")

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		return 0, errTooLong
	}
	return b.Buffer.Write(p)
}

// tail keeps the last part of what is written: that is where the reason stands.
type tail struct{ buf []byte }

const longestTail = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - longestTail; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.buf) }

var _ io.Writer = (*tail)(nil)
