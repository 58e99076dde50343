package inside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// Exit codes that shells give when they cannot read what they should run, and for what Ctrl-C ended.
const (
	exitSyntax      = 2
	exitInterrupted = 130
)

// killTime is how long a command may take to end after Ctrl-C.
const killTime = 2 * time.Second

// Script is the shell of jobs that have none: a POSIX shell with bash's most used extensions, and with the few programs of
// tools where the job does not have them either. args are "-c COMMAND", or nothing for what comes from in. It returns the exit
// code.
func Script(args []string, in *os.File, out, errOut io.Writer) int {
	runner, err := interp.New(interp.StdIO(in, out, errOut), interp.Env(expand.ListEnviron(os.Environ()...)),
		interp.CallHandler(takeOver), interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc {
			return runTool(interp.DefaultExecHandler(killTime))
		}))
	if err != nil {
		fmt.Fprintln(errOut, "shell:", err)
		return 1
	}
	s := &script{runner: runner, parser: syntax.NewParser(), out: out, err: errOut}
	switch {
	case len(args) == 2 && args[0] == "-c":
		return s.text(strings.NewReader(args[1]), "command")
	case len(args) > 0:
		fmt.Fprintln(errOut, "shell: it takes -c COMMAND, or nothing")
		return exitSyntax
	case term.IsTerminal(int(in.Fd())):
		return s.lines(in)
	}
	return s.text(in, "standard input")
}

// script is a shell that runs.
type script struct {
	runner   *interp.Runner
	parser   *syntax.Parser
	out, err io.Writer
}

// text runs what is there from its beginning to its end.
func (s *script) text(r io.Reader, name string) int {
	file, err := s.parser.Parse(r, name)
	if err != nil {
		fmt.Fprintln(s.err, "shell:", err)
		return exitSyntax
	}
	return s.code(s.runner.Run(context.Background(), file))
}

// lines runs what somebody types. Ctrl-C ends the command that runs.
func (s *script) lines(in io.Reader) int {
	prompt := make(chan os.Signal, 1) // nobody reads it: at the prompt Ctrl-C ends nothing
	signal.Notify(prompt, os.Interrupt)
	defer signal.Stop(prompt)
	fmt.Fprintln(s.out, "This job has no shell; this one is dstack's. help lists what it has besides the programs of the job.")
	code := 0
	s.prompt()
	for stmts, err := range s.parser.InteractiveSeq(in) {
		if err != nil {
			fmt.Fprintln(s.err, "shell:", err)
			return exitSyntax
		}
		if s.parser.Incomplete() {
			fmt.Fprint(s.out, "> ")
			continue
		}
		ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
		for _, stmt := range stmts {
			err := s.runner.Run(ctx, stmt)
			if ctx.Err() != nil {
				code = exitInterrupted
				fmt.Fprintln(s.out)
				break
			}
			code = s.code(err)
			if s.runner.Exited() {
				cancel()
				return code
			}
		}
		cancel()
		s.prompt()
	}
	fmt.Fprintln(s.out)
	return code
}

func (s *script) prompt() {
	dir := s.runner.Dir
	if home := os.Getenv("HOME"); home != "" && home != "/" && (dir == home || strings.HasPrefix(dir, home+"/")) {
		dir = "~" + strings.TrimPrefix(dir, home)
	}
	fmt.Fprintf(s.out, "%s $ ", filepath.Clean(dir))
}

// code is the exit code of what ran; other errors are said.
func (s *script) code(err error) int {
	if err == nil {
		return 0
	}
	if status, ok := errors.AsType[interp.ExitStatus](err); ok {
		return int(status)
	}
	fmt.Fprintln(s.err, "shell:", err)
	return 1
}
