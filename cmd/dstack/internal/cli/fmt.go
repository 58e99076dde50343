package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/layout"
)

// formatting are the flags of fmt, and what it has done.
type formatting struct {
	check, diff, recursive, write bool

	changed []string
	diags   diag.List
}

// formatted is what fmt --json prints.
type formatted struct {
	FormatVersion string    `json:"format_version"`
	Changed       []string  `json:"changed"`
	Diagnostics   diag.List `json:"diagnostics"`
}

// stdin stands for the standard input among paths, and for its name in diagnostics.
const (
	stdinPath = "-"
	stdinName = "<stdin>"
)

func fmtCommand(a *app) *cobra.Command {
	var f formatting
	cmd := &cobra.Command{
		Use: "fmt [PATH...]", Short: "Lay out the files of a configuration in the one form that all have",
		Long: `Lays out *.dstack.hcl and *.dstackvars files: indents, aligns, leaves one blank line where there are several, and takes off quotes and ${ } that stand around a whole value. What the files say does not change, and comments stay.

A PATH is a file or a folder; without one it is this folder. "-" reads from stdin and writes to stdout. The files that were changed are listed. A file that is no HCL is left alone; the others are laid out all the same.

Exit codes: 0; 1 if a file is wrong, and with --check also if a file would be changed.`,
		Example: `  dstack fmt
  dstack fmt --check --diff --recursive
  dstack fmt - < draft.hcl`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"hcl", "dstackvars"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(cmd *cobra.Command, paths []string) error {
			if len(paths) == 0 {
				paths = []string{"."}
			}
			if len(paths) == 1 && paths[0] == stdinPath {
				if a.json {
					return usage(cmd, "- writes the text to stdout, so that --json has no place there.")
				}
				return f.stdin(a)
			}
			for _, p := range paths {
				if p == stdinPath {
					return usage(cmd, "- is the only path, or none of them.")
				}
			}
			return f.paths(a, paths)
		},
	}
	jsonFlag(a, cmd, "print one JSON object with the files that were changed")
	flags := cmd.Flags()
	flags.BoolVar(&f.check, "check", false, "change nothing, and exit 1 if a file would be changed")
	flags.BoolVar(&f.diff, "diff", false, "print what changes, as a unified diff, in place of the list")
	flags.BoolVarP(&f.recursive, "recursive", "r", false, "go into folders, but for those that begin with a dot")
	flags.BoolVar(&f.write, "write", true, "write the files; --write=false lists them only")
	return cmd
}

// stdin lays out what is read from it.
func (f *formatting) stdin(a *app) error {
	text, err := io.ReadAll(a.in)
	if err != nil {
		return fail(exitError, "Stdin cannot be read", "%v.", err)
	}
	out, list := layout.Format(stdinName, text)
	if list.HasErrors() {
		return failed(list)
	}
	switch {
	case f.diff:
		a.printf("%s", diff.Diff(stdinName, text, stdinName, out))
	case !f.check:
		a.printf("%s", out)
	}
	if f.check && !bytes.Equal(text, out) {
		return exit(exitError)
	}
	return nil
}

func (f *formatting) paths(a *app, paths []string) error {
	f.changed, f.diags = []string{}, diag.List{}
	for _, p := range paths {
		files, err := layout.Find(p, f.recursive)
		if err != nil {
			f.wrong(p, err)
		}
		for _, name := range files {
			f.file(a, name)
		}
	}
	if a.json {
		if err := a.printJSON(formatted{"1.0", f.changed, f.diags}); err != nil {
			return err
		}
	}
	switch {
	case f.diags.HasErrors() && a.json:
		return exit(exitError)
	case f.diags.HasErrors():
		return failed(f.diags)
	case f.check && len(f.changed) > 0:
		return exit(exitError)
	}
	return nil
}

// file lays out one file.
func (f *formatting) file(a *app, name string) {
	text, err := layout.Read(name)
	if err != nil {
		f.wrong(name, err)
		return
	}
	out, list := layout.Format(name, text)
	f.diags = append(f.diags, list...)
	if list.HasErrors() || bytes.Equal(text, out) {
		return
	}
	if f.write && !f.check {
		if err := layout.Replace(name, text, out); err != nil {
			f.wrong(name, err)
			return
		}
	}
	f.changed = append(f.changed, name)
	switch {
	case a.json:
	case f.diff:
		a.printf("%s", diff.Diff(name, text, name, out))
	default:
		a.printf("%s\n", name)
	}
}

// wrong notes why a path was left alone.
func (f *formatting) wrong(path string, err error) {
	why := err.Error()
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		why = e.Err.Error()
	}
	summary := "File cannot be laid out"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		summary, why = "There is no such file", "nothing is there"
	case errors.Is(err, layout.ErrChanged):
		why += "; it was left as it is. Run the command again"
	}
	f.diags = append(f.diags, diag.Errorf(summary, "%s", fmt.Sprintf("%s: %s.", path, why))...)
}
