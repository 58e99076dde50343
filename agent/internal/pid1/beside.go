package pid1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"

	"github.com/dstackai/dstack-planner/agent/internal/environ"
	"github.com/dstackai/dstack-planner/agent/internal/proc"
)

// Beside becomes a program in a container where a job runs, with the job's environment and env over it. It returns only with
// an error, and the exit code that shells give it.
func Beside(argv, env []string) (int, error) {
	job, err := leader()
	if err != nil {
		return exitCannotExecute, err
	}
	theirs, err := proc.Environ(job)
	if err != nil {
		theirs = os.Environ() // of a job that may not be looked into
	}
	env = environ.LastOfEach(append(theirs, env...))
	wd, err := os.Getwd()
	if err != nil {
		wd = "/"
	}
	program, err := environ.Lookup(argv[0], wd, env)
	if err == nil {
		err = syscall.Exec(program, argv, env)
		err = &fs.PathError{Op: "execute", Path: program, Err: err}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return exitNoProgram, err
	}
	return exitCannotExecute, err
}

// leader finds the job: the first session that the first process started.
func leader() (int, error) {
	all, err := proc.Descendants(1)
	if err != nil {
		return 0, err
	}
	var first proc.Process
	for _, p := range all {
		if p.Parent == 1 && p.Session == p.PID && (first.PID == 0 || p.Start < first.Start) {
			first = p
		}
	}
	if first.PID == 0 {
		return 0, errors.New("no job runs here")
	}
	return first.PID, nil
}

// Dial connects to a TCP address and copies between it and the two streams until both ways have ended.
func Dial(ctx context.Context, address string, in io.Reader, out io.Writer) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	// The first byte says that there is a connection.
	if _, err := out.Write([]byte{0}); err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(conn, in)
		if half, ok := conn.(*net.TCPConn); ok {
			half.CloseWrite()
		}
		sent <- err
	}()
	if _, err := io.Copy(out, conn); err != nil {
		return fmt.Errorf("read from %s: %w", address, err)
	}
	return nil
}
