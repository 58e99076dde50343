package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/move"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/statefile"
)

// relocation is what the blocks `moved` do to the state that is planned for. All of the plan is made as if the addresses had
// always been the new ones; apply makes them so before anything else.
type relocation struct {
	state    *statefile.State         // as it will be
	moves    []plan.Move              // in order of the new addresses
	previous map[statefile.Ref]string // the old address of what has moved, by its new name
}

// relocate follows the blocks `moved`, and what count implies.
func (p *Planner) relocate(state *statefile.State) (*relocation, diag.List) {
	out := &relocation{state: state}
	moved := p.Config.Moved()
	recorded, err := move.Recorded(state)
	if err != nil {
		return nil, diag.From(err, "State cannot be read")
	}
	list := make([]move.Statement, 0, len(moved))
	for _, m := range moved {
		list = append(list, move.Statement{Module: m.Module, From: m.From, To: m.To})
	}
	list = append(list, p.impliedMoves(list, recorded)...)
	moves, blocked := move.Resolve(list, recorded)
	var diags diag.List
	for _, b := range blocked {
		m := moved[b.Statement]
		diags = append(diags, diag.Warnf("Both addresses have something", "%s cannot move to %s, because something is recorded under both. What is under %s stays; what is under %s is planned as if nothing had moved. Remove this block; to keep the other one instead, take the former out of the state first:\n  dstack state rm %s",
			b.From, b.To, b.To, b.From, shellQuoted(b.To.String())).At(&m.FromRange).For(b.To.String())...)
	}
	if len(moves) == 0 {
		return out, diags
	}
	renaming, err := move.Rename(state, moves, statefile.Changed{})
	if err == nil {
		out.state, err = state.With(statefile.NewRename(p.Now(), renaming))
	}
	if err != nil {
		return nil, append(diags, diag.From(err, "State cannot be read")...)
	}
	out.previous = make(map[statefile.Ref]string, len(renaming.Moves))
	for _, r := range renaming.Moves {
		out.previous[r.To] = r.From.Address
	}
	for _, m := range moves {
		one := plan.Move{From: m.From.String(), To: m.To.String(), Name: renaming.Names[m.To.String()]}
		for _, n := range m.By {
			if n < len(moved) {
				at := moved[n].Place
				one.Declared = append(one.Declared, fmt.Sprintf("%s:%d", at.Filename, at.Start.Line))
			}
		}
		out.moves = append(out.moves, one)
	}
	return out, diags
}

// impliedMoves follow from count: a block that gets it becomes the first of several, and the first of several becomes the
// block when count goes. A block `moved` that speaks of the block says something better.
func (p *Planner) impliedMoves(said []move.Statement, recorded []addr.Resource) []move.Statement {
	spoken := map[addr.Block]bool{}
	for _, s := range said {
		for _, end := range []addr.Subject{s.From, s.To} {
			b := end.Within(s.Module).Block().Block
			b.Module = b.Module.Static()
			spoken[b] = true
		}
	}
	var out []move.Statement
	seen := map[addr.Block]bool{}
	consider := func(b addr.Instance) {
		static := b.Block
		static.Module = static.Module.Static()
		block := p.Config.Block(static)
		if block == nil || spoken[static] {
			return
		}
		from, to := addr.NoKey, addr.Int(0)
		if !block.Repeats() {
			from, to = to, from
		} else if !block.Counts() {
			return
		}
		if b.Key != from || seen[static] {
			return
		}
		seen[static] = true
		named := addr.Block{Type: b.Type, Name: b.Name}
		out = append(out, move.Statement{Module: static.Module, Implied: true,
			From: addr.SubjectOf(named.Instance(from).Self()), To: addr.SubjectOf(named.Instance(to).Self())})
	}
	for _, r := range recorded {
		consider(r.Block)
		for m := r.Block.Module; ; {
			call, ok := m.Call()
			if !ok {
				break
			}
			consider(call)
			m = call.Module
		}
	}
	return out
}

// stillWanted finds things that are said to have moved and that the configuration wants where they were.
func (w *walk) stillWanted() diag.List {
	var diags diag.List
	for _, m := range w.p.Config.Moved() {
		from := m.From
		if from.Block().Module != addr.Root || m.Module != addr.Root {
			continue // a path of modules may have keys, and the blocks in it were compared when they were read
		}
		r := from.Resource()
		_, numbered := r.Key().Int()
		switch {
		case from.IsModule(), !from.IsBlock() && numbered: // the numbers of instances are given anew
			continue
		case from.IsBlock() && !w.hasRepetition(from.Block()):
			continue
		case !from.IsBlock() && (w.items[r] == nil || w.items[r].decl == nil):
			continue
		}
		diags = append(diags, diag.Errorf("What moved is still there", "%s moved to %s, but the configuration still has %s. Take it out, or remove this block.", m.From, m.To, m.From).At(&m.FromRange)...)
	}
	return diags
}

// previous is the address that an item's object had before it moved, "" if it did not.
func (w *walk) previous(it *item) string {
	if it.rec == nil {
		return ""
	}
	return w.moved.previous[it.rec.Ref()]
}

// movesOf writes down what moves, with the number of declared things in each, and says why of changes that are nothing else.
func (w *walk) movesOf(p *plan.Plan) {
	p.Moves = slices.Clone(w.moved.moves)
	index := map[addr.Subject]int{}
	for i, m := range p.Moves {
		if s, err := addr.ParseSubject(m.To); err == nil {
			index[s] = i
		}
	}
	of := func(a addr.Resource) (int, bool) {
		for _, s := range []addr.Subject{addr.SubjectOf(a.Owner()), addr.SubjectOf(a.Block.Self())} {
			if i, ok := index[s]; ok {
				return i, true
			}
		}
		return 0, false
	}
	for ref := range w.moved.previous {
		if a, err := addr.ParseResource(ref.Address); err == nil && a.Kind() != addr.KindSupport && ref.Deposed == "" {
			if i, ok := of(a); ok {
				p.Moves[i].Count++
			}
		}
	}
	for _, c := range p.Changes {
		if a, err := addr.ParseResource(c.Address); err == nil && c.Action == plan.NoOp && c.Import == nil {
			c.Reason = "what it belongs to has moved"
			if i, ok := of(a); ok {
				c.Reason = p.Moves[i].Why()
			}
		}
	}
	for i := range p.Moves {
		p.Moves[i].Count = max(1, p.Moves[i].Count) // of a run that has ended its history is left
		p.Summary.Move += p.Moves[i].Count
	}
}

// keepName gives a block that says no name the one that it had before it moved.
func keepName(names map[string]string, d *config.Decoded) {
	if len(names) == 0 || !d.Block.Type.Repeat {
		return
	}
	kept := names[d.Addr.String()]
	if kept == "" {
		return
	}
	if said, _ := d.Value.GetAttr("name").Unmark(); said.IsKnown() && said.IsNull() {
		d.Value = desired.WithAttrs(d.Value, map[string]cty.Value{"name": cty.StringVal(kept)})
		d.Name, d.NameKept = kept, true
	}
}

// shellQuoted is an address as it can be typed.
func shellQuoted(s string) string {
	if strings.ContainsAny(s, `["]`) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}
