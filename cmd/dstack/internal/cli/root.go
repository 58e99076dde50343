package cli

import (
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/schema"
)

// firstDay is what dstack alone prints.
const firstDay = `dstack plans and runs GPU compute: fleets, volumes, gateways, and what runs on them.

  dstack init --example quickstart   write an example that runs on this machine
  dstack plan                        show what would change, where and at what cost
  dstack apply                       do it
  dstack ps                          show what is running
  dstack destroy                     take everything down again

All commands: dstack --help. What can be written in a block: dstack help fleet
`

// Groups of commands in the help.
const (
	groupMain  = "main"
	groupRuns  = "runs"
	groupState = "state"
	groupMore  = "more"
)

func newRoot(a *app) *cobra.Command {
	var dir string
	root := &cobra.Command{
		Use:           "dstack",
		Short:         "Plan and run GPU compute",
		Long:          "dstack makes a plan of what would change, where it would run and what it would cost, and carries it out.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := exclusive(cmd); err != nil || dir == "" {
				return err
			}
			a.dir = dir
			if err := os.Chdir(dir); err != nil {
				return usage(cmd, "-C %s: %v.", dir, err)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				a.printf("%s", firstDay)
				return nil
			}
			return unknownCommand(cmd, args[0])
		},
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(wrongFlag)
	root.PersistentFlags().StringVarP(&dir, "chdir", "C", "", "work in another `DIR`ectory")
	root.PersistentFlags().BoolVar(&a.noColor, "no-color", false, "no colours")
	root.AddGroup(&cobra.Group{ID: groupMain, Title: "Plan and apply:"}, &cobra.Group{ID: groupRuns, Title: "What is running:"},
		&cobra.Group{ID: groupState, Title: "What is recorded:"}, &cobra.Group{ID: groupMore, Title: "More:"})
	root.SetHelpCommandGroupID(groupMore)
	root.SetCompletionCommandGroupID(groupMore)
	root.AddCommand(commands(a)...)
	root.SetHelpCommand(helpCommand(a))
	return root
}

func commands(a *app) []*cobra.Command {
	in := func(group string, list ...*cobra.Command) []*cobra.Command {
		for _, c := range list {
			c.GroupID = group
		}
		return list
	}
	return slices.Concat(
		in(groupMain, initCommand(a), fmtCommand(a), validateCommand(a), planCommand(a), applyCommand(a), destroyCommand(a), refreshCommand(a), showCommand(a), commentCommand(a), policyCommand(a)),
		in(groupRuns, psCommand(a), logsCommand(a), attachCommand(a), stopCommand(a), offerCommand(a), fleetCommand(a), volumeCommand(a), gatewayCommand(a)),
		in(groupState, stateCommand(a), importCommand(a), outputCommand(a)),
		in(groupMore, consoleCommand(a), graphCommand(a), modulesCommand(a), providersCommand(a), versionCommand(a)),
	)
}

// unknownCommand is the error for a first argument that is no command.
func unknownCommand(cmd *cobra.Command, name string) error {
	var known []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			known = append(known, c.Name())
		}
	}
	return usage(cmd, "There is no command %q.%s", cmd.CommandPath()+" "+name, schema.DidYouMean(name, known))
}

// parent makes a command that only has others below it.
func parent(use, short string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(cmd, "%s needs one of its commands.", cmd.CommandPath())
			}
			return unknownCommand(cmd, args[0])
		},
	}
	c.AddCommand(children...)
	return c
}

// args checks the number of arguments.
func args(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usage(cmd, "%s needs %s.", cmd.CommandPath(), what)
		case len(args) > most && most == 0:
			return usage(cmd, "%s takes no arguments; %q is one.", cmd.CommandPath(), args[0])
		case len(args) > most:
			return usage(cmd, "%s takes %s; %q is too much.", cmd.CommandPath(), what, args[most])
		}
		return nil
	}
}

// jsonFlag adds --json.
func jsonFlag(a *app, cmd *cobra.Command, what string) {
	cmd.Flags().BoolVar(&a.json, "json", false, what)
}
