package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/policy"
	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

func policyCommand(a *app) *cobra.Command {
	return parent("policy", "Judge saved plans by policies, and test policies", policyCheckCommand(a), policyTestCommand(a))
}

// policyFlag adds --policy.
func policyFlag(cmd *cobra.Command, dirs *[]string) {
	cmd.Flags().StringArrayVar(dirs, "policy", nil, "judge the plan by the policies in a `DIR`ectory as well; can be repeated")
}

// policyCheck is what policy check --json prints.
type policyCheck struct {
	FormatVersion string        `json:"format_version"`
	Plan          string        `json:"plan"`
	Denied        bool          `json:"denied"`
	Policies      []plan.Policy `json:"policies"`
	Diagnostics   diag.List     `json:"diagnostics"`
}

func policyCheckCommand(a *app) *cobra.Command {
	var dirs []string
	cmd := &cobra.Command{
		Use: "check --policy DIR PLAN", Short: "Judge a saved plan, or the JSON of one, by folders of policies",
		Long: "Judges a plan that dstack plan --out has saved, or what dstack show --json prints of one, by the policies of folders. It needs neither the configuration nor the state nor a provider. Exits 6 if a policy denies the plan.",
		Args: args(1, 1, "one saved plan"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(dirs) == 0 {
				return usage(cmd, "%s needs --policy DIR. What the plan's own policies say is shown by:\n  dstack show %s", cmd.CommandPath(), shellWord(args[0]))
			}
			p, err := plan.ReadAny(args[0])
			if err != nil {
				return unread(args[0], err)
			}
			p.Policies, p.Diagnostics = nil, nil
			if err := a.judgeAlso(cmd.Context(), p, dirs); err != nil {
				return err
			}
			if a.json {
				err = a.printJSON(policyCheck{"1.0", p.ID, len(p.Denying()) > 0, p.Policies, append(diag.List{}, p.Diagnostics...)})
			} else {
				a.complain(p.Diagnostics)
				a.printf("%s", render.Policies(p.Policies, a.options()))
			}
			if err == nil && len(p.Denying()) > 0 {
				return exit(exitDenied)
			}
			return err
		},
	}
	policyFlag(cmd, &dirs)
	jsonFlag(a, cmd, "print one JSON object with what each policy says")
	return cmd
}

// judgeAlso judges a plan that is made by further policies.
func (a *app) judgeAlso(ctx context.Context, p *plan.Plan, dirs []string) error {
	sets, err := a.policies(ctx, dirs)
	if err != nil {
		return err
	}
	if list := policy.Check(sets...); list.HasErrors() {
		return failed(list)
	}
	results, problems := policy.Evaluate(p, sets...)
	p.Policies, p.Diagnostics = append(p.Policies, results...), append(p.Diagnostics, problems...)
	return nil
}

// policies reads folders of policies.
func (a *app) policies(ctx context.Context, dirs []string) ([]*config.Config, error) {
	var out []*config.Config
	for _, dir := range dirs {
		c, list := config.LoadPolicies(ctx, config.PolicyOptions{Dir: dir, Version: a.version})
		if list.HasErrors() {
			return nil, failed(list)
		}
		a.complain(list.Warnings())
		out = append(out, c)
	}
	return out, nil
}

// permitted ends a command whose plan is denied by policies that are not overridden. Again is the command itself.
func (a *app) permitted(cmd *cobra.Command, f *folder, ap applying, p *plan.Plan, again string) error {
	var known []string
	for _, r := range p.Policies {
		known = append(known, r.Name)
	}
	for _, c := range f.policies {
		for _, r := range c.Policies() {
			known = append(known, r.Name)
		}
	}
	for _, name := range ap.override {
		if !slices.Contains(known, name) {
			return usage(cmd, "There is no policy %q to override.%s", name, schema.DidYouMean(name, known))
		}
	}
	left := slices.DeleteFunc(p.Denying(), func(r plan.Policy) bool { return slices.Contains(ap.override, r.Name) })
	if len(left) == 0 {
		return nil
	}
	return fail(exitDenied, "Plan is denied", "%s\nNothing was done. To do it against its policies, which is recorded:\n  %s", denials(left), overriding(again, left))
}

// deniedNow says that policies deny a plan as things are under the lock.
func (a *app) deniedNow(e *planner.DeniedError, w work) error {
	why := ""
	if e.Moved {
		why = "The totals have changed since the plan was made, and they do not keep its policies any more.\n"
	}
	return fail(exitDenied, "Plan is denied", "%s%s\nNothing was done. To do it against its policies, which is recorded:\n  %s", why, denials(e.Policies), overriding(w.again, e.Policies))
}

// denials lists what policies say, one after the other.
func denials(list []plan.Policy) string {
	lines := make([]string, len(list))
	for i, r := range list {
		lines[i] = render.PolicyText(r)
	}
	return strings.Join(lines, "\n")
}

// overriding is a command with what overrides policies.
func overriding(command string, list []plan.Policy) string {
	for _, r := range list {
		command += " --override-policy " + shellWord(r.Name)
	}
	return command
}

// overridden says which policy was overridden, by whom and when.
func overridden(o statefile.PolicyOverride) string {
	text := "policy " + render.Clean(o.Policy) + " (" + render.Clean(o.Result) + "), overridden"
	if o.By != "" {
		text += " by " + render.Clean(o.By)
	}
	return text + " at " + o.At.UTC().Format("2006-01-02 15:04:05 UTC")
}

// overrides lists the plans that were applied against policies, oldest first.
func overrides(st *statefile.State) string {
	var b strings.Builder
	for _, p := range st.Plans() {
		for _, o := range p.Overrides {
			fmt.Fprintf(&b, "  plan %s  %s\n", render.Clean(p.ID), overridden(o))
		}
	}
	return b.String()
}
