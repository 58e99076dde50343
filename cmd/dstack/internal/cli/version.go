package cli

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/statefile"
)

func versionCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version of dstack and of its formats", Args: args(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return a.printJSON(map[string]any{
					"dstack_version": a.version, "go_version": runtime.Version(), "platform": runtime.GOOS + "_" + runtime.GOARCH,
					"plan_format": plan.FormatVersion, "state_format": statefile.FormatVersion, "provider_protocol": providers.Protocol,
				})
			}
			a.printf("dstack %s (%s/%s, %s)\n", a.version, runtime.GOOS, runtime.GOARCH, runtime.Version())
			return nil
		},
	}
	jsonFlag(a, cmd, "print one JSON object")
	return cmd
}

// printJSON prints one value for programs.
func (a *app) printJSON(v any) error {
	body, err := render.JSON(v)
	if err != nil {
		return err
	}
	_, err = a.out.Write(body)
	return err
}
