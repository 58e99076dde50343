package cli

import (
	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
)

// validation is what validate --json prints, in Terraform's shape.
type validation struct {
	FormatVersion string    `json:"format_version"`
	Valid         bool      `json:"valid"`
	ErrorCount    int       `json:"error_count"`
	WarningCount  int       `json:"warning_count"`
	Diagnostics   diag.List `json:"diagnostics"`
}

func validateCommand(a *app) *cobra.Command {
	var in inputs
	cmd := &cobra.Command{
		Use: "validate", Short: "Check the configuration, without asking any cloud",
		Long: "Checks everything that can be checked without the state and without any cloud: syntax, names, types, grammars, references, and the settings of backends against what their providers take.",
		Args: args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.interruptible(cmd.Context())
			defer cancel()
			cfg, list := config.Load(ctx, config.LoadOptions{Home: a.home, Vars: in.list, Environ: a.environ, Version: a.version})
			if !list.HasErrors() {
				f, err := a.newFolder(cfg, false)
				if err != nil {
					return err
				}
				defer f.close()
				list = append(list, f.planner().Validate(ctx)...)
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
			a.printf("The configuration is valid.\n")
			return nil
		},
	}
	in.register(cmd)
	jsonFlag(a, cmd, "print one JSON object with all diagnostics")
	return cmd
}
