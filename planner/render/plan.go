package render

import (
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// Text writes a plan for a terminal or a pipe: what would be done, what it costs, what is in danger and what is not known;
// then each change, the dangerous ones first; then what else a reviewer must know, the bill and the next command.
func Text(p *plan.Plan, o Options) string {
	if o.Now.IsZero() {
		o.Now = p.CreatedAt
	}
	v := newChangeView(p, o)
	var out strings.Builder
	if v.nothing() {
		indent(&out, "", noChanges(p, "checked "+Ago(p.CreatedAt, o.Now)), o.width())
		section(&out, o, v.remarks())
		if len(p.Diagnostics) > 0 {
			out.WriteString("\n" + Diagnostics(p.Diagnostics, o))
		}
		return out.String()
	}
	indent(&out, "", o.paint(headline(p), bold), o.width())
	if line := costLine(p); line != "" {
		hang(&out, "", line, o.width(), danglingIndent)
	}
	for _, d := range v.dangers() {
		hang(&out, o.paint("! ", red, bold), d.text(), o.width(), danglingIndent)
	}
	for _, d := range denials(p) {
		hang(&out, o.paint("! ", red, bold), d, o.width(), danglingIndent)
	}
	for _, b := range v.blocks() {
		out.WriteByte('\n')
		b.write(&out, o)
	}
	section(&out, o, v.remarks())
	if table := costTable(p, o); table != "" {
		out.WriteString("\n" + table)
	}
	if len(p.Diagnostics) > 0 {
		out.WriteString("\n" + Diagnostics(p.Diagnostics, o))
	}
	if !o.Asking {
		out.WriteByte('\n')
		indent(&out, "", tally(p), o.width())
		out.WriteString(next(p, o))
	}
	return out.String()
}

// danglingIndent is deeper than where a change begins.
const danglingIndent = 4

func newChangeView(p *plan.Plan, o Options) *changeView {
	v := &changeView{o: o, p: p, supports: map[string][]*plan.Change{}, deletes: map[string]int{}, joins: map[int]*endings{}, changes: make(map[string]*plan.Change, len(p.Changes))}
	for _, c := range p.Changes {
		v.changes[c.Address] = c
		if s := shownOf(c); c.Kind == addr.KindSupport && s != showNothing && s != showMove && !c.OnlyCandidate {
			owner := ownerOf(c.Address)
			v.supports[owner] = append(v.supports[owner], c)
		}
	}
	v.moved = make(map[string]bool, len(p.Moves))
	for _, m := range p.Moves {
		v.moved[m.To] = true
	}
	for i, s := range p.Steps {
		if s.Op == plan.OpDelete {
			v.deletes[s.Address] = i
		}
	}
	return v
}

// nothing tells whether there is nothing to do and nothing put off.
func (v *changeView) nothing() bool {
	for _, c := range v.p.Changes {
		if shownOf(c) != showNothing {
			return false
		}
	}
	for _, out := range v.p.Outputs {
		if out.Action != plan.NoOp && out.Action != "" {
			return false
		}
	}
	return len(v.p.Deferred)+len(v.p.Moves) == 0
}

// blocks are the changes and, below them, what was looked up and what is put off.
func (v *changeView) blocks() []*block {
	list := append(v.changed(), v.lookedUp()...)
	for _, n := range v.p.Deferred {
		if n.Address != "" {
			list = append(list, deferred(n))
		}
	}
	return list
}

// changed are the changes in the order of danger, then of addresses, with equal neighbours folded.
func (v *changeView) changed() []*block {
	var list []*block
	for _, c := range v.p.Changes {
		s := shownOf(c)
		if c.Kind == addr.KindSupport || s == showNothing || s == showMove && v.told(c) {
			continue
		}
		list = append(list, v.block(c))
	}
	list = append(list, v.moves()...)
	list = append(list, v.ownerless()...)
	slices.SortStableFunc(list, func(a, b *block) int {
		if d := a.rank() - b.rank(); d != 0 {
			return d
		}
		if d := compareNatural(a.base, b.base); d != 0 {
			return d
		}
		return compareNatural(a.keys[0], b.keys[0])
	})
	return fold(list)
}

// lookedUp is what was looked up; those that have found the same stand once.
func (v *changeView) lookedUp() []*block {
	var list []*block
	for _, d := range v.p.Data {
		base, key := splitAddress(d.Address)
		found := field{label: "found", lines: []string{clean(d.Found)}}
		list = append(list, &block{base: base, keys: []string{key}, action: showRead, title: "was looked up", fields: []field{found}})
	}
	return fold(list)
}

// shownSupports is how many support objects are named where nothing else is said of their owner.
const shownSupports = 3

// ownerless are support objects whose owner does not change itself.
func (v *changeView) ownerless() []*block {
	var out []*block
	for _, owner := range sortedKeys(v.supports) {
		if c := v.changes[owner]; c != nil && shownOf(c) != showNothing {
			continue
		}
		first := v.supports[owner][0]
		s := shownOf(first)
		for _, c := range v.supports[owner] {
			if shownOf(c) != s {
				s = showUpdate
			}
		}
		b := &block{base: owner, keys: []string{""}, action: s, title: "has other support objects than before", changes: v.supports[owner]}
		switch s {
		case showCreate:
			b.title = "gets support objects"
		case showDestroy:
			b.title = "loses support objects"
		}
		if first.Reason != "" {
			b.fields = v.because(first)
		}
		b.fields = append(b.fields, v.supportFields(owner, v.o.Verbose || v.o.document || len(v.supports[owner]) <= shownSupports)...)
		out = append(out, b)
	}
	return out
}

func deferred(n plan.Note) *block {
	return &block{base: n.Address, keys: []string{""}, action: showInFlight, title: "is deferred", fields: []field{{label: "because", lines: []string{clean(n.Text)}}}}
}
