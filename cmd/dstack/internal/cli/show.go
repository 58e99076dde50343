package cli

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/planner/plan"
)

func showCommand(a *app) *cobra.Command {
	var in inputs
	var to outputs
	var dirs []string
	cmd := &cobra.Command{
		Use: "show [PLAN]", Short: "Show a saved plan, or what is recorded",
		Long: "Shows a plan that dstack plan --out has saved; that needs neither the configuration nor a provider. Without a plan it shows what is recorded.",
		Args: args(0, 1, "at most one saved plan"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := to.check(a, cmd, ""); err != nil {
				return err
			}
			if len(args) == 0 && (to.format != "text" || len(to.paths("")) > 0 || to.summary || to.annotations) {
				return usage(cmd, "Only a plan is written in other ways than as text and with --json. To save one:\n  dstack plan --out FILE")
			}
			if len(args) == 0 && len(dirs) > 0 {
				return usage(cmd, "--policy judges a plan, and none is named.")
			}
			if len(args) == 1 {
				p, err := readPlan(args[0])
				if err != nil {
					return err
				}
				if err := a.judgeAlso(cmd.Context(), p, dirs); err != nil {
					return err
				}
				return to.write(a, p, args[0])
			}
			ctx, cancel := a.interruptible(cmd.Context())
			defer cancel()
			f, err := a.openState(ctx, in)
			if err != nil {
				return err
			}
			defer f.close()
			st, err := f.state(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return a.printState(st)
			}
			var blocks []string
			for _, r := range st.Resources() {
				blocks = append(blocks, describe(st, r))
			}
			if len(blocks) == 0 {
				blocks = append(blocks, "No resource is recorded.\n")
			}
			a.printf("%s", strings.Join(blocks, "\n"))
			if len(st.Outputs()) > 0 {
				a.printf("\nOutputs\n")
				a.printOutputs(st.Outputs(), "  ")
			}
			if text := overrides(st); text != "" {
				a.printf("\nPolicies overridden\n%s", text)
			}
			return nil
		},
	}
	in.register(cmd)
	jsonFlag(a, cmd, "print the plan, or the state, as one JSON object")
	to.register(cmd)
	policyFlag(cmd, &dirs)
	cmd.Flags().BoolVarP(&to.verbose, "verbose", "v", false, "list support objects and all attributes of what is created")
	return cmd
}

// readPlan opens a saved plan.
func readPlan(path string) (*plan.Plan, error) {
	p, err := plan.Read(path)
	return p, unread(path, err)
}

// unread says why a plan cannot be read.
func unread(path string, err error) error {
	if wrong, ok := errors.AsType[*plan.FileError](err); ok {
		return fail(exitError, "Plan cannot be read", "%s: %s. %s", wrong.Path, wrong.Reason, wrong.Fix)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fail(exitError, "There is no such plan", "There is no file %s. To make it:\n  dstack plan --out %s", path, path)
	}
	return failedWith(err, "Plan cannot be read")
}
