package planner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"golang.org/x/sync/errgroup"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/place"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/policy"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// defaultParallelism is how many calls are made at a time.
const defaultParallelism = 10

// Plan says what would change. With errors among the diagnostics there is no plan.
func (p *Planner) Plan(ctx context.Context, opts PlanOptions) (*plan.Plan, diag.List) {
	began := p.Now()
	out, diags := p.plan(ctx, opts)
	p.logPlan(ctx, out, diags, p.Now().Sub(began))
	return out, diags
}

func (p *Planner) plan(ctx context.Context, opts PlanOptions) (*plan.Plan, diag.List) {
	if opts.Parallelism <= 0 {
		opts.Parallelism = defaultParallelism
	}
	if diags := policy.Check(p.rules()...); diags.HasErrors() {
		return nil, diags
	}
	w, diags := p.prepare(ctx, opts)
	if diags.HasErrors() {
		return nil, p.explained(diags)
	}
	defer w.backends.close()
	out, err := w.plan(ctx)
	switch {
	case w.diags.HasErrors():
		return nil, p.explained(w.diags)
	case err != nil:
		return nil, p.explained(append(w.diags, diag.From(err, "Plan cannot be made")...))
	}
	if err := errors.Join(p.judge(out), w.answered(out)); err != nil {
		return nil, diag.From(err, "Plan cannot be made")
	}
	out.Diagnostics = p.explained(out.Diagnostics)
	if err := seal(out); err != nil {
		return nil, diag.From(err, "Plan cannot be made")
	}
	return out, out.Diagnostics
}

// explained sorts diagnostics and shows the source of each.
func (p *Planner) explained(l diag.List) diag.List {
	l = config.FoldConditions(distinct(l))
	l.Sort()
	p.Config.Snippets(l)
	return l
}

// prepare evaluates the backends, and asks the providers what is there.
func (p *Planner) prepare(ctx context.Context, opts PlanOptions) (*walk, diag.List) {
	levels, diags := p.Config.Order()
	if diags.HasErrors() {
		return nil, diags
	}
	moved, ds := p.relocate(opts.State)
	if diags = append(diags, ds...); diags.HasErrors() {
		return nil, diags
	}
	w := &walk{p: p, opts: opts, now: p.Now(), state: moved.state, moved: moved, names: moved.state.Names(), levels: levels, decoded: map[addr.Block]*decodedBlock{},
		byBlock: map[addr.Instance][]*record{}, known: map[addr.Block]bool{}, found: map[string]providers.Found[cty.Value]{},
		alternatives: map[altKey]*alternative{}, oldFirst: map[addr.Resource]bool{}, starts: map[addr.Resource]bool{}, foretold: map[addr.Resource]string{}, reads: readings{answers: map[string]*answer{}}}
	blocks, ds := p.backendBlocks(p.Scope(moved.state))
	diags = append(diags, ds...)
	if diags.HasErrors() {
		return nil, diags
	}
	w.blocks = blocks
	w.backends, ds = p.collect(ctx, moved.state, blocks, p.needsBackend())
	diags = append(diags, ds...)
	if diags.HasErrors() {
		return nil, diags
	}
	w.reader = w.backends.reader(opts.Parallelism, opts.Observe)
	early := w.decodeEarly()
	err := w.look(ctx)
	w.decoded = <-early
	if err != nil {
		w.backends.close()
		return nil, append(diags, diag.From(err, "State cannot be refreshed")...)
	}
	if diags = append(diags, w.takeOver(ctx)...); diags.HasErrors() {
		w.backends.close()
		return nil, diags
	}
	w.early, w.diags = diags, diags
	return w, diags
}

// needsBackend tells whether anything of the configuration is made on a backend.
func (p *Planner) needsBackend() bool {
	return slices.ContainsFunc(p.Config.Blocks(), func(b *config.Block) bool { return b.Type.Repeat })
}

// look refreshes the records and finds what open intents had made.
func (w *walk) look(ctx context.Context) error {
	records, err := w.backends.refresh(ctx, w.reader, w.opts.Refresh.Whole())
	if err != nil {
		return err
	}
	w.records = records
	if err := w.find(ctx); err != nil {
		return err
	}
	for ref, r := range w.records {
		w.known[r.addr.Block.Block] = true
		if ref.Deposed == "" {
			w.byBlock[r.addr.Block] = append(w.byBlock[r.addr.Block], r)
		}
	}
	return nil
}

// find asks the providers for what was made under the keys of open intents and of those that were closed lately.
func (w *walk) find(ctx context.Context) error {
	type batch struct{ backend, kind string }
	keys := map[batch][]string{}
	for _, in := range w.state.Intents() {
		if in.Operation == statefile.Create {
			keys[batch{in.Backend, in.Kind}] = append(keys[batch{in.Backend, in.Kind}], in.Key)
		}
	}
	for _, c := range w.state.Closed(w.now) {
		keys[batch{c.Backend, c.Kind}] = append(keys[batch{c.Backend, c.Kind}], c.Key)
	}
	if len(keys) == 0 || w.writerLives() {
		return nil
	}
	found := make(chan []providers.Found[cty.Value], len(keys))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(w.opts.Parallelism)
	for b, ks := range keys {
		g.Go(func() error {
			open, err := w.backends.open(ctx, b.backend)
			if err != nil {
				return err
			}
			res := w.backends.resource(open, b.kind)
			if res == nil {
				return nil
			}
			f, err := res.Find(ctx, ks)
			if err != nil {
				return fmt.Errorf("find what was being made on backend %q: %w", b.backend, err)
			}
			found <- f
			return nil
		})
	}
	err := g.Wait()
	close(found)
	for fs := range found {
		for _, f := range fs {
			w.found[f.Key] = f
		}
	}
	return err
}

// writerLives tells whether somebody is applying now: what they are making is theirs.
func (w *walk) writerLives() bool { return w.opts.Writer != nil }

// plan walks twice and writes everything down. Where the second walk finds out what the first one should have known, it
// begins anew with that.
func (w *walk) plan(ctx context.Context) (*plan.Plan, error) {
	before := w.diags
	for {
		w.diags = before
		w.placed, w.stopped, w.discarded, w.expired, w.putOff = nil, nil, nil, false, nil
		out, err := w.twice(ctx)
		if more, readErr := w.readOn(ctx, err); readErr != nil {
			return nil, readErr
		} else if more {
			w.forgetLate()
			continue
		}
		if errors.Is(err, errBackendDeferred) {
			continue
		}
		late, ok := errors.AsType[*lateError](err)
		if !ok {
			return out, err
		}
		for _, it := range late.start {
			w.starts[it.addr] = true
		}
		for _, it := range late.stay {
			w.starts[it.addr] = false
		}
		for _, it := range late.replaced {
			w.foretold[it.addr] = it.forced[triggerPath]
		}
	}
}

func (w *walk) twice(ctx context.Context) (*plan.Plan, error) {
	if w.opts.RefreshOnly {
		return w.follow()
	}
	err := w.run(ctx)
	if err == nil && !w.diags.HasErrors() && w.mayReadEarly() {
		return nil, errUnread
	}
	if !w.opts.Destroy && !w.diags.HasErrors() {
		w.diags = append(w.diags, w.stillWanted()...)
		w.diags = append(w.diags, w.stillThere()...)
		w.diags = append(w.diags, w.notWanted()...)
	}
	if w.opts.Destroy {
		w.diags = w.diags.Warnings() // what cannot be evaluated, because half of it is gone, can be destroyed
	}
	if err != nil || w.diags.HasErrors() {
		return nil, errors.Join(err, w.diags.Err())
	}
	if !w.opts.Destroy && w.withdraw() {
		return nil, errBackendDeferred
	}
	w.told, w.putOff = map[addr.Resource]bool{}, maps.Clone(w.dropped)
	for _, it := range w.order {
		w.told[it.addr] = it.forced[triggerPath] != ""
	}
	if !w.opts.Destroy {
		placed, err := w.place(ctx)
		if err != nil || w.diags.HasErrors() {
			return nil, errors.Join(err, w.diags.Err())
		}
		if placed != nil {
			w.placed = placed
			w.stopped, w.discarded = w.forcedJobs(), w.useless()
		}
	}
	told := w.diags.Warnings()
	for {
		out, err := w.finish(ctx, told)
		circle, ok := errors.AsType[*circleError](err)
		if !ok || w.placed == nil || len(circle.beside) == 0 {
			return out, err
		}
		// What was to start beside the old one cannot: the old one goes first.
		for _, it := range circle.beside {
			w.oldFirst[it.addr] = true
		}
	}
}

// lateError lists jobs of which the second walk knows better whether they start, because what they refer to was not known
// in the first one, or changed with the placement of others; and instances of which it knows only now that they are replaced.
type lateError struct {
	start    []*item // they do, and have no place
	stay     []*item // they do not, and have one
	replaced []*item // instances that something triggers, and that have no offer for that
}

func (e *lateError) Error() string {
	return "it came out late what becomes of " + names(slices.Concat(e.start, e.stay, e.replaced))
}

// late compares what starts with what has got a place. A job that is told of twice starts.
func (w *walk) late() error {
	e := &lateError{}
	for _, it := range w.order {
		if it.kind == addr.KindInstance && it.forced[triggerPath] != "" && !w.told[it.addr] {
			e.replaced = append(e.replaced, it)
		}
		starts, told := w.starts[it.addr]
		switch _, placed := w.placed.solution.Jobs[it.addr]; {
		case it.kind != addr.KindJob || starts:
		case it.comes() && !placed:
			e.start = append(e.start, it)
		case !it.comes() && placed && !told:
			e.stay = append(e.stay, it)
		}
	}
	if len(e.start)+len(e.stay)+len(e.replaced) == 0 {
		return nil
	}
	return e
}

// finish walks again, now that everything has its place, and writes down what follows. A circleError says what cannot be
// done in the order in which it was planned.
func (w *walk) finish(ctx context.Context, told diag.List) (*plan.Plan, error) {
	if w.placed != nil {
		if err := w.run(ctx); err != nil || w.diags.HasErrors() {
			return nil, errors.Join(err, w.diags.Err())
		}
		w.diags = append(w.diags, told...)
		if err := w.late(); err != nil {
			return nil, err
		}
		if err := w.alternate(ctx); err != nil {
			return nil, err
		}
	}
	if !w.opts.Destroy {
		if err := w.supports(ctx); err != nil || w.diags.HasErrors() {
			return nil, errors.Join(err, w.diags.Err())
		}
	}
	intents := w.intents()
	w.leave()
	if intents = w.choose(intents); w.diags.HasErrors() {
		return nil, w.diags.Err()
	}
	if w.diags = append(w.diags, w.protect()...); w.diags.HasErrors() {
		return nil, w.diags.Err()
	}
	if !w.opts.Destroy {
		w.demands()
	}
	outputs := w.outputs()
	if !w.opts.Destroy {
		w.checks()
	}
	if w.diags.HasErrors() {
		return nil, w.diags.Err()
	}
	w.inherit()
	out, err := w.document()
	if err != nil {
		return nil, err
	}
	out.Outputs, out.Intents, out.Checks = outputs, intents, w.rules.list()
	if w.explain(out); w.diags.HasErrors() {
		return nil, w.diags.Err()
	}
	return out, nil
}

// forcedJobs carries over to the second walk which jobs cannot stay as they are, and why.
func (w *walk) forcedJobs() map[addr.Resource]map[string]string {
	out := map[addr.Resource]map[string]string{}
	for _, it := range w.order {
		for _, path := range []string{"instance", "volumes"} {
			if why := it.forced[path]; it.kind == addr.KindJob && why != "" {
				out[it.addr] = map[string]string{path: why}
			}
		}
	}
	return out
}

// useless are the instances that runs brought and that would have to be replaced, with why. They are not made again for
// their own sake: only where placement puts a job.
func (w *walk) useless() map[addr.Resource]string {
	out := map[addr.Resource]string{}
	for _, it := range w.order {
		if it.kind == addr.KindInstance && it.addr.Block.Type != "fleet" && it.action.IsReplace() {
			out[it.addr] = it.reason
		}
	}
	return out
}

// altKey names a member of a group and the number of a candidate.
type altKey struct {
	member    addr.Resource
	candidate int
}

// alternative is what is planned of a member with another candidate.
type alternative struct {
	planned  cty.Value
	supports []plannedSupport
}

// alternate asks the providers what they would do with the candidates after the first.
func (w *walk) alternate(ctx context.Context) error {
	for _, m := range w.placed.solution.Groups {
		for i, c := range m.Candidates {
			if i == 0 {
				continue
			}
			if err := w.alternateOne(ctx, m, c, i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *walk) alternateOne(ctx context.Context, m place.Made, c place.Candidate, i int) error {
	b, err := w.backends.open(ctx, c.Offer.Backend)
	if err != nil {
		return nil // it can be no candidate then
	}
	res := w.backends.resource(b, addr.KindInstance)
	var changes []providers.Change
	var items []*item
	for _, a := range m.Members {
		it := w.items[a]
		if it == nil || !it.comes() {
			continue
		}
		alt := *it
		alt.want = desired.WithAttrs(it.want, offered(c))
		alt.supports, alt.forced = nil, map[string]string{"instance_type": "another candidate"}
		alt.planned = w.tentative(&alt)
		plain, _ := alt.planned.UnmarkDeep()
		changes = append(changes, providers.Change{Address: it.name, Want: plain, Offer: &c.Offer})
		items = append(items, &alt)
	}
	answers, err := res.Plan(ctx, changes)
	if err != nil || len(answers) != len(changes) {
		return nil // a candidate that cannot be planned will not be taken
	}
	hide := w.backends.veil()
	for n, it := range items {
		if answers[n].Err != nil {
			continue
		}
		it.backend = c.Offer.Backend
		if ds := w.take(it, answers[n], b.provider, hide); ds.HasErrors() {
			return ds.Err()
		}
		w.alternatives[altKey{it.addr, i}] = &alternative{planned: it.planned, supports: it.supports}
		for _, s := range it.supports {
			w.items[it.addr].supports = appendSupport(w.items[it.addr].supports, s)
		}
	}
	return nil
}

// appendSupport adds a support object that only another candidate needs; the first one's own value stays.
func appendSupport(list []plannedSupport, s plannedSupport) []plannedSupport {
	for _, have := range list {
		if have.addr == s.addr {
			return list
		}
	}
	s.other = true
	return append(list, s)
}

// intents decides about open intents: taken up by the change of their address, or closed.
func (w *walk) intents() []plan.IntentDecision {
	if w.writerLives() {
		w.beingChanged()
		return nil
	}
	var out []plan.IntentDecision
	for _, in := range w.state.Intents() {
		a, err := addr.ParseResource(in.Address)
		if err != nil {
			continue
		}
		it := w.items[a]
		if in.Operation != statefile.Create || in.Deposed != "" {
			if it != nil {
				it.intent = in
			}
			out = append(out, plan.IntentDecision{Address: in.Address, Deposed: in.Deposed, Key: in.Key, Close: it == nil || it.action == plan.NoOp || it.action == plan.Create})
			continue
		}
		f, exists := w.found[in.Key]
		same := it != nil && it.rec == nil && it.action == plan.Create && w.same(it, in)
		switch {
		case same:
			it.intent = in
			if exists {
				it.found = &f
				it.reason = "it was being created when the apply was cut off"
			}
			out = append(out, plan.IntentDecision{Address: in.Address, Key: in.Key})
			continue
		case exists:
			w.stray(a, in, f)
		}
		out = append(out, plan.IntentDecision{Address: in.Address, Key: in.Key, Close: true})
	}
	for _, c := range w.state.Closed(w.now) {
		if f, exists := w.found[c.Key]; exists {
			if a, err := addr.ParseResource(c.Address); err == nil {
				w.stray(a, &c.Intent, f)
			}
		}
	}
	return out
}

// beingChanged leaves alone what somebody is changing at this moment, and says who.
func (w *walk) beingChanged() {
	for _, in := range w.state.Intents() {
		a, err := addr.ParseResource(in.Address)
		if err != nil || in.Deposed != "" {
			continue
		}
		if it := w.items[a]; it != nil {
			it.action, it.note = plan.NoOp, "being changed by "+w.opts.Writer.String()
		}
	}
}

// same tells whether what is wanted now is what the intent wanted.
func (w *walk) same(it *item, in *statefile.Intent) bool {
	if it.backend != in.Backend {
		return false
	}
	old, err := schema.UnmarshalValue(it.object, in.Want)
	if err != nil {
		return false
	}
	r := diff.Compare(it.object, diff.Value{V: old, Digests: in.Secrets}, it.clean, diff.Options{Also: func(a *schema.Attribute) bool { return a.Placed }})
	for _, d := range r.Diffs {
		if !d.Unknown {
			return false
		}
	}
	return true
}

// stray plans the end of an object that an abandoned create has left.
func (w *walk) stray(a addr.Resource, in *statefile.Intent, f providers.Found[cty.Value]) {
	rec := &record{addr: a, Resource: &statefile.Resource{Address: a.String(), Deposed: "k" + in.Key[:min(8, len(in.Key))], Kind: in.Kind, Backend: in.Backend,
		ID: f.Object.ID, Private: f.Object.Private, Key: in.Key, Needs: in.Needs},
		value: f.Object.Value, seen: f.Object.Value, presence: providers.Present}
	it := &item{addr: a, name: a.String(), kind: in.Kind, object: schema.KindObject(in.Kind), backend: in.Backend, rec: rec, forced: map[string]string{}, stray: in.Key}
	it.action, it.reason = plan.Delete, "it was made by an apply that was cut off, and is not wanted any more"
	w.order = append(w.order, it)
}

// outputs evaluates the outputs against what is planned.
func (w *walk) outputs() map[string]*plan.Output {
	out := map[string]*plan.Output{}
	recorded := w.state.Outputs()
	if !w.opts.Destroy {
		for _, b := range w.p.Config.Blocks() {
			if b.Addr.Type != "output" || b.Addr.Module != addr.Root {
				continue
			}
			o, diags := w.p.Config.EvaluateOutput(b, w)
			w.diags = append(w.diags, diags...)
			w.rules.add(b.Addr, o.Preconditions)
			if diags.HasErrors() {
				continue
			}
			out[b.Addr.Name] = plannedOutput(o, recorded, w.state.Digest)
			if p := out[b.Addr.Name]; p.Unknown && w.partial() {
				w.keepOutput(out, b.Addr.Name, recorded)
			}
		}
	}
	for name, old := range recorded {
		if out[name] == nil {
			out[name] = &plan.Output{Action: plan.Delete, Before: old.Value, Sensitive: old.Sensitive}
		}
	}
	return out
}

func plannedOutput(o config.Output, recorded map[string]statefile.Output, digest func(string, []byte) string) *plan.Output {
	old, had := recorded[o.Name]
	p := &plan.Output{Action: plan.NoOp, Before: old.Value, Sensitive: o.Sensitive}
	plain, _ := o.Value.UnmarkDeep()
	if !plain.IsWhollyKnown() {
		p.Unknown = true
		p.Action = plan.Create
		if had {
			p.Action = plan.Update
		}
		return p
	}
	raw, err := schema.MarshalValue(plain)
	if err != nil {
		raw = nil
	}
	changed := string(raw) != string(old.Value)
	if o.Sensitive {
		changed = digest("output."+o.Name, raw) != old.Digest
	} else {
		p.After = raw
	}
	switch {
	case !had:
		p.Action = plan.Create
	case changed:
		p.Action = plan.Update
		if !o.Sensitive && !old.Sensitive {
			p.Inside = diff.Inside(p.Before, p.After)
		}
	}
	return p
}

func typeJSON(ty cty.Type) (json.RawMessage, error) { return ctyjson.MarshalType(ty) }

func convertValue(v cty.Value, ty cty.Type) (cty.Value, error) { return convert.Convert(v, ty) }

func textOf(v cty.Value) string {
	if v.Type() == cty.String && !v.IsNull() {
		return v.AsString()
	}
	raw, _ := schema.MarshalValue(v)
	return string(raw)
}
