package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dstackai/dstack-planner/internal/version"
	"github.com/dstackai/dstack-planner/schema/value"
	"github.com/dstackai/dstack-planner/statefile"
)

// app is what a command finds when it starts.
type app struct {
	in  io.Reader
	out io.Writer
	err io.Writer

	environ func(string) (string, bool)
	now     func() time.Time
	program string // the running dstack
	home    string // DSTACK_HOME, absolute
	version string
	log     *slog.Logger

	uploadLimit int64 // of what is sent to a job, in bytes; 0 is the default, a negative one is none

	screen  screen
	signals <-chan os.Signal

	dir     string // -C, for commands that are named to the user
	noColor bool
	json    bool

	lines          *bufio.Reader     // of answers, once one was asked for
	answered       map[string]string // values of variables that were typed, which a command asks for once
	events         *events           // not nil while stdout is a stream of events
	quietInterrupt bool              // the command has said already that it was interrupted
}

// Main runs one command and returns the code to exit with.
func Main(args []string) int {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	a := &app{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.LookupEnv, now: time.Now, version: version.String(),
		screen: screenOf(os.Stdin, os.Stdout, os.Stderr, os.LookupEnv), signals: signals,
	}
	if err := a.prepare(); err != nil {
		return a.finish(err)
	}
	root := newRoot(a)
	root.SetArgs(args)
	return a.finish(root.ExecuteContext(context.Background()))
}

// interruptible gives a context that ends with the first signal. After stop, signals are those of whoever waits next.
func (a *app) interruptible(ctx context.Context) (_ context.Context, stop context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-a.signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		<-ended
	}
}

func (a *app) prepare() error {
	var err error
	if a.program, err = os.Executable(); err != nil {
		return fail(exitError, "Own program cannot be found", "dstack looks for its providers beside itself: %v.", err)
	}
	if real, err := filepath.EvalSymlinks(a.program); err == nil {
		a.program = real
	}
	a.home = a.getenv("DSTACK_HOME")
	if a.home == "" {
		dir, err := os.UserHomeDir()
		if err != nil {
			return fail(exitError, "There is no home folder", "dstack keeps what it needs outside of configurations in ~/.dstack: %v. Set DSTACK_HOME to a folder of its own.", err)
		}
		a.home = filepath.Join(dir, ".dstack")
	}
	if a.home, err = filepath.Abs(a.home); err != nil {
		return fail(exitError, "DSTACK_HOME cannot be used", "%v.", err)
	}
	if a.uploadLimit, err = uploadLimit(a.getenv("DSTACK_CODE_UPLOAD_LIMIT")); err != nil {
		return err
	}
	a.log, err = newLog(a.err, a.getenv("DSTACK_LOG"), a.getenv("DSTACK_LOG_FORMAT"))
	return err
}

// uploadLimit reads DSTACK_CODE_UPLOAD_LIMIT: a number of bytes, or a size.
func uploadLimit(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	bytes, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		var size value.Memory
		size, err = value.ParseMemory(text)
		bytes = size.Bytes()
	}
	switch {
	case err != nil || bytes < 0:
		return 0, fail(exitError, "DSTACK_CODE_UPLOAD_LIMIT is wrong", "DSTACK_CODE_UPLOAD_LIMIT is %q; it can be a size such as 500MB or 2GB, a number of bytes, or 0 for no limit.", text)
	case bytes == 0:
		return -1, nil
	}
	return bytes, nil
}

func (a *app) getenv(name string) string {
	v, _ := a.environ(name)
	return v
}

// levelTrace is below slog's own levels.
const levelTrace = slog.LevelDebug - 4

// newLog makes the log that DSTACK_LOG asks for. Without it nothing is logged: what a person must know is printed.
func newLog(w io.Writer, level, format string) (*slog.Logger, error) {
	if level == "" || level == "off" {
		return slog.New(slog.DiscardHandler), nil
	}
	levels := map[string]slog.Level{"error": slog.LevelError, "warn": slog.LevelWarn, "info": slog.LevelInfo, "debug": slog.LevelDebug, "trace": levelTrace}
	l, ok := levels[strings.ToLower(level)]
	if !ok {
		return nil, fail(exitError, "DSTACK_LOG is wrong", "DSTACK_LOG is %q; it can be error, warn, info, debug, trace or off.", level)
	}
	opts := &slog.HandlerOptions{Level: l, ReplaceAttr: func(_ []string, at slog.Attr) slog.Attr {
		if at.Key == slog.LevelKey && at.Value.Any() == slog.Level(levelTrace) {
			return slog.String(slog.LevelKey, "TRACE")
		}
		return at
	}}
	switch format {
	case "", "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return nil, fail(exitError, "DSTACK_LOG_FORMAT is wrong", "DSTACK_LOG_FORMAT is %q; it can be text or json.", format)
}

// holder describes this process to who finds the state locked by it.
func (a *app) holder(operation string) statefile.Holder {
	name := a.getenv("USER")
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "" // the lock is as good without
	}
	return statefile.NewHolder(operation, name, host, os.Getpid(), a.now(), a.getenv)
}

// dstack is the beginning of a command that is named to the user: it works where this one did.
func (a *app) dstack() string {
	if a.dir != "" {
		return "dstack -C " + shellWord(a.dir)
	}
	return "dstack"
}

// printf writes a result.
func (a *app) printf(format string, args ...any) { fmt.Fprintf(a.out, format, args...) }

// say writes to the person, beside the result.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.err, format+"\n", args...) }
