package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// Moved is a block `moved`.
type Moved struct {
	Module    addr.Module  // the module that it stands in, without keys; From and To are relative to it
	From      addr.Subject // what is recorded under this address
	To        addr.Subject // goes on under this one
	Place     hcl.Range    // the header of the block
	FromRange hcl.Range
	ToRange   hcl.Range
}

// Removed is a block `removed`.
type Removed struct {
	Module    addr.Module  // the module that it stands in, without keys; From is relative to it
	From      addr.Subject // what was taken out
	Destroy   bool         // whether it is destroyed, or forgotten
	Place     hcl.Range    // the header of the block
	FromRange hcl.Range
}

// Moved lists the blocks `moved` in file order.
func (c *Config) Moved() []Moved { return c.moved }

// Removed lists the blocks `removed` in file order.
func (c *Config) Removed() []Removed { return c.removed }

// refactors tells whether a block says something of addresses.
func refactors(t schema.BlockType) bool {
	return t.Name == "moved" || t.Name == "removed" || t.Name == "import"
}

// refactoring takes out of the body of an import how many of it there are.
func (p *fileReader) refactoring(b *Block) {
	b.body.attrs = slices.DeleteFunc(b.body.attrs, func(a *attribute) bool {
		if a.name == "for_each" && b.Type.Name == "import" {
			b.forEach = a
			return true
		}
		return false
	})
}

// usesOfKeys lists what the keys of an address mention: volume.data[each.key].
func usesOfKeys(expr hcl.Expression) []use {
	switch e := native(expr).(type) {
	case *hclsyntax.IndexExpr:
		return append(usesOfKeys(e.Collection), usesOf(e.Key)...)
	case *hclsyntax.RelativeTraversalExpr:
		return usesOfKeys(e.Source)
	}
	return nil
}

// native is an expression of HCL's own syntax: one of JSON is a text that holds it.
func native(expr hcl.Expression) hcl.Expression {
	if _, ok := expr.(hclsyntax.Expression); ok {
		return expr
	}
	v, ds := expr.Value(nil)
	if ds.HasErrors() || v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return expr
	}
	at := expr.Range()
	start := at.Start
	start.Byte, start.Column = start.Byte+1, start.Column+1 // behind the quotation mark
	out, ds := hclsyntax.ParseExpression([]byte(v.AsString()), at.Filename, start)
	if ds.HasErrors() {
		return expr
	}
	return out
}

// addressed reads an expression as an address. Keys in it are evaluated.
func addressed(expr hcl.Expression, ctx *hcl.EvalContext) (hcl.Traversal, hcl.Diagnostics) {
	expr = native(expr)
	switch e := expr.(type) {
	case *hclsyntax.IndexExpr:
		t, ds := addressed(e.Collection, ctx)
		if ds.HasErrors() {
			return nil, ds
		}
		key, ds := e.Key.Value(ctx)
		return append(slices.Clip(t), hcl.TraverseIndex{Key: key, SrcRange: e.BracketRange}), ds
	case *hclsyntax.RelativeTraversalExpr:
		t, ds := addressed(e.Source, ctx)
		return append(slices.Clip(t), e.Traversal...), ds
	}
	return hcl.AbsTraversalForExpr(expr)
}

// subjectOf reads an argument that is an address.
func (c *Config) subjectOf(a *attribute, ctx *hcl.EvalContext) (addr.Subject, diag.List) {
	rng := a.expr.Range()
	t, ds := addressed(a.expr, ctx)
	if ds.HasErrors() {
		if a.uses != nil {
			return addr.Subject{}, redact(translate(ds), a, ctx)
		}
		return addr.Subject{}, c.about(a, nil, rng, "An address is needed", "%s is an address without quotes, such as fleet.train, volume.data[\"eu\"] or module.net.", a.name)
	}
	for _, step := range t {
		index, ok := step.(hcl.TraverseIndex)
		switch {
		case !ok:
		case index.Key.ContainsMarked():
			return addr.Subject{}, c.about(a, ctx, rng, "A key is sensitive", "Keys are parts of addresses, which are shown everywhere, and this one is sensitive. Use a value that is not, or nonsensitive(...) if it may be shown.")
		case !index.Key.IsKnown():
			return addr.Subject{}, nil // Validate looks at it before it is known
		case index.Key.IsNull():
			return addr.Subject{}, c.about(a, ctx, rng, "A key is null", "A key is a number or a text, and this one is null.")
		}
	}
	s, err := addr.SubjectAt(traversalText(t), t)
	if err != nil {
		why := strings.TrimPrefix(err.Error(), fmt.Sprintf("%q is no address: ", traversalText(t)))
		return addr.Subject{}, c.about(a, ctx, rng, "An address cannot be read", "%s is no address: %s.", traversalText(t), strings.TrimSuffix(why, "."))
	}
	return s, c.checkSubject(a, s)
}

// makers are the types of blocks that stand for resources.
func makers() []string {
	return []string{"fleet", "volume", "gateway", "task", "service", "dev_environment"}
}

// checkSubject refuses what has no address of its own in the state.
func (c *Config) checkSubject(a *attribute, s addr.Subject) diag.List {
	r := s.Resource()
	rng := a.expr.Range()
	if r.Kind() == addr.KindJob && a.context == "import" {
		return c.about(a, nil, rng, "A job cannot be imported", "Volumes, gateways and instances can be taken over. A job is started by an apply, and what runs elsewhere is none of it.")
	}
	if summary, detail := noSubject(s); summary != "" {
		return c.about(a, nil, rng, summary, "%s", detail)
	}
	return nil
}

// noSubject says why nothing can be recorded under an address by itself, "" if it can.
func noSubject(s addr.Subject) (summary, detail string) {
	r := s.Resource()
	switch ty := r.Block.Type; {
	case s.IsModule():
		return "", ""
	case !slices.Contains(makers(), ty):
		hint := schema.DidYouMean(ty, append(makers(), "module"))
		if hint == "" {
			hint = fmt.Sprintf(" It has what %s and modules stand for.", strings.Join(makers(), ", "))
		}
		return "Nothing is recorded of it", fmt.Sprintf("The state has nothing of a block %q.%s", ty, hint)
	case r.Kind() == addr.KindSupport:
		return "Support follows its owner", fmt.Sprintf("%s belongs to %s and goes where that goes; write the address of the latter.", r, r.Owner())
	case r.Kind() == addr.KindInstance && (ty == "volume" || ty == "gateway"):
		return "It has no instances", fmt.Sprintf("A %s is one thing and has no instances: write %s.", ty, r.Block)
	case r.Kind() == addr.KindJob:
		return "A job follows its run", fmt.Sprintf("The number of a job is its node rank, or its replica, and says what it is; it has no other. Write the address of the run: %s.", r.Block)
	}
	return "", ""
}

// MoveProblem says why what is recorded under one address cannot go on under another, "" if it can.
func MoveProblem(from, to addr.Subject) (summary, detail string) {
	for _, s := range []addr.Subject{from, to} {
		if summary, detail := noSubject(s); summary != "" {
			return summary, detail
		}
	}
	return unlike(from, to)
}

// checkRefactors reads the blocks moved and removed, and checks what can be checked without a state.
func (c *Config) checkRefactors() diag.List {
	var list diag.List
	for _, b := range c.refactors {
		b.eachAttribute(func(a *attribute, top *schema.Attribute) { list = append(list, c.checkUses(b.module, b, a, top)...) })
		switch b.Type.Name {
		case "moved":
			list = append(list, c.readMoved(b)...)
		case "removed":
			list = append(list, c.readRemoved(b)...)
		}
	}
	if !list.HasErrors() {
		list = append(list, c.checkMoves()...)
	}
	return list
}

func (c *Config) readMoved(b *Block) diag.List {
	from, to := b.body.attr("from"), b.body.attr("to")
	if from == nil || to == nil {
		return nil // reported as missing
	}
	m := Moved{Module: b.Addr.Module, Place: b.DefRange, FromRange: from.expr.Range(), ToRange: to.expr.Range()}
	var list, ds diag.List
	m.From, list = c.subjectOf(from, nil)
	m.To, ds = c.subjectOf(to, nil)
	if list = append(list, ds...); list.HasErrors() {
		return list
	}
	if summary, detail := unlike(m.From, m.To); summary != "" {
		return append(list, c.about(to, nil, m.ToRange, summary, "%s", detail)...)
	}
	c.moved = append(c.moved, m)
	return append(list, c.checkMove(m, from, to)...)
}

// unlike says why nothing can move from one address to the other, "" if it can.
func unlike(from, to addr.Subject) (summary, detail string) {
	const summaryOf = "Addresses are not of one sort"
	f, t := from.Resource(), to.Resource()
	switch {
	case from == to:
		return "A move to where it is", fmt.Sprintf("from and to are both %s. Remove the block.", from)
	case from.IsModule() != to.IsModule():
		return summaryOf, fmt.Sprintf("%s is %s and %s is %s. A module moves to a module; to move a block into one or out of it write the block's whole address, such as module.net.volume.data.", from, sortOf(from), to, sortOf(to))
	case from.IsBlock() != to.IsBlock():
		return summaryOf, fmt.Sprintf("%s is %s and %s is %s. Write both as a block, or both as an instance.", from, sortOf(from), to, sortOf(to))
	case !from.IsBlock():
		_, fromNumber := f.Key().Int()
		_, toNumber := t.Key().Int()
		if fromNumber != toNumber {
			return summaryOf, fmt.Sprintf("The instances of an SSH fleet are hosts that exist and have their names as keys; all others are made by a backend and have numbers. %s cannot become %s.", from, to)
		}
	case !from.IsModule() && f.Block.Type != t.Block.Type:
		return "Blocks of different types", fmt.Sprintf("%s cannot become %s: %s To have the one instead of the other, leave the moved block out: the plan then destroys the one and creates the other.", from, to, whyUnlike(f.Block.Type, t.Block.Type))
	}
	return "", ""
}

func sortOf(s addr.Subject) string {
	switch {
	case s.IsModule():
		return "a module"
	case s.IsBlock():
		return "a block"
	}
	return "an instance"
}

// whyUnlike says what keeps one type of block from becoming another.
func whyUnlike(from, to string) string {
	runs := []string{"task", "service", "dev_environment"}
	switch {
	case slices.Contains(runs, from) && slices.Contains(runs, to):
		return "both have jobs, but a job is started as that of a " + from + " and cannot go on as that of a " + to + "."
	case from == "fleet" && slices.Contains(runs, to), slices.Contains(runs, from) && to == "fleet":
		return "a fleet has instances that stay, and a run has jobs. An instance that a run brought can move into a fleet by itself: from = task.name.instance[0], to = fleet.name.instance[0]."
	}
	return "a " + from + " and a " + to + " have nothing in common that could go on."
}

// called is the block that a subject is, or is part of; of a module its call. It has no keys in it.
func (m Moved) called(s addr.Subject) addr.Block { return calledIn(m.Module, s) }

func calledIn(in addr.Module, s addr.Subject) addr.Block {
	b := s.Block().Block
	b.Module = in.Join(b.Module.Static())
	return b
}

// whole tells whether a move is one of all repetitions at once.
func (m Moved) whole() bool { return !m.From.Key().IsSet() && !m.To.Key().IsSet() && m.partless() }

func (m Moved) partless() bool { return m.From.IsBlock() }

// checkMove compares a move with the blocks that there are.
func (c *Config) checkMove(m Moved, from, to *attribute) diag.List {
	old, new := c.byAddr[m.called(m.From)], c.byAddr[m.called(m.To)]
	switch {
	case old != nil && m.whole(), old != nil && m.partless() && !old.Repeats() && !m.From.Key().IsSet():
		return c.about(from, nil, m.FromRange, "What moved is still there", "%s moved to %s, but there is a block %s at %s. Remove that block, or this one.", m.From, m.To, m.From, place(old.DefRange))
	case new != nil && m.partless() && m.To.Key().IsSet() && !new.Repeats():
		return c.about(to, nil, m.ToRange, "No such repetition", "%s at %s has neither count nor for_each, so there is no %s. Write the address without the key.", new.Addr, place(new.DefRange), m.To)
	case new != nil && m.partless() && !m.whole() && !m.To.Key().IsSet() && new.Repeats():
		return c.about(to, nil, m.ToRange, "A key is missing", "%s at %s has count or for_each, so that there are several of it. Write the address of the one that is meant, such as %s.", new.Addr, place(new.DefRange), exampleKey(m.To, new))
	}
	return nil
}

func exampleKey(s addr.Subject, b *Block) string {
	key := addr.String("eu")
	if b.count != nil {
		key = addr.Int(0)
	}
	return s.String() + key.String()
}

// checkMoves finds moves that contradict each other.
func (c *Config) checkMoves() diag.List {
	var list diag.List
	froms, tos := map[addr.Subject]Moved{}, map[addr.Subject]Moved{}
	for _, m := range c.moved {
		from, to := m.From.Within(m.Module), m.To.Within(m.Module)
		if first, twice := froms[from]; twice {
			if first.To.Within(first.Module) == to {
				list = append(list, diag.Errorf("Move stands twice", "%s to %s is also said at %s. Remove one of the two.", m.From, m.To, place(first.Place)).At(&m.Place)...)
				continue
			}
			list = append(list, diag.Errorf("Two moves of one thing", "%s moves to %s here and to %s at %s, and it can only be in one place. Remove one of the two.", m.From, m.To, first.To, place(first.FromRange)).At(&m.FromRange)...)
			continue
		}
		froms[from] = m
		if first, twice := tos[to]; twice {
			list = append(list, diag.Errorf("Two moves to one address", "%s moves to %s, and so does %s at %s. An address has one thing; give each its own.", m.From, m.To, first.From, place(first.ToRange)).At(&m.ToRange)...)
			continue
		}
		tos[to] = m
	}
	return append(list, moveLoops(c.moved, froms)...)
}

// moveLoops finds chains of moves that come back to where they began.
func moveLoops(moves []Moved, froms map[addr.Subject]Moved) diag.List {
	var list diag.List
	seen := map[addr.Subject]bool{}
	for _, m := range moves {
		start := m.From.Within(m.Module)
		var steps []string
		on := map[addr.Subject]bool{}
		at := start
		for {
			next, ok := froms[at]
			if !ok || seen[at] {
				break
			}
			if on[at] {
				if at == start {
					list = append(list, diag.Errorf("Moves form a loop", "These moves come back to where they began, so nothing says where it ends:%s\nRemove the one that is not true any more.", strings.Join(steps, "")).At(&m.Place)...)
				}
				break
			}
			on[at] = true
			steps = append(steps, fmt.Sprintf("\n  %s -> %s  (%s)", next.From.Within(next.Module), next.To.Within(next.Module), place(next.Place)))
			at = next.To.Within(next.Module)
		}
		for s := range on {
			seen[s] = true
		}
	}
	return list
}

func (c *Config) readRemoved(b *Block) diag.List {
	from := b.body.attr("from")
	if from == nil {
		return nil // reported as missing
	}
	r := Removed{Module: b.Addr.Module, Place: b.DefRange, FromRange: from.expr.Range(), Destroy: true}
	var list diag.List
	r.From, list = c.subjectOf(from, nil)
	for _, n := range b.body.nestedOf("lifecycle") {
		if a := n.body.attr("destroy"); a != nil {
			ctx, ds := c.contextOf(c.anySite(b.module), nil, nil, a.uses)
			d := decoder{c: c, ctx: ctx, list: ds}
			r.Destroy = d.flag(a)
			list = append(list, d.list...)
		}
	}
	if list.HasErrors() {
		return list
	}
	whole := r.From.IsBlock() && !r.From.Key().IsSet()
	if there := c.byAddr[calledIn(r.Module, r.From)]; there != nil && whole {
		return append(list, c.about(from, nil, r.FromRange, "What was removed is still there", "%s is said to be removed, but there is a block %s at %s. Remove that block, or this one.", r.From, r.From, place(there.DefRange))...)
	}
	for _, other := range c.removed {
		if other.From.Within(other.Module) == r.From.Within(r.Module) {
			return append(list, diag.Errorf("Removal stands twice", "%s is also said to be removed at %s. Remove one of the two.", r.From, place(other.Place)).At(&r.FromRange)...)
		}
	}
	c.removed = append(c.removed, r)
	return list
}
