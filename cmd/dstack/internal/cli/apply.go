package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/apply"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/statefile"
)

// applying are the flags of apply and destroy.
type applying struct {
	planning
	approved    bool
	approve     approvals
	lockTimeout time.Duration
	wait        bool
	follow      string
	override    []string // policies against which the plan is applied

	untilComplete bool // plan and apply until nothing is deferred
}

func (ap *applying) register(cmd *cobra.Command) {
	ap.planning.register(cmd)
	cmd.Flags().BoolVar(&ap.approved, "auto-approve", false, "do not ask")
	cmd.Flags().Var(&ap.approve, "approve", "do not ask, and refuse a plan that does anything but these: create,update")
	cmd.Flags().StringArrayVar(&ap.override, "override-policy", nil, "apply although the policy `NAME` denies it, which is recorded; can be repeated")
	cmd.Flags().DurationVar(&ap.lockTimeout, "lock-timeout", 0, "how long to wait while somebody else changes the state")
}

// check refuses flags that make no sense together.
func (ap *applying) check(cmd *cobra.Command) error {
	if ap.approved && len(ap.approve) > 0 {
		return usage(cmd, "--auto-approve approves everything, and --approve only some of it; use one of them.")
	}
	return ap.planning.check(cmd)
}

func applyCommand(a *app) *cobra.Command {
	var ap applying
	cmd := &cobra.Command{
		Use: "apply [PLAN]", Short: "Make the configuration come true, or a saved plan",
		Long: `Without a saved plan it makes one, shows it and asks. With one it does exactly what that plan says, without a question, and refuses if what the plan relies on has moved.

The first Ctrl-C starts nothing new and lets what is under way end; the second leaves at once, and what is not known is found out by the next plan.

What can be written in a block: dstack help fleet`,
		Args: args(0, 1, "at most one saved plan"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := ap.check(cmd); err != nil {
				return err
			}
			if len(args) == 1 {
				if ap.given() {
					return usage(cmd, "--destroy, --refresh-only, --refresh, --no-refresh, --target, --exclude and --replace say how to make a plan, and %s is made.", args[0])
				}
				if ap.untilComplete {
					return usage(cmd, "--until-complete makes plans, and %s is made.", args[0])
				}
				return a.applySaved(cmd, ap, args[0])
			}
			return a.applyFresh(cmd, ap, "apply")
		},
	}
	ap.register(cmd)
	jsonFlag(a, cmd, "print one event a line; nobody is asked")
	fs := cmd.Flags()
	ap.changing(cmd)
	fs.BoolVar(&ap.wait, "wait", false, "wait for tasks to end, and exit 1 unless all are done")
	fs.BoolVar(&ap.untilComplete, "until-complete", false, "plan and apply again until nothing is deferred; each plan is shown, and asked about")
	fs.StringVar(&ap.follow, "follow", "", "print the output of a `RUN` until its end, and exit 0 only if it is done")
	cmd.MarkFlagsMutuallyExclusive("wait", "follow")
	return cmd
}

func destroyCommand(a *app) *cobra.Command {
	var ap applying
	cmd := &cobra.Command{
		Use: "destroy", Short: "Destroy everything that is recorded", Args: args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := ap.check(cmd); err != nil {
				return err
			}
			ap.destroy = true
			return a.applyFresh(cmd, ap, "destroy")
		},
	}
	ap.register(cmd)
	jsonFlag(a, cmd, "print one event a line; nobody is asked")
	return cmd
}

func refreshCommand(a *app) *cobra.Command {
	var ap applying
	cmd := &cobra.Command{
		Use: "refresh", Short: "Let the record follow what is there", Args: args(0, 0, ""),
		Long: `Asks the providers about everything that is recorded, and writes down what differs; what is gone is taken out. Nothing else changes. To see it first: dstack plan --refresh-only`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := ap.check(cmd); err != nil {
				return err
			}
			ap.refreshOnly, ap.approved = true, true
			return a.applyFresh(cmd, ap, "refresh")
		},
	}
	ap.inputs.register(cmd)
	cmd.Flags().IntVar(&ap.parallelism, "parallelism", 10, "how many calls are made at a time")
	cmd.Flags().DurationVar(&ap.lockTimeout, "lock-timeout", 0, "how long to wait while somebody else changes the state")
	jsonFlag(a, cmd, "print one event a line")
	return cmd
}

// applyFresh makes a plan without the lock, shows it, asks, and applies it; with --until-complete it does so until nothing
// is deferred.
func (a *app) applyFresh(cmd *cobra.Command, ap applying, command string) error {
	if a.json {
		a.events = newEvents(a)
	}
	if ap.untilComplete {
		return a.applyRounds(cmd, ap, command)
	}
	f, err := a.applyOnce(cmd, ap, command, nil)
	if f != nil {
		defer f.close()
	}
	if err != nil {
		return err
	}
	return a.after(cmd.Context(), f, ap)
}

// applyOnce makes a plan and applies it. Seen is told about the plan before anything is done. The folder is open when it
// returns, unless it is nil.
func (a *app) applyOnce(cmd *cobra.Command, ap applying, command string, seen func(*plan.Plan)) (*folder, error) {
	f, st, p, err := a.planFor(cmd.Context(), ap, command)
	if err != nil {
		return nil, err
	}
	if seen != nil {
		seen(p)
	}
	var again string
	for {
		o := a.options()
		o.Verbose = ap.verbose
		if a.json {
			a.events.plan(p)
		} else {
			o.Asking = planner.Changed(p)
			a.printf("%s", render.Text(p, o))
		}
		again = a.again(cmd, ap, command)
		if !planner.Changed(p) {
			if !a.json && !ap.destroy {
				a.outputsOf(st)
			}
			return f, nil
		}
		if err := a.permitted(cmd, f, ap, p, again); err != nil {
			return f, err
		}
		if err := ap.approve.check(p); err != nil {
			return f, err
		}
		if ap.approved || len(ap.approve) > 0 {
			break
		}
		a.printf("\n")
		part, err := a.approve(cmd.Context(), f, p, &ap, command, again)
		if err != nil {
			return f, err
		}
		if part == nil {
			break
		}
		p = part
		if seen != nil {
			seen(p)
		}
		a.printf("\n")
	}
	if !a.json {
		a.printf("\n")
	}
	return f, a.carryOut(cmd.Context(), f, ap, p, work{command: command, title: "", again: again, rounds: ap.untilComplete})
}

// planFor is the part of an apply that the first interrupt ends at once.
func (a *app) planFor(ctx context.Context, ap applying, command string) (*folder, *statefile.State, *plan.Plan, error) {
	ctx, cancel := a.interruptible(ctx)
	defer cancel()
	if !ap.destroy {
		ap.inputs.repos = a.repositories(ctx)
	}
	f, err := a.open(ctx, ap.inputs)
	if err != nil {
		return nil, nil, nil, err
	}
	// What somebody is changing now cannot be planned for: their lock is waited for before, and not only after.
	if err = a.waitForLock(ctx, f, ap, command); err != nil {
		f.close()
		return nil, nil, nil, err
	}
	f.policies, err = a.policies(ctx, ap.policies)
	var st *statefile.State
	if err == nil {
		st, err = f.makeState(ctx)
	}
	if err == nil {
		var p *plan.Plan
		if p, err = f.plan(ctx, st, ap.planning, false); err == nil {
			return f, st, p, nil
		}
	}
	f.close()
	return nil, nil, nil, err
}

// again is the command that goes on where this one stopped.
func (a *app) again(cmd *cobra.Command, ap applying, command string) string {
	text := a.dstack() + " " + command
	if ap.destroy && command == "apply" {
		text += " --destroy"
	}
	if ap.untilComplete {
		text += " --until-complete"
	}
	if cmd.Flags().Changed("parallelism") {
		text += fmt.Sprintf(" --parallelism %d", ap.parallelism)
	}
	for _, s := range ap.targets {
		text += " --target " + shellWord(s.String())
	}
	for _, s := range ap.excludes {
		text += " --exclude " + shellWord(s.String())
	}
	if mode := ap.refreshing(); !mode.Whole() {
		text += " " + mode.Flag()
	}
	if ap.refreshOnly && command == "apply" {
		text += " --refresh-only"
	}
	for _, v := range ap.inputs.list {
		if v.File != "" {
			text += " --var-file " + shellWord(v.File)
		} else {
			text += " --var " + v.Name + "=..." // its value may be a secret
		}
	}
	for _, dir := range ap.policies {
		text += " --policy " + shellWord(dir)
	}
	for _, name := range ap.override {
		text += " --override-policy " + shellWord(name)
	}
	return text
}

func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+=:,@%") == "" && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// work is what an apply is called.
type work struct {
	command string // apply or destroy
	title   string // the file of the plan, "" if there is none
	again   string // the command that does what is left
	rounds  bool   // another round follows by itself
	bundle  []byte // what jobs get, where it was saved with the plan
}

// carryOut takes the lock, applies a plan and says how that ended.
func (a *app) carryOut(ctx context.Context, f *folder, ap applying, p *plan.Plan, w work) error {
	asked := a.now()
	session, err := a.lock(ctx, f, ap, p.ID, w.command)
	if err != nil {
		return err
	}
	began := a.now()
	a.log.Debug("state is locked", "op", "lock", "store", f.store.Describe(), "plan", p.ID, "duration", began.Sub(asked))
	show := newProgress(a, p, w.title, ap.parallelism)
	stop := make(chan struct{})
	run, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-a.signals:
			show.interrupted()
			close(stop)
		case <-ended:
			return
		}
		select {
		case <-a.signals:
			cancel()
		case <-ended:
		}
	}()
	pl := f.planner()
	holder := a.holder(w.command)
	result, err := pl.Apply(run, planner.ApplyOptions{
		Plan: p, Session: session, Parallelism: ap.parallelism, Observe: show.observe, Interrupt: stop, By: holder.Who(), Override: ap.override, KeepLog: pl.KeepLog(f.store), Bundle: w.bundle,
	})
	close(ended)
	<-watched
	show.close()
	st := session.State()
	a.forgetDestroyed(st)
	cancelled := run.Err() != nil
	cancel()
	cerr := session.Close(context.WithoutCancel(ctx))
	a.log.Debug("state is unlocked", "op", "lock", "serial", st.Serial(), "duration", a.now().Sub(began))
	if cerr != nil {
		a.complain(diag.Warnf("State was not folded", "%s. What was recorded is in the journal; nothing is lost.", capital(strings.TrimSuffix(cerr.Error(), "."))))
	}
	if err != nil {
		if result != nil && result.Complete() && len(result.Steps) > 0 && !a.json { // all is done, and something beside it is wrong
			a.printf("%s", tallyOf(result, p, st, a.now().Sub(began)).Text(a.options()))
		}
		if result != nil {
			a.tokensOf(result)
		}
		return a.notStarted(err, p, w)
	}
	if result.AlreadyApplied {
		a.alreadyApplied(w.name(), result.AppliedAt)
		return nil
	}
	code := a.ending(result, p, st, w, a.now().Sub(began))
	a.complain(append(broken(result), result.Warnings...))
	if code == exitOK && cancelled {
		code = exitInterrupted
	}
	if code != exitOK {
		a.quietInterrupt = true
		return exit(code)
	}
	return nil
}

func (w work) name() string {
	if w.title != "" {
		return w.title
	}
	return "The plan"
}

// waitForLock returns when nobody holds the lock, after waiting as long as it may.
func (a *app) waitForLock(ctx context.Context, f *folder, ap applying, command string) error {
	if h, err := f.store.Holder(ctx); err != nil || h == nil {
		return nil // who takes the lock later says what is wrong with it
	}
	s, err := a.lock(ctx, f, ap, "", command)
	if err != nil {
		return err
	}
	return failedWith(s.Close(ctx), "State cannot be unlocked")
}

// lock makes this process the only writer, after waiting as long as it may.
func (a *app) lock(ctx context.Context, f *folder, ap applying, planID, command string) (statefile.Session, error) {
	ctx, cancel := a.interruptible(ctx)
	defer cancel()
	holder := a.holder(command)
	holder.Plan = planID
	s, err := statefile.LockWait(ctx, f.store, holder, ap.lockTimeout, func(e *statefile.LockedError) {
		who := "somebody"
		if e.Holder != nil {
			who = e.Holder.String()
		}
		a.say("Waiting up to %s for the lock, which is held by %s.", ap.lockTimeout, who)
	})
	if err != nil && ctx.Err() != nil {
		return nil, exit(exitInterrupted)
	}
	return s, failedWith(err, "State cannot be locked")
}

// notStarted explains why a plan was not applied at all.
func (a *app) notStarted(err error, p *plan.Plan, w work) error {
	if stale, ok := errors.AsType[*apply.StaleError](err); ok {
		detail := capital(stale.Reason) + "."
		if len(stale.Moved) > 0 {
			detail = "Since it was made this has changed:"
			for _, m := range stale.Moved {
				detail += "\n  " + m.String()
			}
			detail += "\nNothing was done."
		}
		next := a.dstack() + " " + w.command
		if w.title != "" {
			next = a.dstack() + " plan --out " + shellWord(w.title)
		}
		return fail(exitStale, "Plan is stale", "%s Make it again:\n  %s", detail, next)
	}
	if denied, ok := errors.AsType[*planner.DeniedError](err); ok {
		return a.deniedNow(denied, w)
	}
	if changed, ok := errors.AsType[*planner.ChangedContentError](err); ok {
		return a.contentChanged(changed, w)
	}
	if changed, ok := errors.AsType[*planner.ChangedInputError](err); ok {
		return fail(exitStale, "Input has changed", "%s", sentenceOf(changed.Error()))
	}
	return failedWith(err, "Plan cannot be applied")
}

// contentChanged explains why what jobs get cannot be sent.
func (a *app) contentChanged(e *planner.ChangedContentError, w work) error {
	next := "  " + a.dstack() + " " + w.command
	if w.title != "" {
		next = "  " + a.dstack() + " plan --out " + shellWord(w.title)
	}
	text := capital(strings.TrimSuffix(e.Error(), ".")) + ". Nothing was done. "
	if !e.Missing || w.title == "" {
		return fail(exitStale, "Content has changed", "%sMake the plan again:\n%s", text, next)
	}
	return fail(exitStale, "Content is missing", "%sApply the plan where that is, or save it again with what jobs get:\n%s --bundle", text, next)
}

func sentenceOf(s string) string {
	if strings.HasSuffix(s, ".") || strings.Contains(s, "\n") {
		return s
	}
	return s + "."
}

// ending prints the tally and what follows, and returns the code.
func (a *app) ending(r *apply.Result, p *plan.Plan, st *statefile.State, w work, elapsed time.Duration) int {
	t := tallyOf(r, p, st, elapsed)
	t.Next = w.again
	code := exitOK
	switch {
	case r.Interrupted && !r.Complete():
		code = exitInterrupted
	case r.Count(apply.Failed) > 0 && len(r.Broken()) == r.Count(apply.Failed):
		code = exitError // nothing failed but what the configuration itself demands
	case !r.Complete():
		code = exitIncomplete
	case r.Interrupted:
		code = exitInterrupted
	}
	if code == exitOK {
		t.Follow = a.follow(p, st)
	}
	if a.json {
		a.tokensOf(r)
		level := levelInfo
		if code != exitOK {
			level = levelError
		}
		outputs := map[string]any(nil)
		if code == exitOK {
			outputs = outputsJSON(st.Outputs())
		}
		first, _, _ := strings.Cut(t.Text(render.Options{Width: 1000}), "\n")
		a.events.emit(event{Level: level, Type: eventApplyComplete, Message: first, Plan: p.ID, Serial: t.Serial, Outputs: outputs,
			Tally: &tally{Done: t.Done, Failed: len(t.Failed), NotStarted: len(t.NotStarted)}})
		return code
	}
	a.printf("%s", t.Text(a.options()))
	a.tokensOf(r)
	if code == exitOK && !p.Destroy {
		a.outputsOf(st)
	}
	if len(p.Deferred) > 0 && code == exitOK && w.title == "" && !w.rounds {
		a.printf("\nWhat was deferred can be planned now:\n  %s\n", w.again)
	}
	return code
}

// broken says which conditions did not hold.
func broken(r *apply.Result) diag.List {
	var list diag.List
	for _, s := range r.Broken() {
		list = append(list, diag.From(s.Err, "Condition cannot be evaluated").For(s.Address)...)
	}
	return config.FoldConditions(list)
}

// tokensOf shows the tokens that were made.
func (a *app) tokensOf(r *apply.Result) {
	for _, made := range r.Tokens {
		if a.json {
			a.events.emit(event{Type: eventToken, Address: made.Service, Token: made.Token, Message: made.Service + " takes a token that was made for it"})
			continue
		}
		a.printf("\nToken of %s, which is shown only now and kept nowhere:\n  %s\n", made.Service, made.Token)
	}
}

// outputsOf prints the outputs after an apply.
func (a *app) outputsOf(st *statefile.State) {
	if out := st.Outputs(); len(out) > 0 {
		a.printf("\nOutputs\n")
		a.printOutputs(out, "  ")
	}
}
