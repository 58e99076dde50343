package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
)

// ownTerminal is the first argument of this test's program when it shall give another one a terminal.
const ownTerminal = "own-terminal"

// screenFile is what a terminal has shown, in the script's folder.
const screenFile = ".screen"

// typed FILE CODE PROGRAM ARGS... runs a program whose standard input is a terminal, at which the text of the file and then Ctrl-D are
// typed, and checks its exit code. Its standard output and error are no terminal, and seen by stdout and stderr. It stands in for
// testscript's ttyin, which closes the terminal without waiting for what it has shown last.
func typed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: typed FILE CODE PROGRAM ARGS...")
	}
	self, err := os.Executable()
	ts.Check(err)
	exits(ts, false, append([]string{args[1], self, ownTerminal, screenOf(ts), ts.MkAbs(args[0])}, args[2:]...))
}

// screen REGEXP holds that the last terminal has shown it.
func screen(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] screen REGEXP")
	}
	shown := strings.ReplaceAll(ts.ReadFile(screenOf(ts)), "\r\n", "\n")
	if regexp.MustCompile("(?m)"+args[0]).MatchString(shown) == neg {
		ts.Fatalf("%s: want match %t:\n%s", args[0], !neg, shown)
	}
}

func screenOf(ts *testscript.TestScript) string {
	return ts.Getenv("WORK") + string(os.PathSeparator) + screenFile
}

// giveTerminal runs a program for typed and returns its exit code.
func giveTerminal(args []string) int {
	code, err := runOnTerminal(args[0], args[1], args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func runOnTerminal(screen, keys string, command []string) (int, error) {
	text, err := os.ReadFile(keys)
	if err != nil {
		return 0, err
	}
	ours, its, err := pty.Open()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = its, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	its.Close()
	shown := make(chan []byte, 1)
	go func() {
		all, _ := io.ReadAll(ours) // the end is an error: the other side is closed
		shown <- all
	}()
	const endOfText = 4
	go ours.Write(append(text, endOfText)) // it may end without having read all
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	select {
	case all := <-shown:
		return cmd.ProcessState.ExitCode(), os.WriteFile(screen, all, 0o600)
	case <-time.After(time.Minute):
		return 0, errors.New("something that the program started holds its terminal: " + strconv.Quote(strings.Join(command, " ")))
	}
}
