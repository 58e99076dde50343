package docker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/dstackai/dstack-planner/agent/internal/pid1"
)

// pipes are the supervisor's ends of a container's named pipes. Of those that it reads, it holds the other end too, so that they
// end when it lets go of that and not before the container has opened them.
type pipes struct {
	task, report, out, err *os.File
	held                   []*os.File
}

// makePipes makes the pipes in a folder and opens them. Whoever the job runs as can write to them; the folder lies where only the
// agent's user gets to, and in the container.
func makePipes(dir string) (_ *pipes, err error) {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make folder of pipes: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make folder of pipes: %w", err)
	}
	p := &pipes{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	for _, name := range pid1.Pipes() {
		path := filepath.Join(dir, name)
		if err := unix.Mkfifo(path, 0o666); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, &fs.PathError{Op: "make pipe", Path: path, Err: err}
		}
		if err := os.Chmod(path, 0o666); err != nil {
			return nil, err
		}
	}
	if p.task, err = os.OpenFile(filepath.Join(dir, pid1.TaskPipe), os.O_RDWR|unix.O_NONBLOCK, 0); err != nil {
		return nil, err
	}
	for name, to := range map[string]**os.File{pid1.ReportPipe: &p.report, pid1.StdoutPipe: &p.out, pid1.StderrPipe: &p.err} {
		path := filepath.Join(dir, name)
		if *to, err = os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0); err != nil {
			return nil, err
		}
		held, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			return nil, err
		}
		p.held = append(p.held, held)
	}
	return p, nil
}

// finish lets the pipes end when the container does.
func (p *pipes) finish() {
	for _, f := range p.held {
		f.Close()
	}
	p.held = nil
	p.task.Close()
}

// close lets go of all of them.
func (p *pipes) close() {
	for _, f := range append(p.held, p.task, p.report, p.out, p.err) {
		if f != nil {
			f.Close()
		}
	}
	p.held = nil
}
