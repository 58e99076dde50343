package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// tool is one of the programs that are compared.
type tool struct {
	name    string
	program string
	version string
	ours    bool
	write   func(dir string, s shape, n int, value string) error
	held    func(dir string) (int, error) // how many things are there, nil where nothing can be counted outside
}

// step is one command whose time is taken.
type step struct {
	name string
	ours []string
	peer []string
	exit int  // the exit code of success
	next bool // the configuration is changed before it
	left func(n int) int
}

// stepsOf is the life of a configuration. Exit code 2 is "there are changes", for all tools alike.
func stepsOf() []step {
	all := func(n int) int { return n }
	none := func(int) int { return 0 }
	return []step{
		{name: "first plan", ours: []string{"plan", "--detailed-exitcode", "--no-color"}, peer: []string{"plan", "-detailed-exitcode", "-no-color", "-input=false"}, exit: 2, left: none},
		{name: "apply", ours: []string{"apply", "--auto-approve", "--no-color"}, peer: []string{"apply", "-auto-approve", "-no-color", "-input=false"}, left: all},
		{name: "plan without changes", ours: []string{"plan", "--detailed-exitcode", "--no-color"}, peer: []string{"plan", "-detailed-exitcode", "-no-color", "-input=false"}, left: all},
		{name: "apply of an update to each", ours: []string{"apply", "--auto-approve", "--no-color"}, peer: []string{"apply", "-auto-approve", "-no-color", "-input=false"}, next: true, left: all},
		{name: "destroy", ours: []string{"destroy", "--auto-approve", "--no-color"}, peer: []string{"destroy", "-auto-approve", "-no-color", "-input=false"}, left: none},
	}
}

func (t *tool) args(s step) []string {
	if t.ours {
		return s.ours
	}
	return s.peer
}

// taken is what one command took.
type taken struct {
	wall time.Duration
	peak int64 // bytes of memory at most, of the largest process
}

// run runs a command of the tool in dir/work, with dir/home as its home.
func (t *tool) run(ctx context.Context, limit time.Duration, dir string, exit int, args ...string) (taken, error) {
	return execute(ctx, limit, filepath.Join(dir, "work"), append(environment(dir), "TF_DATA_DIR="+filepath.Join(dir, "data"), "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1"), exit, t.program, args...)
}

// environment keeps what a tool would find of this user away from it.
func environment(dir string) []string {
	home := filepath.Join(dir, "home")
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "DSTACK_HOME=" + filepath.Join(home, ".dstack"), "TMPDIR=" + filepath.Join(dir, "tmp"), "LANG=C.UTF-8"}
}

func execute(ctx context.Context, limit time.Duration, dir string, env []string, exit int, program string, args ...string) (taken, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, env
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	words := filepath.Base(program) + " " + strings.Join(args, " ")
	if ctx.Err() != nil {
		return taken{}, fmt.Errorf("%s: not finished after %s: %w", words, wall.Round(time.Second), ctx.Err())
	}
	var code *exec.ExitError
	if err != nil && !errors.As(err, &code) {
		return taken{}, fmt.Errorf("%s: %w", words, err)
	}
	if got := cmd.ProcessState.ExitCode(); got != exit {
		return taken{}, fmt.Errorf("%s: exit code %d instead of %d; the end of what it wrote:\n%s", words, got, exit, tail(out.String(), 30))
	}
	return taken{wall: wall, peak: peakOf(cmd.ProcessState)}, nil
}

// peakOf is the largest resident set of the command and of the processes that it waited for. The kernel counts the
// memory that this program had when it started the command as well, so nothing large may be kept here.
func peakOf(p *os.ProcessState) int64 {
	usage, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(usage.Maxrss)
	}
	return int64(usage.Maxrss) << 10
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// find lists the tools that there are, and says which are missing.
func find(ctx context.Context, bin string) (tools []*tool, missing []string, err error) {
	bin, err = filepath.Abs(bin)
	if err != nil {
		return nil, nil, fmt.Errorf("find the folder of dstack: %w", err)
	}
	dstack := filepath.Join(bin, "dstack")
	for _, name := range []string{"dstack", "dstack-provider-local"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			return nil, nil, fmt.Errorf("%s has no %s: build it with `make build`, and set BIN to the folder: %w", bin, name, err)
		}
	}
	tools = append(tools, &tool{name: "dstack", program: dstack, version: versionOf(ctx, dstack), ours: true, write: writeOurs, held: volumesHeld})
	for _, name := range []string{"terraform", "tofu"} {
		program, err := exec.LookPath(name)
		if err != nil {
			missing = append(missing, name)
			continue
		}
		tools = append(tools, &tool{name: name, program: program, version: versionOf(ctx, program), write: writePeers})
	}
	return tools, missing, nil
}

// versionOf is the first line of what the program says about itself.
func versionOf(ctx context.Context, program string) string {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "version")
	cmd.Env = append(os.Environ(), "CHECKPOINT_DISABLE=1")
	out, err := cmd.Output()
	if err != nil {
		return "unknown version"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

// volumesHeld counts the folders that the local provider holds.
func volumesHeld(dir string) (int, error) {
	entries, err := os.ReadDir(filepath.Join(dir, "home", ".dstack", "local", "volumes"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("count volumes: %w", err)
	}
	n := 0
	for _, e := range entries {
		if e.IsDir() {
			n++
		}
	}
	return n, nil
}
