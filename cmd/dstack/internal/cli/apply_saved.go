package cli

import (
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/lockfile"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/statefile"
)

// applySaved applies a plan that was saved, without a question.
func (a *app) applySaved(cmd *cobra.Command, ap applying, path string) error {
	if a.json {
		a.events = newEvents(a)
	}
	p, bundle, err := plan.ReadBundle(path)
	if err != nil {
		return unread(path, err)
	}
	f, err := a.openPlan(cmd, ap.inputs, p, nil)
	if err != nil {
		return err
	}
	defer func() { f.close() }()
	st, err := f.store.Read(cmd.Context())
	if errors.Is(err, statefile.ErrNotInitialised) {
		return fail(exitStale, "Plan is stale", "%s was made from a state that is not here: there is none in %s. A local state does not travel; apply the plan where it was made.", path, f.store.Describe())
	}
	if err != nil {
		return failedWith(err, "State cannot be read")
	}
	if st.Lineage() != p.Lineage {
		return fail(exitStale, "Plan is stale", "%s was made from another state: that one has the lineage %s, the one in %s has %s. A local state does not travel; apply the plan where it was made.", path, p.Lineage, f.store.Describe(), st.Lineage())
	}
	if applied, ok := st.Plan(p.ID); ok && applied.Status == statefile.PlanApplied {
		a.alreadyApplied(path, applied.FinishedAt)
		return a.after(cmd.Context(), f, ap)
	}
	if !planner.Changed(p) {
		if a.json {
			a.events.emit(event{Type: eventApplyComplete, Message: "The plan has no changes.", Plan: p.ID, Tally: &tally{}})
		} else {
			a.printf("%s has no changes. Nothing was done.\n", path)
		}
		return a.after(cmd.Context(), f, ap)
	}
	again := a.dstack() + " apply " + shellWord(path)
	if f.policies, err = a.policies(cmd.Context(), ap.policies); err != nil {
		return err
	}
	if err := a.permitted(cmd, f, ap, p, again); err != nil {
		return err
	}
	if err := ap.approve.check(p); err != nil {
		return err
	}
	if p.Moment != nil {
		again, err := a.reopenPlan(cmd, ap.inputs, p, st)
		if err != nil {
			return err
		}
		again.policies = f.policies
		f.close()
		f = again
	}
	if err := a.carryOut(cmd.Context(), f, ap, p, work{command: "apply", title: path, again: again, bundle: bundle}); err != nil {
		return err
	}
	return a.after(cmd.Context(), f, ap)
}

func (a *app) alreadyApplied(name string, at time.Time) {
	text := name + " is applied already"
	if !at.IsZero() {
		text += ", since " + at.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	text += ". Nothing was done."
	if a.json {
		a.events.emit(event{Type: eventApplyComplete, Message: text, Tally: &tally{}})
		return
	}
	a.printf("%s\n", text)
}

// openPlan opens the configuration that a plan was made from: its files and its plain variables are in the plan, its
// secret ones are given again.
func (a *app) openPlan(cmd *cobra.Command, in inputs, p *plan.Plan, moment *config.Moment) (*folder, error) {
	opts := config.LoadOptions{Environ: a.environ, Version: a.version, Vars: slices.Clone(in.list), Moment: moment, Profile: p.Profile}
	if moment == nil && p.Moment != nil {
		opts.Moment = &config.Moment{Time: p.Moment.Time.UTC()} // the seed can be read only when the state is known
	}
	for _, s := range p.Sources {
		opts.Sources = append(opts.Sources, config.Source{Path: s.Path, Text: []byte(s.Text), Personal: s.Personal})
	}
	for _, an := range p.Answers {
		answer := config.FileAnswer{Function: an.Function, Args: an.Args, Value: an.Value}
		if an.Digest != "" {
			var err error
			if answer, err = config.AskAgain(".", answer); err != nil {
				return nil, fail(exitStale, "Input is missing", "The plan was made with %s, which is secret and not in the plan, so it is needed again: %s", answer.Name(), sentenceOf(err.Error()))
			}
		}
		opts.FileAnswers = append(opts.FileAnswers, answer)
	}
	for _, v := range in.list {
		if _, fixed := p.Variables[v.Name]; fixed {
			return nil, usage(cmd, "--var %s=... comes too late: the plan was made with a value of var.%s. Only sensitive variables are given again; for another value make another plan.", v.Name, v.Name)
		}
	}
	for name, v := range p.Variables {
		ty, err := ctyjson.UnmarshalType(v.Type)
		if err == nil {
			var val cty.Value
			if val, err = ctyjson.Unmarshal(v.Value, ty); err == nil {
				opts.Vars = append(opts.Vars, config.Assignment{Name: name, Value: val})
			}
		}
		if err != nil {
			return nil, fail(exitError, "Plan cannot be read", "The value of var.%s in the plan is damaged: %v.", name, err)
		}
	}
	opts.Repos = a.repositories(cmd.Context())
	cfg, list := config.Load(cmd.Context(), opts)
	if list.HasErrors() {
		if missing := missingSecrets(list, p); missing != nil {
			return nil, &exitErr{code: exitStale, diags: missing}
		}
		return nil, failed(list)
	}
	pinned, err := pinsOf(p)
	if err != nil {
		return nil, err
	}
	return a.newFolderWith(cfg, false, pinned)
}

// pinsOf are the pins of providers that a plan was made with, else those of the folder.
func pinsOf(p *plan.Plan) (*pins, error) {
	for _, s := range p.Sources {
		if s.Path == lockfile.Name {
			l, list := lockfile.Parse(lockfile.Name, []byte(s.Text))
			return &pins{l}, failed(list)
		}
	}
	return readPins()
}

// reopenPlan opens the configuration once more, with the answers that functions such as uuid gave when the plan was made.
func (a *app) reopenPlan(cmd *cobra.Command, in inputs, p *plan.Plan, st *statefile.State) (*folder, error) {
	moment, err := planner.MomentOf(p, st)
	if err != nil {
		return nil, fail(exitStale, "Plan is stale", "The answers of functions such as uuid that the plan was made with cannot be read: %v. Make the plan again:\n  dstack plan --out FILE", err)
	}
	return a.openPlan(cmd, in, p, moment)
}

// missingSecrets are the errors about secret variables, if there are no others.
func missingSecrets(list diag.List, p *plan.Plan) diag.List {
	for _, d := range list.Errors() {
		if _, secret := p.Secrets[d.Address]; !secret {
			return nil
		}
	}
	return list.Errors()
}
