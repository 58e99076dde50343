package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// Exit codes are API.
const (
	exitOK          = 0
	exitError       = 1
	exitChanges     = 2 // plan --detailed-exitcode: there are changes
	exitIncomplete  = 3 // apply did not do everything
	exitLocked      = 4
	exitStale       = 5
	exitDenied      = 6 // a policy denies the plan, or it does what --approve does not approve
	exitDrift       = 7 // plan --detailed-exitcode=risk: nothing but drift
	exitRisk        = 8 // plan --detailed-exitcode=risk: something is destroyed or replaced
	exitUsage       = 64
	exitInterrupted = 130
)

// exitErr ends a command with a code. What it says is said on stderr, if it says anything.
type exitErr struct {
	code  int
	diags diag.List
}

func (e *exitErr) Error() string {
	if err := e.diags.Err(); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("exit status %d", e.code)
}

// exit ends a command without another word.
func exit(code int) error {
	if code == exitOK {
		return nil
	}
	return &exitErr{code: code}
}

// fail ends a command with an error of its own.
func fail(code int, summary, format string, args ...any) error {
	return &exitErr{code: code, diags: diag.Errorf(summary, format, args...)}
}

// failed ends a command because of what is in the list, if that is an error.
func failed(list diag.List) error {
	if !list.HasErrors() {
		return nil
	}
	return &exitErr{code: exitError, diags: list}
}

// failedWith ends a command because of an error that somebody else has put into words.
func failedWith(err error, summary string) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*exitErr](err); ok {
		return e
	}
	if e, ok := errors.AsType[*statefile.LockedError](err); ok {
		return &exitErr{code: exitLocked, diags: diag.Errorf("State is locked", "%s", capital(e.Error()))}
	}
	if errors.Is(err, context.Canceled) {
		return exit(exitInterrupted)
	}
	return &exitErr{code: exitError, diags: diag.From(err, summary)}
}

// usage ends a command that was called wrongly.
func usage(cmd *cobra.Command, format string, args ...any) error {
	return &usageErr{text: fmt.Sprintf(format, args...), command: cmd.CommandPath()}
}

// usageErr says how a command was called wrongly.
type usageErr struct{ text, command string }

func (e *usageErr) Error() string { return e.text }

// exclusive refuses flags that do not go together, in our words and before the library does.
func exclusive(cmd *cobra.Command) error {
	if cmd.ValidateFlagGroups() == nil {
		return nil
	}
	var set []string
	cmd.Flags().Visit(func(f *pflag.Flag) {
		for _, group := range f.Annotations["cobra_annotation_mutually_exclusive"] {
			for _, other := range strings.Fields(group) {
				if other != f.Name && cmd.Flags().Changed(other) && len(set) == 0 {
					set = []string{"--" + f.Name, "--" + other}
				}
			}
		}
	})
	if len(set) == 0 {
		return nil // the library says what is wrong
	}
	return usage(cmd, "%s and %s do not go together; use one of them.", set[0], set[1])
}

// wrongFlag puts the flag library's words into ours, with a suggestion.
func wrongFlag(cmd *cobra.Command, err error) error {
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name := e.GetSpecifiedName()
		if e.GetSpecifiedShortnames() != "" {
			return usage(cmd, "There is no flag -%s.", name)
		}
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				known = append(known, f.Name)
			}
		})
		hint := ""
		if s := schema.Suggest(name, known); s != "" {
			hint = fmt.Sprintf(" Did you mean --%s?", s)
		}
		return usage(cmd, "There is no flag --%s.%s", name, hint)
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return usage(cmd, "--%s needs a value.", e.GetSpecifiedName())
	}
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return usage(cmd, "--%s cannot be %q: %s.", e.GetFlag().Name, e.GetValue(), strings.TrimSuffix(errors.Unwrap(e).Error(), "."))
	}
	return usage(cmd, "%s.", capital(strings.TrimSuffix(err.Error(), ".")))
}

// finish prints what a command ended with and returns the code to exit with.
func (a *app) finish(err error) int {
	if err == nil {
		return exitOK
	}
	if e, ok := errors.AsType[*usageErr](err); ok {
		fmt.Fprintf(a.err, "%s\n\nTo see how it is used:\n  %s --help\n", e.text, e.command)
		return exitUsage
	}
	e, ok := errors.AsType[*exitErr](failedWith(err, "Something went wrong"))
	if !ok {
		return exitError
	}
	if len(e.diags) > 0 {
		a.complain(e.diags)
	} else if e.code == exitInterrupted && !a.quietInterrupt {
		fmt.Fprintln(a.err, "Interrupted.")
	}
	return e.code
}

// complain prints diagnostics to stderr, or as events where stdout is a stream of events.
func (a *app) complain(list diag.List) {
	if len(list) == 0 {
		return
	}
	if a.events != nil {
		a.events.diagnostics(list)
		return
	}
	fmt.Fprint(a.err, render.Diagnostics(list, a.errOptions()))
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
