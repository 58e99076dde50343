package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/planner/chart"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/schema"
)

func graphCommand(a *app) *cobra.Command {
	var (
		in        inputs
		format    string
		why, all  bool
		planned   string
		formats   = []string{"dot", "mermaid", "json"}
		configure = func(cmd *cobra.Command) (*config.Config, error) {
			o := a.reading(in)
			o.Open = true // what refers to what does not depend on values
			cfg, list := config.Load(cmd.Context(), o)
			return cfg, failed(list)
		}
	)
	cmd := &cobra.Command{
		Use: "graph", Short: "Draw what refers to what, or say why one thing depends on another",
		Long: `Draws the blocks of the configuration: an arrow leads from what refers to what is referred to, a dashed one where depends_on alone says so. What is referred to by way of variables and locals is an arrow between blocks; with --all variables and locals are drawn as well.

--plan draws a saved plan: what is created, changed and destroyed, in colours, on what it stands. Resources of a block of which the same becomes are one box. With --all each step is a box, and the arrows are the order of apply.

--why A B prints the expressions by which A depends on B, each with its place. A and B are addresses of blocks, variables, locals or resources. If A does not depend on B, it exits 1.`,
		Example: `  dstack graph | dot -Tsvg > graph.svg
  dstack graph --format mermaid --plan night.plan
  dstack graph --why task.train backend.aws`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective) {
			if !why || len(args) > 1 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			cfg, _ := configure(cmd) // names can be completed while something else is wrong
			return starting(chart.Names(cfg), begin), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.json || format == "json" {
				if cmd.Flags().Changed("format") && format != "json" {
					return usage(cmd, "--json is --format json; --format %s is another.", format)
				}
				a.json, format = true, "json"
			}
			switch {
			case !slices.Contains(formats, format):
				return usage(cmd, "--format is one of %s, not %q.", strings.Join(formats, ", "), format)
			case why && len(args) != 2:
				return usage(cmd, "--why needs two addresses: what depends, and on what, as in --why task.train volume.data.")
			case why && (planned != "" || cmd.Flags().Changed("format") && format != "json"):
				return usage(cmd, "--why explains the configuration in words, or with --json; --plan and --format have no place there.")
			case !why && len(args) > 0:
				return usage(cmd, "%s takes no arguments without --why; %q is one.", cmd.CommandPath(), args[0])
			}
			if planned != "" {
				p, err := readPlan(planned)
				if err != nil {
					return err
				}
				return a.draw(chart.OfPlan(p, all), format)
			}
			cfg, err := configure(cmd)
			if err != nil {
				return err
			}
			if why {
				return a.why(cmd, cfg, args[0], args[1])
			}
			return a.draw(chart.OfConfig(cfg, all), format)
		},
	}
	in.register(cmd)
	jsonFlag(a, cmd, "print one JSON object, as --format json does")
	flags := cmd.Flags()
	flags.StringVar(&format, "format", "dot", "dot, mermaid or json")
	flags.BoolVar(&all, "all", false, "draw variables and locals as well; with --plan each step and every support object")
	flags.BoolVar(&why, "why", false, "say by which expressions the first address depends on the second")
	flags.StringVar(&planned, "plan", "", "draw a saved plan, from a `FILE`")
	return completeFile(complete(cmd, "format", formats...), "plan")
}

// complete lets a shell complete the values of a flag.
func complete(cmd *cobra.Command, flag string, values ...string) *cobra.Command {
	err := cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, begin string) ([]string, cobra.ShellCompDirective) {
		return starting(values, begin), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // there is no such flag, which the first test of the command finds
	}
	return cmd
}

// completeFile lets a shell complete the name of a file as the value of a flag.
func completeFile(cmd *cobra.Command, flag string) *cobra.Command {
	if err := cmd.MarkFlagFilename(flag); err != nil {
		panic(err) // as in complete
	}
	return cmd
}

func starting(words []string, begin string) []string {
	return slices.DeleteFunc(slices.Clone(words), func(w string) bool { return !strings.HasPrefix(w, begin) })
}

// draw prints a chart.
func (a *app) draw(c *chart.Chart, format string) error {
	switch format {
	case "json":
		return a.printJSON(c)
	case "mermaid":
		text := c.Mermaid()
		if len(text) > chart.MermaidText || len(c.Edges) > chart.MermaidEdges {
			a.say("Mermaid draws %d characters and %d arrows at most unless told otherwise, and these are %d and %d.", chart.MermaidText, chart.MermaidEdges, len(text), len(c.Edges))
		}
		a.printf("%s", text)
	default:
		a.printf("%s", c.DOT())
	}
	return nil
}

// why prints the chain of expressions between two things.
func (a *app) why(cmd *cobra.Command, cfg *config.Config, from, to string) error {
	var ends [2]string
	for i, name := range []string{from, to} {
		thing, ok := chart.Resolve(cfg, name)
		if !ok {
			return fail(exitError, "There is no such thing", "Nothing in the configuration is called %s.%s", name, schema.DidYouMean(name, chart.Names(cfg)))
		}
		ends[i] = thing
	}
	from, to = ends[0], ends[1]
	chain := chart.Why(cfg, from, to)
	if chain == nil {
		reverse := ""
		if from != to && chart.Why(cfg, to, from) != nil {
			reverse = fmt.Sprintf(" It is the other way round:\n  %s graph --why %s %s", a.dstack(), shellWord(to), shellWord(from))
		}
		return fail(exitError, "There is no dependency", "%s does not depend on %s.%s", from, to, reverse)
	}
	if a.json {
		return a.printJSON(chain)
	}
	o := a.options()
	a.printf("%s", chain.Text(o.Width))
	return nil
}
