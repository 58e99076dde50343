package planner

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/planner/place"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// document writes everything down.
func (w *walk) document() (*plan.Plan, error) {
	p := &plan.Plan{
		FormatVersion: plan.FormatVersion, DstackVersion: w.p.Version, CreatedAt: w.now.UTC().Truncate(time.Millisecond),
		Lineage: w.state.Lineage(), Serial: w.state.Serial(), Head: w.state.Head(), Store: w.p.Store, Destroy: w.opts.Destroy,
		Complete: len(w.deferred) == 0, Deferred: w.deferred, Partial: w.partial(), NotPlanned: w.notPlanned, RefreshOnly: w.opts.RefreshOnly, Refresh: w.refreshed(), Changes: []*plan.Change{}, Drift: []*plan.Drift{}, Policies: []plan.Policy{},
		Backends: map[string]plan.Backend{}, Revisions: map[string]plan.Revision{}, Steps: []plan.Step{},
	}
	sortItems(w.order)
	for _, it := range w.order {
		w.drift(p, it)
		if it.note != "" && it.action == plan.NoOp {
			p.Notes = append(p.Notes, plan.Note{Address: it.name, Text: it.note})
		}
		if !it.acts() && w.previous(it) == "" {
			if it.kind != addr.KindSupport {
				p.Unchanged++
			}
			continue
		}
		c, err := w.change(it)
		if err != nil {
			return nil, err
		}
		p.Changes = append(p.Changes, c)
		w.revisions(p, it)
	}
	w.feeds(p)
	steps, err := w.steps()
	if err != nil {
		return nil, err
	}
	p.Steps = append(p.Steps, steps...)
	if err := w.groupsOf(p); err != nil {
		return nil, err
	}
	for _, c := range p.Changes {
		count(&p.Summary, c)
	}
	w.movesOf(p)
	w.cost(p)
	if err := w.inputs(p); err != nil {
		return nil, err
	}
	if err := w.lookedUp(p); err != nil {
		return nil, err
	}
	p.Diagnostics = append(p.Diagnostics, w.diags...)
	p.Diagnostics = append(p.Diagnostics, w.shifts(p.Changes)...)
	return p, nil
}

func count(s *plan.Summary, c *plan.Change) {
	if c.Import != nil {
		s.Import++
	}
	switch {
	case c.OnlyCandidate, c.Action == plan.NoOp, c.Import != nil && c.RecordOnly:
	case c.Kind == addr.KindSupport:
		s.Support++
	case c.InFlight != nil && c.InFlight.Found:
		s.Adopt++
	case c.Action == plan.Create:
		s.Create++
	case c.Action == plan.Update:
		s.Update++
	case c.Action.IsReplace():
		s.Replace++
	case c.Action == plan.Delete:
		s.Destroy++
	case c.Action == plan.Forget:
		s.Forget++
	}
}

// change writes one item down.
func (w *walk) change(it *item) (*plan.Change, error) {
	c := &plan.Change{Address: it.name, Kind: it.kind, Backend: it.backend, Action: it.action, Reason: it.reason, Declared: it.place(),
		RecordOnly: it.recordOnly(), Offer: it.offer, Zone: it.zone, Group: it.group, LeftOut: it.leftOut, Placement: it.placement,
		Needs: dedup(it.needs)}
	c.NewFirstFor = it.newFirstFor
	c.Protected, c.EndsRun = it.protected(), it.endsRun
	c.PreviousAddress, c.Import = w.previous(it), it.importOf()
	if c.Import != nil && c.Action == plan.NoOp {
		c.Reason = c.Import.Why()
	}
	if it.comes() {
		c.Attempt = it.attempt
	}
	if it.rec != nil {
		c.Deposed, c.Tainted = it.rec.Deposed, it.rec.Tainted
		before, err := schema.MarshalValue(w.prior(it))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", it.name, err)
		}
		c.Before = before
	}
	if it.intent != nil {
		c.InFlight = &plan.InFlight{Since: it.intent.Since, By: it.intent.By}
		c.IdempotencyKey = it.intent.Key
		if it.found != nil {
			c.InFlight.Found, c.InFlight.ID = true, it.found.Object.ID
		}
	}
	if it.stray != "" {
		c.IdempotencyKey = it.stray
	}
	if it.goes() {
		c.DataAtRisk = dataAtRisk(it)
	}
	if it.want == cty.NilVal {
		return c, nil
	}
	final, err := diff.Redact(it.object, it.planned, w.state.Digest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", it.name, err)
	}
	it.final = final
	if c.After, err = schema.MarshalValue(final.Known()); err != nil {
		return nil, fmt.Errorf("%s: %w", it.name, err)
	}
	c.AfterUnknown, c.Sensitive, c.Digests = final.Unknown, final.Sensitive, final.Digests
	if len(c.Digests) == 0 {
		c.Digests = nil
	}
	c.WaitsFor = it.waitsFor(final.Unknown)
	c.Evaluate = len(final.Sensitive) > 0 || slices.ContainsFunc(final.Unknown, func(p string) bool { return configured(it.object, p) })
	c.Evaluate = c.Evaluate && !w.opts.RefreshOnly
	if it.exists() {
		prior := diff.Value{V: w.prior(it), Digests: it.rec.Secrets}
		shown := diff.Compare(it.object, prior, final, diff.Options{Also: func(a *schema.Attribute) bool {
			return a.Placed && !a.Many && it.comes() || w.opts.RefreshOnly && !a.Status
		}})
		shown = shown.Settle(it.forced)
		c.Diff, c.UnchangedAttrs = shown.Diffs, shown.Unchanged
		c.ReplacePaths = slices.DeleteFunc(slices.Clone(it.after.Forces), func(path string) bool { return path == askedFor })
	} else {
		shown := diff.Compare(it.object, diff.Value{V: cty.NullVal(it.object.Type())}, final, diff.Options{})
		c.Diff = shown.Diffs
	}
	if !w.opts.RefreshOnly {
		w.applied(it, c.Diff)
	}
	c.Cause = it.findCauses()
	return c, nil
}

// waitsFor says which references make what the block writes unknown, by the paths of what is.
func (it *item) waitsFor(unknown []string) map[string]string {
	var out map[string]string
	for _, path := range unknown {
		if it.decl == nil || !configured(it.object, path) {
			continue
		}
		open := it.decl.OpenAt(path)
		if open.Reference == "" {
			continue // an offer or the provider decides it
		}
		if out == nil {
			out = map[string]string{}
		}
		out[path] = open.Reference
		if m := open.To.Module; m != addr.Root {
			out[path] = string(m) + "." + open.Reference
		}
	}
	return out
}

// prior is what an item is compared with: what is there, and where only the record follows that, the record.
func (w *walk) prior(it *item) cty.Value {
	if w.opts.RefreshOnly {
		return it.rec.value
	}
	return it.rec.live()
}

// applied notes what was applied last, where a provider reports something else.
func (w *walk) applied(it *item, diffs []plan.AttrDiff) {
	if it.rec == nil || it.rec.presence != providers.Present || it.rec.unmoved {
		return
	}
	for i := range diffs {
		d := &diffs[i]
		was, had := diff.Get(it.rec.value, d.Path)
		is, has := diff.Get(it.rec.seen, d.Path)
		if d.Sensitive || !had || !has || was.IsNull() || was.RawEquals(is) {
			continue
		}
		if raw, err := schema.MarshalValue(was); err == nil {
			d.Applied = raw
		}
	}
}

// feeds finds what differs from its record, changes nothing by itself, and is used by what changes.
func (w *walk) feeds(p *plan.Plan) {
	used := map[string]bool{}
	for _, it := range w.order {
		if it.action != plan.NoOp {
			for _, need := range it.needs {
				used[need] = true
			}
		}
	}
	for _, d := range p.Drift {
		a, err := addr.ParseResource(d.Address)
		if err == nil && d.Class == plan.DriftInformational && (used[d.Address] || used[a.Block.String()] || used[a.Block.Block.String()]) {
			d.Class = plan.DriftFeeds
		}
	}
}

// configured tells whether a path leads into an attribute that a configuration writes.
func configured(o *schema.Object, path string) bool {
	root, _, _ := strings.Cut(path, ".")
	root, _, _ = strings.Cut(root, "[")
	a := o.Attr(root)
	return a != nil && a.Configured()
}

// recordOnly tells whether an update needs no call.
func (it *item) recordOnly() bool {
	return it.action == plan.Update && (it.after.Action == diff.Record || it.after.Action == diff.None)
}

// protected tells whether the block has prevent_destroy.
func (it *item) protected() bool { return it.decl != nil && it.decl.Meta.PreventDestroy }

func dedup(in []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range in {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// revisions notes what the record said of everything that the change reads or writes.
func (w *walk) revisions(p *plan.Plan, it *item) {
	note := func(a string, occupancy bool) {
		rev := p.Revisions[a]
		if rec := w.state.Resource(a); rec != nil {
			rev.Revision = rec.Revision
			if occupancy {
				rev.Occupancy = rec.Occupancy
			}
		}
		p.Revisions[a] = rev
	}
	note(it.name, false)
	for _, need := range it.needs {
		if a, err := addr.ParseResource(need); err == nil && a.Kind() != "" {
			note(need, it.kind == addr.KindJob && it.placement != nil && need == it.placement.Instance)
		}
	}
}

// drift writes down what the provider reports otherwise than recorded, and what could not be asked.
func (w *walk) drift(p *plan.Plan, it *item) {
	rec := it.rec
	if rec == nil || rec.Deposed != "" {
		return
	}
	if rec.presence == providers.Unknown {
		why := w.opts.Refresh.Why()
		if rec.err != nil {
			why = rec.err.Error() + "; kept as recorded"
		}
		p.NotChecked = append(p.NotChecked, plan.Note{Address: it.name, Text: why, Since: rec.since()})
		return
	}
	if rec.presence == providers.Present && rec.unmoved || w.opts.RefreshOnly && it.action != plan.NoOp {
		return
	}
	d := &plan.Drift{Address: it.name, Kind: it.kind, Class: plan.DriftInformational}
	switch {
	case it.action != plan.NoOp:
		d.Class = plan.DriftConflict
	case it.unplanned || it.frozen || w.opts.RefreshOnly:
		d.Class = plan.DriftLeftAlone
	}
	if rec.presence == providers.Gone {
		if it.action == plan.Delete || it.action == plan.Forget || w.ended[it.addr] {
			return
		}
		d.Gone = true
	} else {
		seen := diff.Compare(it.object, diff.Value{V: rec.value, Digests: rec.Secrets}, diff.Value{V: rec.seen, Digests: rec.Secrets},
			diff.Options{Also: func(a *schema.Attribute) bool { return !a.Status }})
		if len(seen.Diffs) == 0 {
			return
		}
		d.Diff = seen.Diffs
	}
	p.Drift = append(p.Drift, d)
}

// groupsOf writes down the groups of instances that are made, with their candidates.
func (w *walk) groupsOf(p *plan.Plan) error {
	if w.placed == nil {
		return nil
	}
	byAddress := map[string]*plan.Change{}
	for _, c := range p.Changes {
		byAddress[c.Address] = c
	}
	first := map[string]bool{} // support objects of candidates: whether a first one needs it
	defer func() {
		for a, planned := range first {
			if c := byAddress[a]; c != nil && c.Action == plan.Create {
				c.OnlyCandidate = !planned
			}
		}
	}()
	for _, m := range w.placed.solution.Groups {
		m.Members = slices.DeleteFunc(slices.Clone(m.Members), func(a addr.Resource) bool { return w.items[a] == nil || !w.items[a].comes() })
		if len(m.Members) == 0 {
			continue // a partial plan leaves it out
		}
		g := plan.Group{ID: m.ID, Fixed: m.Fixed}
		for _, a := range m.Members {
			g.Members = append(g.Members, a.String())
		}
		for i, c := range m.Candidates {
			pc := plan.Candidate{Offer: c.Offer, Zone: c.Zone}
			if i > 0 {
				if err := w.alternative(&pc, m, i); err != nil {
					return err
				}
			} else {
				for _, a := range m.Members {
					for _, s := range w.items[a].supports {
						if !s.other && !slices.Contains(pc.Supports, s.addr.String()) {
							pc.Supports = append(pc.Supports, s.addr.String())
						}
					}
				}
			}
			g.Candidates = append(g.Candidates, pc)
		}
		p.Groups = append(p.Groups, g)
		for i, c := range g.Candidates {
			for _, s := range c.Supports {
				first[s] = first[s] || i == 0
			}
		}
		for _, a := range m.Members {
			if c := byAddress[a.String()]; c != nil {
				c.Candidates = g.Candidates
				if m.Fixed && len(g.Candidates) == 1 {
					c.NoOther = "what it belongs to is in " + offer.Location{Backend: g.Candidates[0].Offer.Backend, Region: g.Candidates[0].Offer.Region, Zone: g.Candidates[0].Zone}.String()
				}
			}
		}
	}
	return nil
}

// alternative writes down what is planned otherwise with another candidate.
func (w *walk) alternative(pc *plan.Candidate, m place.Made, i int) error {
	pc.Values = map[string]json.RawMessage{}
	put := func(it *item, v cty.Value) error {
		clean, err := diff.Redact(it.object, v, w.state.Digest)
		if err != nil {
			return err
		}
		raw, err := schema.MarshalValue(clean.Known())
		pc.Values[it.name] = raw
		return err
	}
	for _, a := range m.Members {
		it := w.items[a]
		if it == nil {
			continue
		}
		alt := w.alternatives[altKey{a, i}]
		if alt == nil {
			continue
		}
		if err := put(it, alt.planned); err != nil {
			return err
		}
		for _, s := range alt.supports {
			pc.Supports = append(pc.Supports, s.addr.String())
			if sup := w.items[s.addr]; sup != nil {
				if err := put(sup, desired.WithAttrs(sup.planned, configuredMap(schema.Encode(s.value)))); err != nil {
					return err
				}
			}
		}
	}
	pc.Supports = dedup(pc.Supports)
	for a, share := range m.Candidates[i].Shares {
		if job := w.items[a]; job != nil {
			if err := put(job, desired.WithAttrs(job.planned, map[string]cty.Value{
				"blocks": cty.NumberIntVal(int64(share.Blocks)), "gpus": cty.NumberIntVal(int64(share.GPUs)),
			})); err != nil {
				return err
			}
		}
	}
	return w.alternativeZones(pc.Zone, m.Members, put)
}

// alternativeZones gives volumes that take the zone of the instance that mounts them, and their attachments, that of
// another candidate.
func (w *walk) alternativeZones(zone string, members []addr.Resource, put func(*item, cty.Value) error) error {
	moved := map[string]cty.Value{"availability_zone": cty.StringVal(zone)}
	for _, it := range w.order {
		if it.kind != addr.KindSupport || !it.comes() || !slices.Contains(members, it.addr.Owner()) {
			continue
		}
		target, err := addr.ParseResource(desired.Text(it.want, "target"))
		if err != nil {
			continue
		}
		if err := put(it, desired.WithAttrs(it.planned, moved)); err != nil {
			return err
		}
		if vol := w.items[target]; vol != nil && w.placed.zoneOf(target) != "" {
			if err := put(vol, desired.WithAttrs(vol.planned, moved)); err != nil {
				return err
			}
		}
	}
	return nil
}

func configuredMap(v cty.Value) map[string]cty.Value {
	out := map[string]cty.Value{}
	for _, a := range schema.Of[schema.Support]().Attrs {
		if a.Configured() {
			out[a.Name] = v.GetAttr(a.Name)
		}
	}
	return out
}

// inputs writes down what the plan was made from.
func (w *walk) inputs(p *plan.Plan) error {
	for _, s := range w.p.Config.Sources() {
		p.Sources = append(p.Sources, plan.Source{Path: s.Path, Text: string(s.Text), Digest: s.Digest, Personal: s.Personal})
	}
	p.Profile = w.p.Config.Profile()
	p.Secrets = map[string]string{}
	for name, v := range w.p.Config.SecretInputs() {
		raw, err := schema.MarshalValue(v)
		if err != nil {
			return fmt.Errorf("var.%s: %w", name, err)
		}
		if w.p.Config.IsEphemeral(name) {
			p.Secrets["var."+name] = diff.Ephemeral // it may be another one when the plan is applied
			continue
		}
		p.Secrets["var."+name] = w.state.Digest("var."+name, raw)
	}
	for name, v := range w.p.Config.EnvironmentInputs() {
		p.Secrets["env."+name] = w.state.Digest("env."+name, []byte(v))
	}
	var err error
	if p.Variables, err = plainInputs(w.p.Config); err != nil {
		return err
	}
	for name, b := range w.backends.all {
		if b.handle == nil {
			continue
		}
		p.Backends[name] = b.planned(w.state.Digest)
	}
	return nil
}

// answered writes down what functions answered that are not pure, once everything is evaluated.
func (w *walk) answered(p *plan.Plan) error {
	for _, a := range w.p.Config.FileAnswers() {
		kept := plan.Answer{Function: a.Function, Args: a.Args, Value: a.Value}
		if a.Secret {
			kept.Value, kept.Digest = nil, w.state.Digest(answerDigest(a.Name()), a.Value)
		}
		p.Answers = append(p.Answers, kept)
	}
	m, asked := w.p.Config.Moment()
	if !asked {
		return nil
	}
	seed, err := w.state.Encrypt(momentSeed, m.Seed[:])
	if err != nil {
		return err
	}
	p.Moment = &plan.Moment{Time: m.Time, Seed: seed}
	return nil
}

// Seal gives a plan its id: the digest of all but created_at.
func seal(p *plan.Plan) error {
	at := p.CreatedAt
	p.CreatedAt, p.ID = time.Time{}, ""
	raw, err := json.Marshal(p)
	p.CreatedAt = at
	if err != nil {
		return fmt.Errorf("encode the plan: %w", err)
	}
	sum := sha256.Sum256(raw)
	p.ID = hex.EncodeToString(sum[:8])
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
