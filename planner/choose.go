package planner

import (
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// askedFor stands among the paths that force a replacement for what --replace names: it is about no attribute.
const askedFor = "--replace"

// partial tells whether the plan leaves changes out on request.
func (w *walk) partial() bool { return len(w.opts.Targets)+len(w.opts.Excludes) > 0 }

// asked tells whether --replace names a resource. The nodes of a task are replaced together.
func (w *walk) asked(a addr.Resource) bool {
	return slices.ContainsFunc(w.opts.Replace, func(s addr.Subject) bool {
		return s.Contains(a) || a.Kind() == addr.KindJob && a.Block.Type == "task" && s.Resource().Kind() == addr.KindJob && s.Block() == a.Block
	})
}

// choose leaves out of the plan what is not to be in it: with targets all that they do not need, with excludes these and
// all that needs them. It gives the decisions about intents that remain.
func (w *walk) choose(intents []plan.IntentDecision) []plan.IntentDecision {
	w.notPlanned = nil
	w.unmatched("--replace", w.opts.Replace)
	if !w.partial() {
		return intents
	}
	w.unmatched("--target", w.opts.Targets)
	w.unmatched("--exclude", w.opts.Excludes)
	w.diags = append(w.diags, w.onlyPart()...)
	c := w.newChoice()
	stays := map[*item]bool{}
	if len(w.opts.Targets) == 0 {
		for _, it := range c.changing {
			stays[it] = true
		}
	} else {
		c.close(stays, w.opts.Targets, c.needs)
	}
	without := map[*item]bool{}
	c.close(without, w.opts.Excludes, c.users)
	c.dropUnused(stays, without)
	for _, it := range c.changing {
		if stays[it] && !without[it] {
			continue
		}
		if why := c.why(it, without); why != "" {
			w.notPlanned = append(w.notPlanned, plan.Note{Address: it.name, Text: why})
		}
		w.leaveOut(it)
	}
	w.order = slices.DeleteFunc(w.order, func(it *item) bool { return it.rec == nil && it.action == plan.NoOp })
	slices.SortFunc(w.notPlanned, func(a, b plan.Note) int { return compareAddresses(a.Address, b.Address) })
	w.number++ // what blocks are worth differs from before
	for b := range w.settled {
		delete(w.values, b)
	}
	return slices.DeleteFunc(intents, func(d plan.IntentDecision) bool {
		a, err := addr.ParseResource(d.Address)
		if err != nil {
			return true
		}
		in := func(s addr.Subject) bool { return s.Contains(a) }
		return len(w.opts.Targets) > 0 && !slices.ContainsFunc(w.opts.Targets, in) || slices.ContainsFunc(w.opts.Excludes, in)
	})
}

// onlyPart says that the plan is partial.
func (w *walk) onlyPart() diag.List {
	var parts []string
	say := func(before string, of []addr.Subject, picked bool, after string) {
		var out []string
		for _, s := range of {
			if slices.Contains(w.opts.Picked, s) == picked {
				out = append(out, s.String())
			}
		}
		if len(out) > 0 {
			parts = append(parts, before+join(out)+after)
		}
	}
	say("Only ", w.opts.Targets, false, " was asked for with --target.")
	say("Only ", w.opts.Targets, true, " was picked.")
	say("Without ", w.opts.Excludes, false, ", as --exclude says.")
	say("Without ", w.opts.Excludes, true, ", as was picked.")
	command := "plan"
	if w.opts.Destroy {
		command = "plan --destroy"
	}
	return diag.Warnf("Plan is partial", "%s What else differs is not in this plan. To plan everything:\n  dstack %s", strings.Join(parts, " "), command)
}

func compareAddresses(a, b string) int {
	x, errX := addr.ParseResource(a)
	y, errY := addr.ParseResource(b)
	if errX != nil || errY != nil {
		return 0
	}
	return x.Compare(y)
}

// leaveOut makes an item one to which nothing happens.
func (w *walk) leaveOut(it *item) {
	it.unplanned = it.acts()
	it.action, it.reason, it.note, it.fresh, it.endsRun = plan.NoOp, "", "", false, false
	it.placement, it.offer, it.group, it.open, it.intent, it.found = nil, nil, "", nil, nil, nil
	if it.importing() {
		it.rec = nil // it stays where it is, and nobody's
	}
	if it.rec != nil {
		it.planned = it.rec.live()
		return
	}
	set := make(map[string]cty.Value, len(it.object.Attrs))
	for _, a := range it.object.Attrs {
		set[a.Name] = cty.UnknownVal(a.Type)
	}
	it.planned = cty.ObjectVal(set)
}

// unmatched finds addresses that mean nothing, which are mistyped.
func (w *walk) unmatched(flag string, subjects []addr.Subject) {
	for _, s := range subjects {
		if slices.ContainsFunc(w.order, func(it *item) bool { return s.Contains(it.addr) }) {
			continue
		}
		if w.p.Config.Block(s.Block().Block) != nil && (s.IsBlock() && !s.Key().IsSet()) {
			continue // a block of which there is none
		}
		var known []string
		for _, b := range w.p.Config.Blocks() {
			known = append(known, b.Addr.String())
		}
		for _, it := range w.order {
			known = append(known, it.name)
		}
		w.diags = append(w.diags, diag.Errorf("Address means nothing", "%s %s matches no block and no resource of the configuration or the state.%s The recorded ones are listed by:\n  dstack state list", flag, s, schema.DidYouMean(s.String(), known))...)
	}
}

// choice says what stands on what among the items that change.
type choice struct {
	changing []*item
	needs    map[*item][]*item // what must be done with an item
	users    map[*item][]*item // the other way round
	unused   map[*item]bool    // support objects that only what is left out would need
}

func (w *walk) newChoice() *choice {
	c := &choice{needs: map[*item][]*item{}, users: map[*item][]*item{}, unused: map[*item]bool{}}
	for _, it := range w.order {
		if it.acts() {
			c.changing = append(c.changing, it)
		}
	}
	s := w.newSteps()
	blocks := map[string][]*item{} // by address of a block: what of it changes
	changed := func(address string) []*item {
		if out, ok := blocks[address]; ok {
			return out
		}
		out := slices.DeleteFunc(slices.Clone(s.items(address)), func(it *item) bool { return !it.acts() })
		blocks[address] = out
		return out
	}
	link := func(from, to *item) {
		if from != to {
			c.needs[from] = append(c.needs[from], to)
			c.users[to] = append(c.users[to], from)
		}
	}
	for _, it := range c.changing {
		if !it.goes() || it.comes() {
			for _, need := range it.needs {
				for _, on := range changed(need) {
					link(it, on)
				}
			}
		}
		if it.rec == nil {
			continue
		}
		for _, need := range it.rec.Needs { // what ends, ends after what is tied to it
			for _, on := range changed(need) {
				holds := it.kind == addr.KindSupport || on.kind == addr.KindSupport || it.kind == addr.KindJob && on.kind == addr.KindInstance
				if (on.goes() || on.action == plan.Forget) && holds && on.name == need {
					link(on, it)
				}
			}
		}
	}
	for _, runs := range w.runs {
		for _, r := range runs {
			c.together(r, link)
		}
	}
	return c
}

// together ties the nodes of a task: they start and stop as one. A ring does.
func (c *choice) together(r *runItem, link func(from, to *item)) {
	if r.Type != desired.TypeTask {
		return
	}
	jobs := slices.DeleteFunc(slices.Clone(r.jobs), func(it *item) bool { return it.action == plan.NoOp })
	for i, it := range jobs {
		link(it, jobs[(i+1)%len(jobs)])
	}
}

// close marks the changing items of some subjects, and all that edges lead to.
func (c *choice) close(marked map[*item]bool, subjects []addr.Subject, edges map[*item][]*item) {
	var queue []*item
	for _, it := range c.changing {
		if slices.ContainsFunc(subjects, func(s addr.Subject) bool { return s.Contains(it.addr) }) {
			marked[it] = true
			queue = append(queue, it)
		}
	}
	for len(queue) > 0 {
		it := queue[0]
		queue = queue[1:]
		for _, next := range edges[it] {
			if !marked[next] {
				marked[next] = true
				queue = append(queue, next)
			}
		}
	}
}

// dropUnused leaves out support objects that would be made for nothing but what is left out.
func (c *choice) dropUnused(stays, without map[*item]bool) {
	for again := true; again; { // for each support object that another one stands on
		again = false
		for _, it := range c.changing {
			if it.kind != addr.KindSupport || it.action != plan.Create || !stays[it] || without[it] || len(c.users[it]) == 0 {
				continue
			}
			used := slices.ContainsFunc(c.users[it], func(user *item) bool { return stays[user] && !without[user] })
			if !used {
				without[it], c.unused[it], again = true, true, true
			}
		}
	}
}

// why says why something is left out.
func (c *choice) why(it *item, without map[*item]bool) string {
	if !without[it] {
		return "no target needs it"
	}
	if c.unused[it] {
		return "what needs it is left out"
	}
	for _, on := range c.needs[it] {
		if without[on] && !c.unused[on] {
			return "it needs " + on.name + ", which is left out"
		}
	}
	return "excluded"
}

// keepOutput lets an output be as it was where a partial plan leaves out what it is made of.
func (w *walk) keepOutput(out map[string]*plan.Output, name string, recorded map[string]statefile.Output) {
	old, had := recorded[name]
	if !had {
		delete(out, name)
		return
	}
	out[name] = &plan.Output{Action: plan.NoOp, Before: old.Value, After: old.Value, Sensitive: old.Sensitive}
}

// follow is the plan in which only the record follows what is there.
func (w *walk) follow() (*plan.Plan, error) {
	w.order, w.items = nil, map[addr.Resource]*item{}
	for _, rec := range slices.SortedFunc(maps.Values(w.records), func(a, b *record) int { return a.addr.Compare(b.addr) }) {
		it := &item{addr: rec.addr, name: rec.Address, kind: rec.Kind, object: schema.KindObject(rec.Kind), backend: rec.Backend, rec: rec,
			forced: map[string]string{}, action: plan.NoOp, planned: rec.live(), needs: slices.Clone(rec.Needs)}
		w.order = append(w.order, it)
		if rec.Deposed != "" {
			continue
		}
		w.items[rec.addr] = it
		switch {
		case rec.kept(): // how it ended is found out by a plan
		case rec.presence == providers.Gone:
			it.action, it.reason = plan.Forget, plan.Vanished
		case rec.presence == providers.Present && !rec.unmoved && w.drifted(it):
			it.action, it.reason, it.want = plan.Update, "the record follows what is there", rec.seen
			it.after.Action = diff.None
		}
	}
	out, err := w.document()
	if err != nil {
		return nil, err
	}
	out.Outputs = map[string]*plan.Output{}
	for name, old := range w.state.Outputs() {
		out.Outputs[name] = &plan.Output{Action: plan.NoOp, Before: old.Value, After: old.Value, Sensitive: old.Sensitive}
	}
	return out, nil
}

// kept tells whether a record stays though its object is gone: a job's, which may not run again unasked, and its route's.
func (r *record) kept() bool { return r.Kind == addr.KindJob || r.addr.Owner().Kind() == addr.KindJob }

// drifted tells whether a provider reports something else than is recorded, apart from how things go.
func (w *walk) drifted(it *item) bool {
	seen := diff.Compare(it.object, diff.Value{V: it.rec.value, Digests: it.rec.Secrets}, diff.Value{V: it.rec.seen, Digests: it.rec.Secrets},
		diff.Options{Also: func(a *schema.Attribute) bool { return !a.Status }})
	return len(seen.Diffs) > 0
}
