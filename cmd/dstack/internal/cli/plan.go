package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/statefile"
)

// planning are the flags that plan, apply and destroy share.
type planning struct {
	inputs      inputs
	destroy     bool
	refresh     refreshMode
	noRefresh   bool // the same as --refresh=none
	parallelism int
	verbose     bool
	policies    []string // folders of policies beside those of the configuration
	refreshOnly bool
	targets     subjects
	excludes    subjects
	replace     subjects
	picked      subjects // those of targets and excludes that no flag says
	explain     *planner.Explain
}

// subjects are the values of a flag that takes addresses.
type subjects []addr.Subject

func (s *subjects) String() string { return "" }
func (*subjects) Type() string     { return "ADDRESS" }

func (s *subjects) Set(text string) error {
	one, err := addr.ParseSubject(text)
	if err != nil {
		return err
	}
	*s = append(*s, one)
	return nil
}

// refreshMode is the value of --refresh. Terraform's true and false mean all and none.
type refreshMode plan.RefreshMode

func (m *refreshMode) String() string { return string(*m) }
func (*refreshMode) Type() string     { return "all|changed|none" }

func (m *refreshMode) Set(text string) error {
	switch mode := plan.RefreshMode(text); {
	case mode == plan.RefreshAll, mode == plan.RefreshChanged, mode == plan.RefreshNone:
		*m = refreshMode(mode)
	case text == "true":
		*m = refreshMode(plan.RefreshAll)
	case text == "false":
		*m = refreshMode(plan.RefreshNone)
	default:
		return errors.New("it is all, changed or none")
	}
	return nil
}

// refreshing is how much of what is recorded is asked about.
func (p *planning) refreshing() plan.RefreshMode {
	if p.noRefresh {
		return plan.RefreshNone
	}
	return plan.RefreshMode(p.refresh)
}

func (p *planning) register(cmd *cobra.Command) {
	p.inputs.register(cmd)
	cmd.Flags().Var(&p.refresh, "refresh", "what to ask providers about: all that is recorded, what has changed in the configuration (with what that needs), or none")
	cmd.Flags().BoolVar(&p.noRefresh, "no-refresh", false, "do not ask providers what is there; trust what is recorded")
	cmd.MarkFlagsMutuallyExclusive("refresh", "no-refresh")
	cmd.Flags().IntVar(&p.parallelism, "parallelism", 10, "how many calls are made at a time")
	policyFlag(cmd, &p.policies)
	cmd.Flags().Var(&p.targets, "target", "plan only a block, module or resource and what it needs; can be repeated")
	cmd.Flags().Var(&p.excludes, "exclude", "leave out a block, module or resource and what needs it; can be repeated")
	cmd.Flags().BoolVarP(&p.verbose, "verbose", "v", false, "list support objects and all attributes of what is created")
}

// changing adds the flags of what does more than destroy.
func (p *planning) changing(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVar(&p.destroy, "destroy", false, "destroy everything that is recorded")
	fs.BoolVar(&p.refreshOnly, "refresh-only", false, "change nothing but the record, which follows what is there")
	fs.Var(&p.replace, "replace", "replace a resource though nothing of it differs; can be repeated")
	cmd.MarkFlagsMutuallyExclusive("refresh-only", "destroy")
	cmd.MarkFlagsMutuallyExclusive("refresh-only", "no-refresh")
	cmd.MarkFlagsMutuallyExclusive("refresh-only", "refresh")
	for _, name := range []string{"target", "exclude", "replace"} {
		cmd.MarkFlagsMutuallyExclusive("refresh-only", name)
	}
	cmd.MarkFlagsMutuallyExclusive("replace", "destroy")
}

// given tells whether something says how a plan is to be made.
func (p *planning) given() bool {
	return p.destroy || !p.refreshing().Whole() || p.refreshOnly || len(p.targets)+len(p.excludes)+len(p.replace) > 0
}

// check refuses numbers that make no sense.
func (p *planning) check(cmd *cobra.Command) error {
	if p.parallelism < 1 {
		return usage(cmd, "--parallelism is at least 1.")
	}
	return nil
}

// detail is the value of --detailed-exitcode.
type detail string

func (d *detail) String() string { return string(*d) }
func (*detail) Type() string     { return "string" }

func (d *detail) Set(s string) error {
	switch s {
	case "changes", "risk", "":
		*d = detail(s)
	case "true":
		*d = "changes"
	case "false":
		*d = ""
	default:
		return errors.New(`it is "risk", or has no value`)
	}
	return nil
}

// code is the exit code that a plan has.
func (d detail) code(p *plan.Plan) int {
	if d == "" {
		return exitOK
	}
	if d == "risk" {
		for _, c := range p.Changes {
			if c.Action == plan.Delete || c.Action.IsReplace() {
				return exitRisk
			}
		}
	}
	risk := d == "risk"
	switch {
	case risk && p.RefreshOnly && hasChanges(p): // nothing is changed but the record, which has drifted
		return exitDrift
	case hasChanges(p):
		return exitChanges
	case risk && len(p.Drift) > 0:
		return exitDrift
	}
	return exitOK
}

// hasChanges tells whether apply would do anything, now or in a later round.
func hasChanges(p *plan.Plan) bool {
	for _, o := range p.Outputs {
		if o.Action != plan.NoOp && o.Action != "" {
			return true
		}
	}
	return len(p.Changes) > 0 || len(p.Moves) > 0 || len(p.Steps) > 0 || len(p.Deferred) > 0 || len(p.Intents) > 0
}

func planCommand(a *app) *cobra.Command {
	var (
		in       planning
		to       outputs
		out      string
		bundle   bool
		detailed detail
		explain  []string
		generate string
	)
	cmd := &cobra.Command{
		Use: "plan", Short: "Show what would change, where it would run and what it would cost",
		Long: `Compares the configuration with what is recorded and with what is really there, asks for offers, and shows what apply would do. It changes nothing and takes no lock.

What can be written in a block: dstack help fleet`,
		Args: args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := in.check(cmd); err != nil {
				return err
			}
			if bundle && out == "" {
				return usage(cmd, "--bundle saves more with a plan, and no plan is saved. Add --out FILE.")
			}
			if err := to.check(a, cmd, out); err != nil {
				return err
			}
			if generate != "" {
				if err := mayGenerate(cmd, generate); err != nil {
					return err
				}
			}
			to.verbose = in.verbose
			ctx, cancel := a.interruptible(cmd.Context())
			defer cancel()
			if a.json {
				a.events = newEvents(a)
			}
			if !in.destroy {
				in.inputs.repos = a.repositories(ctx)
			}
			f, err := a.open(ctx, in.inputs)
			if err != nil {
				return err
			}
			defer f.close()
			if f.policies, err = a.policies(ctx, in.policies); err != nil {
				return err
			}
			st, err := f.makeState(ctx)
			if err != nil {
				return err
			}
			if generate != "" {
				if err := a.generate(ctx, f, st, in, generate); err != nil {
					return err
				}
			}
			if len(explain) > 0 {
				in.explain = &planner.Explain{Of: explain}
			}
			p, err := f.plan(ctx, st, in, true)
			if err != nil {
				return err
			}
			if out != "" {
				if err := a.savePlan(ctx, f, p, out, bundle); err != nil {
					return err
				}
			}
			if in.explain != nil {
				return a.explained(in.explain.Found, in.verbose)
			}
			if err := to.write(a, p, out); err != nil {
				return err
			}
			if len(p.Denying()) > 0 {
				return exit(exitDenied)
			}
			return exit(detailed.code(p))
		},
	}
	in.register(cmd)
	to.register(cmd)
	jsonFlag(a, cmd, "print one event a line")
	fs := cmd.Flags()
	fs.StringVar(&out, "out", "", "save the plan to a `FILE`, for apply and show")
	fs.BoolVar(&bundle, "bundle", false, "save what jobs get as repo and files with the plan, so that it can be applied where that is not")
	in.changing(cmd)
	fs.StringArrayVar(&explain, "explain", nil, "say where the values of an `ADDRESS` come from, or of one attribute: volume.data.size; can be repeated")
	fs.StringVar(&generate, "generate-config-out", "", "write the blocks that import blocks lack to a new `FILE` of the configuration, and plan with them")
	for _, name := range []string{"destroy", "refresh-only"} {
		cmd.MarkFlagsMutuallyExclusive("generate-config-out", name)
	}
	fs.Var(&detailed, "detailed-exitcode", "exit 2 if there are changes; with =risk also 7 for drift alone, and 8 if something is destroyed or replaced")
	fs.Lookup("detailed-exitcode").NoOptDefVal = "changes"
	return cmd
}

// savePlan writes a plan to a file, with what its jobs get if that is wanted.
func (a *app) savePlan(ctx context.Context, f *folder, p *plan.Plan, out string, bundle bool) error {
	var code []byte
	if bundle {
		var err error
		if code, err = f.planner().Bundle(ctx, p); err != nil {
			if changed, ok := errors.AsType[*planner.ChangedContentError](err); ok {
				return fail(exitError, "Content has changed", "While the plan was made: %s.", strings.TrimSuffix(changed.Error(), "."))
			}
			return failedWith(err, "Plan cannot be saved")
		}
	}
	return failedWith(plan.WriteBundle(out, p, code), "Plan cannot be saved")
}

// explained prints what --explain asks for.
func (a *app) explained(list []plan.Explanation, verbose bool) error {
	if a.json {
		return a.printJSON(list)
	}
	o := a.options()
	o.Verbose = verbose
	a.printf("%s", render.Explain(list, o))
	return nil
}

// plan makes a plan, and ends the command where that cannot be done. Beside others, it leaves alone what they change now.
func (f *folder) plan(ctx context.Context, st *statefile.State, in planning, beside bool) (*plan.Plan, error) {
	var writer *statefile.Holder
	if beside {
		// Best effort: without it an operation that goes on now is shown as one that was cut off.
		writer, _ = f.store.Holder(ctx)
	}
	p, list := f.planner().Plan(ctx, planner.PlanOptions{State: st, Writer: writer, Destroy: in.destroy, Refresh: in.refreshing(), Parallelism: in.parallelism,
		RefreshOnly: in.refreshOnly, Targets: in.targets, Excludes: in.excludes, Picked: in.picked, Replace: in.replace, Explain: in.explain, Observe: f.app.throttled})
	if ctx.Err() != nil {
		return nil, exit(exitInterrupted)
	}
	if p == nil || list.HasErrors() {
		return nil, failed(list)
	}
	if p.Diagnostics == nil {
		p.Diagnostics = diag.List{}
	}
	return p, nil
}
