package planner

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// rules gathers what became of conditions, by block.
type rules struct {
	all map[addr.Block]*plan.Check
}

// add counts the verdicts of one repetition of a block.
func (r *rules) add(a addr.Block, verdicts []config.Verdict) {
	if len(verdicts) == 0 {
		return
	}
	if r.all == nil {
		r.all = map[addr.Block]*plan.Check{}
	}
	c := r.all[a]
	if c == nil {
		kind := "resource"
		switch a.Type {
		case "check", "output", "data":
			kind = a.Type
		}
		c = &plan.Check{Address: a.String(), Kind: kind, Status: plan.CheckPass}
		r.all[a] = c
	}
	for _, v := range verdicts {
		switch v.Status {
		case config.Holds:
			c.Passed++
		case config.Unknown:
			c.Unknown++
		default:
			c.Failed++
			message := cmp.Or(v.Message, "It cannot be evaluated.")
			c.Problems = append(c.Problems, plan.Problem{Message: message, Place: fmt.Sprintf("%s:%d", v.Range.Filename, v.Range.Start.Line)})
		}
		c.Status = worse(c.Status, plan.CheckStatus(v.Status))
	}
}

// worse is the worse of two statuses.
func worse(a, b plan.CheckStatus) plan.CheckStatus {
	order := []plan.CheckStatus{plan.CheckPass, plan.CheckUnknown, plan.CheckFail, plan.CheckError}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}

// list is everything in order of addresses.
func (r *rules) list() []plan.Check {
	var out []plan.Check
	for _, c := range r.all {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b plan.Check) int { return cmp.Compare(a.Address, b.Address) })
	return out
}

// demands takes over what became of the preconditions of all that was decoded, and looks at what blocks promise of what they
// stand for as far as that is known.
func (w *walk) demands() {
	w.rules = rules{}
	selves := map[addr.Block]map[addr.Key]cty.Value{}
	for _, d := range w.all {
		w.rules.add(d.Block.Addr, d.Preconditions())
		if !d.Block.HasPostconditions() || w.isDropped(d.Addr.Block) {
			continue
		}
		of, known := selves[d.Addr.Block]
		if !known {
			of = w.published(d.Addr.Block)
			selves[d.Addr.Block] = of
		}
		self, ok := of[d.Addr.Key]
		if !ok {
			continue
		}
		verdicts, diags := d.Postconditions(self)
		w.rules.add(d.Block.Addr, verdicts)
		w.diags = append(w.diags, diags...)
	}
}

// checks evaluates the blocks `check` against what is planned.
func (w *walk) checks() {
	for _, b := range w.p.Config.Blocks() {
		if b.Addr.Type != "check" {
			continue
		}
		verdicts, diags := w.p.Config.EvaluateCheck(b, w)
		w.rules.add(b.Addr, verdicts)
		w.diags = append(w.diags, diags...)
	}
}

// checks evaluates the blocks `check` of the configuration against what is recorded now, as an apply leaves it. What does not hold is a warning.
func (p *Planner) checks(r *resolver) ([]plan.Check, diag.List) {
	var all rules
	var list diag.List
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocks = nil // now that all is there
	for _, b := range p.Config.Blocks() {
		if b.Addr.Type != "check" {
			continue
		}
		verdicts, diags := p.Config.EvaluateCheck(b, r)
		all.add(b.Addr, verdicts)
		list = append(list, diags...)
	}
	return all.list(), p.explained(list)
}
