package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/lint"
)

// validation is what validate --json prints, in Terraform's shape.
type validation struct {
	FormatVersion string    `json:"format_version"`
	Valid         bool      `json:"valid"`
	ErrorCount    int       `json:"error_count"`
	WarningCount  int       `json:"warning_count"`
	Diagnostics   diag.List `json:"diagnostics"`
}

// linting is the value of --lint: the severity of what is found, "" without it.
type linting diag.Severity

func (l *linting) String() string { return string(*l) }
func (*linting) Type() string     { return "string" }

func (l *linting) Set(s string) error {
	switch s {
	case "true", "warning":
		*l = linting(diag.Warning)
	case "error":
		*l = linting(diag.Error)
	case "false":
		*l = ""
	default:
		return errors.New(`it is "warning" or "error", or has no value`)
	}
	return nil
}

func validateCommand(a *app) *cobra.Command {
	var in inputs
	var l linting
	var sarif string
	cmd := &cobra.Command{
		Use: "validate", Short: "Check the configuration, without asking any cloud",
		Long: `Checks everything that can be checked without the state and without any cloud: syntax, names, types, grammars, references, and the settings of backends against what their providers take. A variable without a value is taken as unknown.

With --lint it also finds what is right and could be left out, such as a variable that nothing uses. Each finding names its rule, and is a warning; with --lint=error it is an error. To let one pass, write a comment beside it:
  # lint-ignore unused-variable: why`,
		Args: args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.interruptible(cmd.Context())
			defer cancel()
			o := a.reading(in)
			o.Open = true
			cfg, list := config.Load(ctx, o)
			if !list.HasErrors() {
				f, err := a.newFolder(cfg, false)
				if err != nil {
					return err
				}
				defer f.close()
				list = append(list, f.planner().Validate(ctx)...)
			}
			findings := 0
			if l != "" && !list.HasErrors() {
				found := lint.Check(cfg)
				for _, d := range found {
					d.Severity = diag.Severity(l)
				}
				findings = len(found)
				list = append(list, found...)
				list.Sort()
			}
			if sarif != "" {
				if err := a.writeSARIF(sarif, list); err != nil {
					return err
				}
			}
			errs, warnings := len(list.Errors()), len(list.Warnings())
			if a.json {
				if list == nil {
					list = diag.List{}
				}
				if err := a.printJSON(validation{"1.0", errs == 0, errs, warnings, list}); err != nil {
					return err
				}
				if errs > 0 {
					return exit(exitError)
				}
				return nil
			}
			if errs > 0 {
				return failed(list)
			}
			a.complain(list)
			a.printf("The configuration is valid%s.\n", lintResult(l, findings))
			return nil
		},
	}
	in.register(cmd)
	jsonFlag(a, cmd, "print one JSON object with all diagnostics")
	cmd.Flags().Var(&l, "lint", "find what could be left out as well, as warnings; with =error as errors")
	cmd.Flags().Lookup("lint").NoOptDefVal = string(diag.Warning)
	cmd.Flags().StringVar(&sarif, "sarif-out", "", "write all diagnostics as SARIF to a `FILE` as well, for code scanning")
	return complete(cmd, "lint", "warning", "error")
}

// writeSARIF writes diagnostics for pipelines. A configuration is no secret, so others may read the file.
func (a *app) writeSARIF(path string, list diag.List) error {
	text, err := lint.SARIF(list, a.version)
	if err == nil {
		err = os.WriteFile(path, text, 0o644)
	}
	return failedWith(err, "SARIF cannot be written")
}

// lintResult says how many findings there are, if any were looked for.
func lintResult(l linting, findings int) string {
	switch {
	case l == "":
		return ""
	case findings == 0:
		return ", and lint finds nothing"
	case findings == 1:
		return "; lint finds 1 thing"
	}
	return fmt.Sprintf("; lint finds %d things", findings)
}
