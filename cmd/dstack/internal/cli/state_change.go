package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// changing are the flags of commands that change the state by hand.
type changing struct {
	inputs      inputs
	dryRun      bool
	lockTimeout time.Duration
}

func (c *changing) register(a *app, cmd *cobra.Command) {
	c.inputs.register(cmd)
	cmd.Flags().BoolVar(&c.dryRun, "dry-run", false, "say what would be done, and do nothing")
	cmd.Flags().DurationVar(&c.lockTimeout, "lock-timeout", 0, "how long to wait while somebody else changes the state")
	jsonFlag(a, cmd, "print one JSON object")
}

// locked runs what changes the state, as the only writer. With --dry-run it takes no lock and gets no session.
func (a *app) locked(cmd *cobra.Command, c changing, operation string, run func(ctx context.Context, f *folder, st *statefile.State, s statefile.Session) error) error {
	ctx, cancel := a.interruptible(cmd.Context())
	defer cancel()
	f, err := a.openState(ctx, c.inputs)
	if err != nil {
		return err
	}
	defer f.close()
	st, err := f.state(ctx)
	if err != nil {
		return err
	}
	if c.dryRun {
		return run(ctx, f, st, nil)
	}
	ap := applying{lockTimeout: c.lockTimeout}
	session, err := a.lock(ctx, f, ap, "", operation)
	if err != nil {
		return err
	}
	err = run(ctx, f, session.State(), session)
	if cerr := session.Close(context.WithoutCancel(ctx)); err == nil {
		err = failedWith(cerr, "State cannot be written")
	}
	return err
}

// changed is what the records of a change by hand say of who made it.
func (a *app) changed(operation string) statefile.Changed {
	holder := a.holder(operation)
	return statefile.Changed{At: a.now().UTC(), By: holder.Who()}
}

func stateMoveCommand(a *app) *cobra.Command {
	var c changing
	cmd := &cobra.Command{
		Use: "mv FROM TO [FROM TO]...", Short: "Record things under other addresses",
		Long: `What is recorded under FROM goes on under TO, with all that names it: a block, one repetition of it, an instance such as fleet.lab.instance[0], or a module. Nothing is made, changed or destroyed.

In a team a moved block in the configuration is better: every state that the configuration is applied to follows it, and a plan shows it first.`,
		Args: args(2, 1<<20, "pairs of addresses: from where, to where"),
		RunE: func(cmd *cobra.Command, args []string) error {
			pairs, err := movePairs(cmd, args)
			if err != nil {
				return err
			}
			return a.locked(cmd, c, "state mv", func(ctx context.Context, f *folder, st *statefile.State, s statefile.Session) error {
				return a.moveRecorded(ctx, f, st, s, pairs)
			})
		},
	}
	c.register(a, cmd)
	return cmd
}

func movePairs(cmd *cobra.Command, args []string) ([]planner.MovePair, error) {
	if len(args)%2 != 0 {
		return nil, usage(cmd, "%s needs pairs of addresses; %q has no partner.", cmd.CommandPath(), args[len(args)-1])
	}
	var pairs []planner.MovePair
	for i := 0; i < len(args); i += 2 {
		from, err := addr.ParseSubject(args[i])
		if err == nil {
			var to addr.Subject
			if to, err = addr.ParseSubject(args[i+1]); err == nil {
				pairs = append(pairs, planner.MovePair{From: from, To: to})
				continue
			}
		}
		return nil, usage(cmd, "%s", capital(sentenceOf(err.Error())))
	}
	return pairs, nil
}

// moved is one object that got another address.
type moved struct {
	From string `json:"from"`
	To   string `json:"to"`
}

func (a *app) moveRecorded(ctx context.Context, f *folder, st *statefile.State, s statefile.Session, pairs []planner.MovePair) error {
	moves, list := planner.MoveRecorded(st, pairs, a.changed("state mv"))
	if list.HasErrors() {
		return failed(list)
	}
	out := []moved{}
	for _, m := range moves.Objects {
		out = append(out, moved{m.From.String(), m.To.String()})
	}
	if s != nil {
		var records []statefile.Record
		for _, r := range moves.Renamings {
			records = append(records, statefile.NewRename(a.now(), r))
		}
		if err := s.Append(ctx, records...); err != nil {
			return failedWith(err, "State cannot be written")
		}
		for _, n := range a.tell(ctx, f, s.State(), moves.Objects) {
			a.say("%s: %s.", n.Address, strings.TrimSuffix(n.Text, "."))
		}
	}
	if a.json {
		return a.printJSON(struct {
			DryRun bool    `json:"dry_run"`
			Moved  []moved `json:"moved"`
		}{s == nil, out})
	}
	for _, m := range out {
		a.printf("%s -> %s\n", m.From, m.To)
	}
	word := "moved"
	if s == nil {
		word = "would move"
	}
	a.printf("%s %s. Nothing was made, changed or destroyed.\n", render.Count(len(out), "object"), word)
	return nil
}

// tell lets providers know of new addresses. They are not started where the configuration cannot be read.
func (a *app) tell(ctx context.Context, f *folder, st *statefile.State, renamed []statefile.Rename) []plan.Note {
	r := f.planner().Open(ctx, st)
	defer r.Close()
	return r.Tell(ctx, renamed)
}

func stateRemoveCommand(a *app) *cobra.Command {
	var c changing
	cmd := &cobra.Command{
		Use: "rm ADDRESS...", Short: "Take things out of the record; they go on",
		Long: `What is recorded under the addresses is forgotten: blocks, repetitions, instances such as fleet.lab.instance[0], or modules. The things themselves go on and cost what they cost; dstack does not know them any more. To take them over again there is dstack import.

In a team a removed block with destroy = false in the configuration is better: a plan shows it first.`,
		Args: args(1, 1<<20, "at least one address"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var subjects []addr.Subject
			for _, text := range args {
				s, err := addr.ParseSubject(text)
				if err != nil {
					return usage(cmd, "%s", capital(sentenceOf(err.Error())))
				}
				subjects = append(subjects, s)
			}
			return a.locked(cmd, c, "state rm", func(ctx context.Context, _ *folder, st *statefile.State, s statefile.Session) error {
				return a.forgetRecorded(ctx, st, s, subjects)
			})
		},
	}
	c.register(a, cmd)
	return cmd
}

// forgotten is one object that left the record.
type forgotten struct {
	Address string `json:"address"`
	Kind    string `json:"kind"`
	Backend string `json:"backend"`
	ID      string `json:"id"`
}

func (a *app) forgetRecorded(ctx context.Context, st *statefile.State, s statefile.Session, subjects []addr.Subject) error {
	objects, runs, list := planner.ForgetRecorded(st, subjects)
	if list.HasErrors() {
		return failed(list)
	}
	out := []forgotten{}
	var records []statefile.Record
	for _, r := range objects {
		out = append(out, forgotten{r.Ref().String(), r.Kind, r.Backend, r.ID})
		records = append(records, statefile.NewDelete(a.now(), r.Ref(), statefile.Removal{Reason: statefile.Forgotten, Changed: a.changed("state rm")}))
	}
	for _, run := range runs {
		records = append(records, statefile.NewRun(a.now(), run, nil))
	}
	if s != nil {
		if err := s.Append(ctx, records...); err != nil {
			return failedWith(err, "State cannot be written")
		}
	}
	cost := costOf(objects)
	if a.json {
		return a.printJSON(struct {
			DryRun    bool        `json:"dry_run"`
			Forgotten []forgotten `json:"forgotten"`
			Runs      []string    `json:"runs,omitempty"`
			Cost      plan.Amount `json:"cost"`
		}{s == nil, out, runs, cost})
	}
	for _, f := range out {
		a.printf("%s  %s\n", f.Address, strings.TrimSpace(f.Backend+" "+f.ID))
	}
	word := "are forgotten"
	switch {
	case s == nil:
		word = "would be forgotten"
	case len(out) == 1:
		word = "is forgotten"
	}
	a.printf("%s %s. Nothing was destroyed: %s\n", render.Count(len(out), "object"), word, goesOn(len(out), cost))
	return nil
}

// goesOn says what becomes of what is forgotten.
func goesOn(n int, cost plan.Amount) string {
	it, costs := "it goes on", "costs"
	if n != 1 {
		it, costs = "they go on", "cost"
	}
	switch {
	case cost.Hourly > 0:
		amount := cost.Hourly.Hourly() + ", " + cost.Hourly.Monthly()
		if cost.Unknown > 0 {
			amount = "at least " + amount
		}
		return fmt.Sprintf("%s outside of this state, and %s %s.", it, costs, amount)
	case cost.Unknown > 0:
		return fmt.Sprintf("%s outside of this state, and %s money; how much is not known.", it, costs)
	}
	return it + " outside of this state."
}

// costOf adds up what recorded objects cost.
func costOf(objects []*statefile.Resource) plan.Amount {
	var out plan.Amount
	for _, r := range objects {
		if !slices.Contains([]string{addr.KindInstance, addr.KindVolume, addr.KindGateway}, r.Kind) {
			continue
		}
		if v, err := schema.UnmarshalValue(schema.KindObject(r.Kind), r.Attributes); err == nil {
			out = planner.PlusPrice(out, v)
		}
	}
	out.Monthly = out.Hourly.PerMonth()
	return out
}
