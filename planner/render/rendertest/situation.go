package rendertest

import (
	"maps"
	"slices"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// Situation is a plan of one thing, by what it shows.
type Situation struct {
	Name string
	Plan *plan.Plan
}

// Situations are new plans of everything that can be met, in the order of their names.
func Situations() []Situation {
	all := map[string]*plan.Plan{"night": Night(), "every-action": everyAction(), "neighbours": neighbours(), "500-resources": fiveHundred()}
	maps.Copy(all, rows())
	maps.Copy(all, kinds())
	maps.Copy(all, verdicts())
	maps.Copy(all, refactorings())
	maps.Copy(all, attributes())
	maps.Copy(all, remarkables())
	maps.Copy(all, unread())
	out := make([]Situation, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, Situation{name, complete(all[name])})
	}
	return out
}

// Named is one situation, nil if there is none of this name.
func Named(name string) *plan.Plan {
	for _, s := range Situations() {
		if s.Name == name {
			return s.Plan
		}
	}
	return nil
}

// complete fills in what every plan has, so that it looks like one that was made.
func complete(p *plan.Plan) *plan.Plan {
	p.FormatVersion, p.DstackVersion, p.ID, p.CreatedAt = plan.FormatVersion, "1.2.3", "7f3a91c05d6e4b2a", Noon()
	p.Lineage, p.Serial, p.Head, p.Store = "0b7e6f5a-1d2c-4f3e-8a9b-0c1d2e3f4a5b", 43, "c0ffee", "the folder .dstack/state"
	p.Complete = len(p.Deferred) == 0
	if p.Changes == nil {
		p.Changes = []*plan.Change{}
	}
	if p.Drift == nil {
		p.Drift = []*plan.Drift{}
	}
	if p.Policies == nil {
		p.Policies = []plan.Policy{}
	}
	if p.Diagnostics == nil {
		p.Diagnostics = diag.List{}
	}
	if p.Outputs == nil {
		p.Outputs = map[string]*plan.Output{}
	}
	if p.Steps == nil {
		p.Steps = []plan.Step{}
	}
	return p
}

// One is a plan of one change.
func One(c plan.Change) *plan.Plan {
	p := &plan.Plan{Changes: []*plan.Change{&c}}
	switch {
	case c.Kind == "support":
		p.Summary.Support = 1
	case c.Action == plan.Create:
		p.Summary.Create = 1
	case c.Action == plan.Update:
		p.Summary.Update = 1
	case c.Action.IsReplace():
		p.Summary.Replace = 1
	case c.Action == plan.Delete:
		p.Summary.Destroy = 1
	case c.Action == plan.Forget:
		p.Summary.Forget = 1
	default:
		p.Summary.Move = 1
	}
	return p
}
