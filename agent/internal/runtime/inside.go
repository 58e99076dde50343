package runtime

import (
	"context"
	"io"
	"net"
	"syscall"
)

// Inside is the world in which a job runs: its user, its file systems, its network.
type Inside interface {
	// Exec starts a command beside the job. It ends with the command, with the job, or with ctx.
	Exec(ctx context.Context, c Command) (Process, error)
	// Dial connects to a TCP address as the job would.
	Dial(ctx context.Context, address string) (net.Conn, error)
}

// Command is a command to start beside a job. It runs as the job's user, with the job's environment.
type Command struct {
	// Argv is the program and its arguments. A name without a slash is looked up in the PATH that the command has.
	Argv []string
	// Env are NAME=VALUE that win over the job's own.
	Env []string
	// Dir is where the command starts; empty means where the job started.
	Dir string
	// Terminal is the terminal that the command gets; nil means pipes.
	Terminal *Terminal
}

// Terminal is the size of a terminal, in characters.
type Terminal struct {
	Rows, Columns uint16
}

// Process is a command that was started beside a job.
type Process interface {
	// Stdin is what the command reads; closing it is the end of its input, but for a terminal's.
	Stdin() io.WriteCloser
	// Stdout and Stderr are what the command writes, until their end. On a terminal all is in Stdout. Both must be read, since a
	// command whose output nobody takes is held back.
	Stdout() io.Reader
	Stderr() io.Reader
	// Resize tells the command's terminal its size. Without a terminal it does nothing.
	Resize(t Terminal) error
	// Signal sends a signal to the command.
	Signal(sig syscall.Signal) error
	// Wait returns the command's exit code when it has ended, 128 and more for signals. Its output may be read after that.
	Wait() (code int, err error)
	// Close kills the command if it has not ended, and lets go of what it had open.
	Close() error
}
