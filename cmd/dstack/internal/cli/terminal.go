package cli

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/dstackai/dstack-planner/planner/render"
)

// screen is what is known of the terminals that a command is connected to.
type screen struct {
	inFd, outFd   int
	questions     io.Writer // where somebody can be asked who answers on stdin; nil if nobody is there
	out, err      bool      // stdout and stderr are terminals
	color         bool      // NO_COLOR, CI and TERM allow it
	live          bool      // lines may be drawn over
	dumb          bool      // the terminal cannot draw, or is told not to
	width, height func() int
}

func screenOf(in, out, errs *os.File, environ func(string) (string, bool)) screen {
	set := func(name string) bool {
		v, ok := environ(name)
		return ok && v != "" && v != "0" && v != "false"
	}
	plain := set("DSTACK_PLAIN")
	name, _ := environ("TERM")
	s := screen{inFd: int(in.Fd()), outFd: int(out.Fd())}
	s.out, s.err = term.IsTerminal(s.outFd), term.IsTerminal(int(errs.Fd()))
	if term.IsTerminal(s.inFd) && !set("CI") {
		s.questions = errs
		if !s.err { // it goes to a file, which is not where a question is seen
			s.questions = nil
			if tty, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0); err == nil {
				s.questions = tty
			}
		}
	}
	dumb := plain || name == "dumb"
	s.color = !set("NO_COLOR") && !set("CI") && !dumb
	s.dumb = dumb
	s.live = s.out && !set("CI") && !dumb
	s.width = func() int { w, _, _ := term.GetSize(s.outFd); return w }
	s.height = func() int { _, h, _ := term.GetSize(s.outFd); return h }
	return s
}

// options are those for stdout.
func (a *app) options() render.Options {
	o := render.Options{Now: a.now()}
	if a.screen.out {
		o.Width = a.screen.width()
		o.Color = a.screen.color && !a.noColor
	}
	return o
}

// errOptions are those for stderr.
func (a *app) errOptions() render.Options {
	o := render.Options{Now: a.now()}
	if a.screen.err {
		o.Width = a.screen.width()
		o.Color = a.screen.color && !a.noColor
	}
	return o
}

// prompt asks for the value of a variable, once in a command that reads the configuration more than once; it is nil where
// nobody can be asked.
func (a *app) prompt() func(name, description string, sensitive bool) (string, error) {
	if a.screen.questions == nil || a.json {
		return nil
	}
	return func(name, description string, sensitive bool) (string, error) {
		if text, again := a.answered[name]; again {
			return text, nil
		}
		text, err := a.askFor(name, description, sensitive)
		if err == nil {
			if a.answered == nil {
				a.answered = map[string]string{}
			}
			a.answered[name] = text
		}
		return text, err
	}
}

func (a *app) askFor(name, description string, sensitive bool) (string, error) {
	if description != "" {
		fmt.Fprintf(a.screen.questions, "var.%s: %s\n", name, description)
	}
	fmt.Fprintf(a.screen.questions, "Value for var.%s: ", name)
	if !sensitive {
		return a.readLine()
	}
	text, err := term.ReadPassword(a.screen.inFd)
	fmt.Fprintln(a.screen.questions)
	return string(text), err
}
