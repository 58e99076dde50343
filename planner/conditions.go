package planner

import (
	"cmp"
	"fmt"
	"maps"
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
	w.pending = map[addr.Instance]*pending{}
	selves := map[addr.Block]map[addr.Key]cty.Value{}
	for _, d := range w.all {
		w.rules.add(d.Block.Addr, d.Preconditions())
		if slices.ContainsFunc(d.Preconditions(), config.Verdict.Open) {
			w.later(d).before = true
		}
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
		if slices.ContainsFunc(verdicts, config.Verdict.Open) {
			w.later(d).after = true
		}
	}
}

// pending is what apply has to look at of one repetition of a block.
type pending struct {
	decl          *config.Decoded
	before, after bool // its preconditions, its postconditions
}

func (w *walk) later(d *config.Decoded) *pending {
	p := w.pending[d.Addr]
	if p == nil {
		p = &pending{decl: d}
		w.pending[d.Addr] = p
	}
	return p
}

// conditions adds the steps that look at what is known only after apply: what a block demands before anything of it is done,
// and what it promises before anything else stands on it.
func (s *steps) conditions() {
	s.promised = map[addr.Instance]int{}
	demanded := map[addr.Instance]int{}
	for _, a := range slices.SortedFunc(maps.Keys(s.w.pending), func(a, b addr.Instance) int { return a.Self().Compare(b.Self()) }) {
		p := s.w.pending[a]
		if p.before {
			demanded[a] = s.add(plan.Step{Address: a.String(), Op: plan.OpPrecondition})
		}
		if p.after {
			s.promised[a] = s.add(plan.Step{Address: a.String(), Op: plan.OpPostcondition})
		}
	}
	if len(s.w.pending) == 0 {
		return
	}
	for _, it := range s.w.order {
		if it.decl == nil || it.kind == addr.KindSupport {
			continue
		}
		up, comes := s.up[it]
		if v, ok := demanded[it.addr.Block]; ok && comes {
			s.need(up, v)
			if down, goes := s.down[it]; goes && it.action != plan.CreateThenDelete {
				s.need(down, v)
			}
		}
		if v, ok := s.promised[it.addr.Block]; ok && comes {
			s.need(v, up)
		}
	}
	for a, p := range s.w.pending {
		for _, need := range s.w.references(p.decl) {
			for _, v := range s.made(need, a.Block, nil) {
				if step, ok := demanded[a]; ok {
					s.need(step, v)
				}
				if step, ok := s.promised[a]; ok {
					s.need(step, v)
				}
			}
		}
	}
}

// promise is the step after which what an item's block promises is known to hold. A block does not wait for its own.
func (s *steps) promise(it *item, user addr.Block) (int, bool) {
	v, ok := s.promised[it.addr.Block]
	return v, ok && it.addr.Block.Block != user
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

// condition looks at what a block demands or promises, against what is recorded now. The error has diagnostics.
func (r *resolver) condition(address string, op plan.Op) error {
	a, err := addr.ParseInstance(address)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.p.Config.Block(a.Block)
	if b == nil {
		return fmt.Errorf("the plan's sources have no block %s", a.Block)
	}
	d, err := r.decode(b, a) // which looks at the preconditions
	if err != nil || op == plan.OpPrecondition {
		return err
	}
	of := r.data[a.Block]
	if a.Type != "data" {
		of = r.recorded(a.Block)
	}
	self, ok := of[a.Key]
	if !ok {
		return fmt.Errorf("%s is not recorded, so what it promises cannot be looked at", address)
	}
	_, diags := d.Postconditions(self)
	return diags.Err()
}

// checks evaluates the blocks `check` of the configuration against what is recorded now, as an apply leaves it. What does
// not hold is a warning.
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
