package planner

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sync/errgroup"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/veil"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// settle decides what happens to items that are ready together, and what references to them get. Providers are asked
// in one call for each backend and kind.
func (w *walk) settle(ctx context.Context, items []*item) error {
	if err := w.compare(items); err != nil {
		return err
	}
	if err := w.ask(ctx, items); err != nil {
		return err
	}
	var again []*item
	for _, it := range items {
		w.decide(it)
		if it.kept && it.comes() { // it came out only now that nothing of the old object is kept
			it.planned, it.kept, it.supports = w.fresh(it), false, nil
			again = append(again, it)
		}
	}
	if w.placed == nil {
		return nil // the second walk asks
	}
	return w.askAll(ctx, again)
}

// compare finds the differences of all items, side by side.
func (w *walk) compare(items []*item) error {
	work := func(it *item) error {
		clean, err := diff.Redact(it.object, it.want, w.state.Digest)
		if err != nil {
			return fmt.Errorf("%s: %w", it.name, err)
		}
		it.clean = clean
		if it.backend == "" {
			it.backend = w.backendOf(it)
		}
		if it.exists() {
			prior := diff.Value{V: it.rec.live(), Digests: it.rec.Secrets}
			it.result = diff.Compare(it.object, prior, clean, diff.Options{Ignore: w.ignored(it)})
		}
		return nil
	}
	const few = 64
	if len(items) < few {
		for _, it := range items {
			if err := work(it); err != nil {
				return err
			}
		}
		return nil
	}
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for chunk := range slices.Chunk(items, few) {
		g.Go(func() error {
			for _, it := range chunk {
				if err := work(it); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (w *walk) ignored(it *item) []string {
	if it.decl == nil {
		return nil
	}
	if it.decl.Meta.IgnoreAll {
		return []string{diff.IgnoreAll}
	}
	return it.decl.Meta.IgnoreChanges
}

// backendOf is the backend of what has none of its own in its block: that of the record, or of the placement.
func (w *walk) backendOf(it *item) string {
	if b := w.placed.backendOf(it.addr); b != "" {
		return b
	}
	if it.exists() {
		return it.rec.Backend
	}
	return ""
}

// ask asks the providers' Plan about everything that changes and whose backend is known. In the first walk that is only
// what exists and differs, so that replacements are known before offers.
func (w *walk) ask(ctx context.Context, items []*item) error {
	var asked []*item
	for _, it := range items {
		it.planned = w.tentative(it)
		if w.asks(it) {
			asked = append(asked, it)
		}
	}
	return w.askAll(ctx, asked)
}

func (w *walk) askAll(ctx context.Context, items []*item) error {
	type batch struct{ backend, kind string }
	batches := map[batch][]*item{}
	for _, it := range items {
		if it.backend != "" {
			batches[batch{it.backend, it.kind}] = append(batches[batch{it.backend, it.kind}], it)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(w.opts.Parallelism)
	diags := make(chan diag.List, len(items))
	for b, its := range batches {
		g.Go(func() error {
			d, err := w.askOne(ctx, b.backend, b.kind, its)
			diags <- d
			return err
		})
	}
	err := g.Wait()
	close(diags)
	for d := range diags {
		w.diags = append(w.diags, d...)
	}
	return err
}

// asks tells whether the provider has a say: in something that is made, or changed by more than the record.
func (w *walk) asks(it *item) bool {
	if w.opts.Destroy || it.backend == "" {
		return false
	}
	if !it.exists() || it.rec.Tainted || len(it.forced) > 0 {
		return w.placed != nil
	}
	return it.result.Action != diff.None && it.result.Action != diff.Record
}

func (w *walk) askOne(ctx context.Context, name, kind string, items []*item) (diag.List, error) {
	b, err := w.backends.open(ctx, name)
	if err != nil {
		return nil, err
	}
	res := w.backends.resource(b, kind)
	if res == nil {
		var diags diag.List
		for _, it := range items {
			d := diag.Errorf("Backend cannot do this", "The provider %q of backend %q has no %ss. Choose another backend for %s.", b.provider, name, kind, it.name)
			diags = append(diags, at(d, it)...)
		}
		return diags, nil
	}
	if diags := b.checkCode(items); diags.HasErrors() {
		return diags, nil
	}
	changes := make([]providers.Change, len(items))
	for i, it := range items {
		plain, _ := it.planned.UnmarkDeep()
		changes[i] = providers.Change{Address: it.name, Want: plain, Offer: it.offer}
		if it.exists() {
			o := it.rec.object()
			o.Value = it.rec.live()
			changes[i].Prior = &o
		}
	}
	answers, err := res.Plan(ctx, changes)
	if err != nil {
		return nil, fmt.Errorf("plan %ss on backend %q: %w", kind, name, err)
	}
	if len(answers) != len(changes) {
		return nil, fmt.Errorf("the provider %q answered %d of %d planned %ss; that is a defect of the provider", b.provider, len(answers), len(changes), kind)
	}
	var diags diag.List
	hide := w.backends.veil()
	for i, it := range items {
		diags = append(diags, w.take(it, answers[i], b.provider, hide)...)
	}
	return diags, nil
}

func at(l diag.List, it *item) diag.List {
	if it.decl != nil {
		l.At(&it.decl.Block.DefRange)
	}
	return l.For(it.name)
}

// take takes over what a provider said: reasons to replace, promised values, support objects.
func (w *walk) take(it *item, answer providers.Planned, provider string, hide veil.Veil) diag.List {
	if answer.Err != nil {
		summary := "Change is not possible"
		if answer.Err.Kind == providers.NoQuota {
			summary = "Quota is not enough"
		}
		return at(diag.Errorf(summary, "%s", sentence(answer.Err.Error())), it)
	}
	var diags diag.List
	for _, warning := range answer.Warnings {
		diags = append(diags, at(diag.Warnf("Change has a limit", "%s", warning), it)...)
	}
	for _, r := range answer.Replace {
		it.forced[r.Path] = r.Why
	}
	if answer.Value != cty.NilVal && !answer.Value.IsNull() {
		said, err := hide.Value(answer.Value, it.planned)
		if err != nil {
			return at(diag.From(err, "Provider contradicts the plan"), it)
		}
		merged, broken := promise(it.object, it.planned, said)
		if broken != "" {
			return at(diag.Errorf("Provider contradicts the plan", "The provider %q changed %s of %s, which the configuration has fixed. That is a defect of the provider.", provider, broken, it.name), it)
		}
		it.planned = merged
	}
	for _, s := range answer.Supports {
		owner := it.addr
		switch s.Owner {
		case "block":
			owner = it.addr.Block.Self()
		case "backend":
			owner = addr.Backend(it.backend)
		}
		it.supports = append(it.supports, plannedSupport{addr: owner.Support(s.Name), value: s.Value})
	}
	return diags
}

// promise fills in what the provider knows where the plan does not. It names the first attribute that contradicts.
func promise(o *schema.Object, planned, answer cty.Value) (cty.Value, string) {
	set := map[string]cty.Value{}
	for _, a := range o.Attrs {
		if !answer.Type().HasAttribute(a.Name) {
			continue
		}
		have, said := planned.GetAttr(a.Name), answer.GetAttr(a.Name)
		plain, _ := have.UnmarkDeep()
		switch {
		case !plain.IsKnown(), plain.IsNull() && !said.IsNull() && (!a.Configured() || a.Kept):
			if !have.IsMarked() {
				set[a.Name] = said
			}
		case a.Configured() && plain.IsWhollyKnown() && said.IsWhollyKnown() && !plain.RawEquals(said):
			if !plain.IsNull() {
				return planned, a.Name
			}
		}
	}
	return desired.WithAttrs(planned, set), ""
}

// tentative is the planned value before the provider is asked: what is wanted, what is kept, and unknown for what the
// provider or placement says.
func (w *walk) tentative(it *item) cty.Value {
	it.kept = it.exists() && !it.rec.Tainted && len(it.forced) == 0 && it.result.Action != diff.Replace
	if !it.kept {
		return w.fresh(it)
	}
	if len(it.result.Diffs) == 0 && len(it.clean.Sensitive) == 0 && len(it.clean.Unknown) == 0 && len(w.ignored(it)) == 0 {
		return it.result.After.V // nothing differs, nothing is secret: what follows would come to the same
	}
	out := make(map[string]cty.Value, len(it.object.Attrs))
	for _, a := range it.object.Attrs {
		v := it.want.GetAttr(a.Name)
		switch {
		case a.Configured() && it.secretIn(a.Name): // what is kept has no secrets
		case a.Varies && len(it.result.ByRule[schema.Provider]) > 0:
			v = cty.UnknownVal(a.Type)
		case it.kind == addr.KindJob || !a.Placed || !isGiven(v):
			v = it.result.After.V.GetAttr(a.Name)
		}
		out[a.Name] = v
	}
	return cty.ObjectVal(out)
}

// fresh is the planned value of a new object: what is wanted, and unknown for the rest.
func (w *walk) fresh(it *item) cty.Value {
	set := map[string]cty.Value{}
	for _, a := range it.object.Attrs {
		if (!a.Configured() || a.Kept) && !isGiven(it.want.GetAttr(a.Name)) {
			set[a.Name] = cty.UnknownVal(a.Type)
		}
	}
	return desired.WithAttrs(it.want, set)
}

// secretIn tells whether a secret is wanted at an attribute or below it.
func (it *item) secretIn(name string) bool {
	return slices.ContainsFunc(it.clean.Sensitive, func(path string) bool { return diff.Under(path, name) })
}

func isGiven(v cty.Value) bool {
	v, _ = v.Unmark()
	return !v.IsKnown() || !v.IsNull()
}

// decide settles the action of an item, with its reason.
func (w *walk) decide(it *item) {
	w.constraints(it)
	it.attempt = w.nextAttempt(it)
	w.settleAction(it)
	if it.placement != nil && it.exists() && !it.comes() {
		w.unmoved(it)
	}
	if starts, told := w.starts[it.addr]; told && w.placed == nil {
		w.toldOf(it, starts)
	}
}

// toldOf makes a job start, or not, as a second walk has found out; the next one says why.
func (w *walk) toldOf(it *item, starts bool) {
	switch {
	case starts == it.comes():
	case starts && w.ended[it.addr]:
		delete(w.ended, it.addr)
		it.action, it.fresh = plan.Create, it.exists()
	case starts:
		it.action = w.replace(it)
	default:
		ended := it.fresh || !it.exists()
		it.action, it.fresh = plan.NoOp, false
		if ended {
			w.ended[it.addr] = true
		}
	}
}

// unmoved handles a job for which a place was found and that turned out not to change. It stays, unless the place is another.
func (w *walk) unmoved(it *item) {
	if it.placement.Instance == desired.Text(it.rec.live(), "instance") || w.ended[it.addr] {
		it.placement, it.mounts = nil, nil
		return
	}
	it.forced["instance"] = "it was given another place, because what it refers to was not known before"
	it.after = it.result.Settle(it.forced)
	w.actionOf(it)
}

func (w *walk) settleAction(it *item) {
	switch {
	case it.kind == addr.KindJob && !it.exists() && w.endedAway(it):
		return
	case !it.exists():
		it.action = plan.Create
		it.reason = w.whyCreate(it)
	case it.kind == addr.KindJob && w.jobEnded(it):
		return
	case it.rec.Tainted:
		it.action = w.replace(it)
		it.reason = "its creation did not end well"
	default:
		it.after = it.result.Settle(it.forced)
		w.actionOf(it)
	}
}

func (w *walk) actionOf(it *item) {
	switch it.after.Action {
	case diff.None:
		it.action = plan.NoOp
		if it.protected() != it.rec.Protected && !it.importing() {
			it.action, it.reason = plan.Update, "prevent_destroy changes, which the record keeps"
		}
	case diff.Record, diff.Update:
		it.action = plan.Update
		it.reason = it.why(it.after.Diffs)
	case diff.Replace:
		it.action = w.replace(it)
		it.reason = it.whyReplace()
	}
}

// replace is the order in which the old and the new one go and come. A job comes first only where there is room beside.
func (w *walk) replace(it *item) plan.Action {
	first := it.decl != nil && it.decl.Meta.CreateBeforeDestroy
	if it.kind == addr.KindJob {
		first = w.placed.beside(it.addr)
	}
	if first && !w.oldFirst[it.addr] {
		return plan.CreateThenDelete
	}
	return plan.DeleteThenCreate
}

// constraints finds what a machine that exists breaks of what is wanted of it now.
func (w *walk) constraints(it *item) {
	if it.kind != addr.KindInstance || !it.exists() || len(it.result.ByRule[schema.Constraint]) == 0 {
		return
	}
	need, err := desired.Requirements(it.want)
	if err != nil {
		w.diags = append(w.diags, at(diag.From(err, "Requirements cannot be read"), it)...)
		return
	}
	machine, err := machineOffer(it.rec)
	if err != nil {
		w.diags = append(w.diags, at(diag.From(err, "Recorded instance cannot be read"), it)...)
		return
	}
	b := w.backends.all[it.rec.Backend]
	if b != nil && !b.description.Capabilities.ExistingMachines {
		need.Resources = offer.WithDefaults(need.Resources)
	}
	changed := it.result.ByRule[schema.Constraint]
	for _, lack := range offer.Match(need, machine) {
		path := changed[0]
		for _, p := range changed {
			if limit := limitedBy(lack.Kind); diff.Under(p, limit) || diff.Under(limit, p) {
				path = p
			}
		}
		it.forced[path] = "needs another machine: " + lack.Text
	}
}

// ownRecord is the record of an address.
func (w *walk) ownRecord(a addr.Resource) *record {
	return w.records[statefile.Ref{Address: a.String()}]
}
