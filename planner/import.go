package planner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sync/errgroup"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// imported is what a block `import` has found.
type imported struct {
	config.Import
	located providers.Located
	backend string
}

// takeOver finds what the blocks `import` speak of, and lets it count as recorded: a plan compares it with what is wanted, and
// apply records it first.
func (w *walk) takeOver(ctx context.Context) diag.List {
	if w.opts.Destroy || w.opts.RefreshOnly {
		return nil
	}
	list, diags := w.p.Config.Imports()
	if diags.HasErrors() || len(list) == 0 {
		return diags
	}
	var open []*imported
	blocks := earlyBlocks{p: w.p}
	for _, one := range list {
		found, ds := w.unrecorded(&blocks, one)
		if diags = append(diags, ds...); found != nil && !ds.HasErrors() {
			open = append(open, found)
		}
	}
	said := w.backends.locateAll(ctx, open, w.opts.Parallelism)
	var taken []*imported
	for n, i := range open {
		ds := w.adopt(i, said[n])
		if diags = append(diags, ds...); w.records[statefile.Ref{Address: i.To.String()}] != nil && !ds.HasErrors() {
			taken = append(taken, i)
		}
	}
	diags = append(diags, foreign(taken, w.state.Lineage())...)
	w.p.Config.Snippets(diags)
	return diags
}

// unrecorded is an import that has something to look for. It is nil where that is recorded there already.
func (w *walk) unrecorded(blocks *earlyBlocks, i config.Import) (*imported, diag.List) {
	about := func(list diag.List) diag.List { return list.At(&i.ToRange).For(i.To.String()) }
	recorded := w.state.Resource(i.To.String())
	switch {
	case recorded != nil && (recorded.ID == i.ID || w.opts.Refresh == plan.RefreshNone):
		return nil, nil // done by an earlier apply
	case recorded == nil && w.p.Config.Block(i.To.Block.Block) == nil:
		return nil, about(noBlock(i))
	}
	name, diags := w.p.importedOn(blocks, i, w.backends)
	if recorded != nil && diags.HasErrors() {
		return nil, nil
	}
	return &imported{Import: i, backend: name}, about(diags)
}

func noBlock(i config.Import) diag.List {
	return diag.Errorf("There is no block for it", "%s is to be imported to %s, and there is no block %s. Write one, or have it written:\n  dstack plan --generate-config-out imported.dstack.hcl", i.ID, i.To, i.To.Block.Block)
}

// importedOn is the backend that something is imported from: the import's own, else that of its block, else the only one.
func (p *Planner) importedOn(blocks *earlyBlocks, i config.Import, bs *backends) (string, diag.List) {
	made := ""
	if d := blocks.decoded(i.To.Block); d != nil {
		made = onlyBackend(d.Value)
	}
	name := cmp.Or(i.Backend, made)
	if name == "" {
		all := bs.declaredNames()
		if len(all) != 1 {
			say := fmt.Sprintf("in the import: backend = %q", slices.Concat(all, []string{defaultBackend})[0])
			if i.Place.Filename == "" { // it is the command
				say = "with --backend " + slices.Concat(all, []string{defaultBackend})[0]
			}
			return "", diag.Errorf("Backend is not said", "%s is imported to %s, and which backend it is on is not said; there are %s. Say it %s.", i.ID, i.To, join(all), say)
		}
		name = all[0]
	}
	if made != "" && made != name {
		return "", diag.Errorf("Backends differ", "%s is imported from backend %q, and %s is on backend %q, so that it would be replaced at once. Let both be the same.", i.ID, name, i.To.Block, made)
	}
	if bs.all[name] == nil {
		return "", diag.Errorf("No such backend", "There is no backend %q.%s", name, schema.DidYouMean(name, bs.names()))
	}
	return name, nil
}

// earlyBlocks are blocks as far as they are known before the plan.
type earlyBlocks struct {
	p  *Planner
	of map[addr.Block]map[addr.Instance]config.Instance
}

// decoded is a repetition of a block, nil where nothing is known of it.
func (e *earlyBlocks) decoded(a addr.Instance) *config.Decoded {
	block := e.p.Config.Block(a.Block)
	if block == nil {
		return nil
	}
	if e.of[block.Addr] == nil {
		if e.of == nil {
			e.of = map[addr.Block]map[addr.Instance]config.Instance{}
		}
		e.of[block.Addr] = map[addr.Instance]config.Instance{}
		instances, _, _ := e.p.Config.Repetition(block, nowhere{})
		for _, inst := range instances {
			e.of[block.Addr][inst.Addr] = inst
		}
	}
	inst, ok := e.of[block.Addr][a]
	if !ok {
		return nil
	}
	d, diags := e.p.Config.Decode(inst, nowhere{})
	if diags.HasErrors() {
		return nil
	}
	return d
}

// onlyBackend is the backend that a block names, "" where it names none or several, or one that is not known.
func onlyBackend(v cty.Value) string {
	if v.Type().HasAttribute("backend") {
		return desired.Text(v, "backend")
	}
	if v.Type().HasAttribute("backends") {
		if list, _ := v.GetAttr("backends").UnmarkDeep(); list.IsWhollyKnown() && !list.IsNull() && list.LengthInt() == 1 {
			return list.AsValueSlice()[0].AsString()
		}
	}
	return ""
}

// locateAll looks up several things at a time, and says for each what went wrong.
func (bs *backends) locateAll(ctx context.Context, list []*imported, parallelism int) []diag.List {
	said := make([]diag.List, len(list))
	var g errgroup.Group
	g.SetLimit(parallelism)
	for n, i := range list {
		g.Go(func() error {
			i.located, said[n] = bs.locate(ctx, i.backend, i.To.Kind(), i.ID)
			return nil
		})
	}
	_ = g.Wait() // what went wrong is said
	return said
}

// locate asks a backend for something that is there and recorded nowhere.
func (bs *backends) locate(ctx context.Context, name, kind, id string) (providers.Located, diag.List) {
	var none providers.Located
	b := bs.all[name]
	what := b.description.Capabilities.Imports[kind]
	if what == "" {
		return none, diag.Errorf("Backend takes nothing over", "The provider %q of backend %q cannot import a %s.%s", b.provider, name, kind, whatItImports(b.description))
	}
	b, err := bs.open(ctx, name)
	if err != nil {
		return none, diag.From(err, "Backend cannot be opened")
	}
	importer, ok := b.handle.(providers.Importer)
	if !ok {
		return none, diag.Errorf("Backend takes nothing over", "The provider %q says that it can import a %s, and has no way to; that is a defect of the provider.", b.provider, kind)
	}
	out, err := importer.Locate(ctx, kind, id)
	err = bs.veil().Error(err)
	switch {
	case err == nil && out.Object.ID != "":
		return out, nil
	case err == nil:
		return none, diag.Errorf("Import failed", "The provider %q has found a %s without an id; that is a defect of the provider.", b.provider, kind)
	case errors.Is(err, errors.ErrUnsupported):
		return none, diag.Errorf("Backend takes nothing over", "The provider %q of backend %q cannot import a %s.", b.provider, name, kind)
	case providers.KindOf(err) == providers.NotFound:
		return none, diag.Errorf("Nothing is there to import", "%s The id of a %s on backend %q is %s.", sentence(capital(err.Error())), kind, name, what)
	}
	return none, diag.From(fmt.Errorf("look for %s %s on backend %q: %w", kind, id, name, err), "Import failed")
}

func whatItImports(d providers.Description) string {
	var kinds []string
	for _, kind := range addr.Kinds() {
		if d.Capabilities.Imports[kind] != "" {
			kinds = append(kinds, kind+"s")
		}
	}
	if len(kinds) == 0 {
		return " It imports nothing at all."
	}
	return " It imports " + join(kinds) + "."
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// adopt lets what was found count as recorded. It must not be recorded elsewhere, and nothing else there.
func (w *walk) adopt(i *imported, said diag.List) diag.List {
	about := func(list diag.List) diag.List { return list.At(&i.IDRange).For(i.To.String()) }
	switch recorded := w.state.Resource(i.To.String()); {
	case recorded != nil && (said.HasErrors() || i.located.Object.ID == recorded.ID):
		return nil // an import that was done says nothing any more
	case recorded != nil:
		return about(diag.Errorf("Another thing is recorded there", "%s is %s already. An address has one thing: import %s to another one, or take the former out of the state first:\n  dstack state rm %s",
			i.To, recorded.ID, i.ID, shellQuoted(i.To.String())))
	case said.HasErrors():
		return about(said)
	}
	if other := recordedAs(w.state, i.backend, i.To.Kind(), i.located.Object.ID); other != nil {
		return about(recordedElsewhere(i.Import, other))
	}
	for _, r := range w.byBlock[i.To.Block] {
		if r.imported != nil && r.imported.located.Object.ID == i.located.Object.ID && r.Kind == i.To.Kind() && r.Backend == i.backend {
			return about(diag.Errorf("One thing imported twice", "%s and %s are the same %s, which can be recorded once only.", r.imported.ID, i.ID, i.To.Kind()))
		}
	}
	var diags diag.List
	for _, text := range i.located.Warnings {
		diags = append(diags, about(diag.Warnf("Import has a limit", "%s", text))...)
	}
	res, err := importedResource(i.To, i.backend, i.located, w.state)
	if err != nil {
		return append(diags, about(diag.From(err, "Import failed"))...)
	}
	res.CreatedAt, res.Revision = w.now, 0
	read, err := decode([]*statefile.Resource{res})
	if err != nil {
		return append(diags, about(diag.From(err, "Import failed"))...)
	}
	rec := read[0]
	rec.seen, rec.presence, rec.unmoved, rec.imported = rec.value, providers.Present, true, i
	w.records[rec.Ref()] = rec
	w.byBlock[i.To.Block] = append(w.byBlock[i.To.Block], rec)
	w.known[i.To.Block.Block] = true
	return diags
}

// recordedElsewhere says how a thing that is recorded gets another address.
func recordedElsewhere(i config.Import, other *statefile.Resource) diag.List {
	return diag.Errorf("It is recorded already", "%s is recorded as %s. To have it under %s instead:\n  moved {\n    from = %s\n    to   = %s\n  }", i.ID, other.Address, i.To, other.Address, i.To)
}

// recordedAs is the record of an object that a backend knows by an id, nil if there is none.
func recordedAs(state *statefile.State, backend, kind, id string) *statefile.Resource {
	list := state.Resources()
	if at := slices.IndexFunc(list, func(r *statefile.Resource) bool { return r.ID == id && r.Kind == kind && r.Backend == backend }); at >= 0 {
		return list[at]
	}
	return nil
}

// mostNamed is how many addresses a command in a warning has.
const mostNamed = 10

// foreign warns of what other states have made and may still have recorded, once for each of them.
func foreign(list []*imported, lineage string) diag.List {
	var diags diag.List
	others := map[string][]*imported{}
	for _, i := range list {
		if l := i.located.Lineage; l != "" && l != lineage {
			others[l] = append(others[l], i)
		}
	}
	for _, other := range slices.Sorted(maps.Keys(others)) {
		list := others[other]
		var known []string
		for _, i := range list {
			known = append(known, i.located.Address)
		}
		slices.Sort(known)
		for n, address := range known {
			known[n] = shellQuoted(address)
		}
		if len(known) > mostNamed {
			known = append(known[:mostNamed], "...") // import.address of the plan's JSON has them all
		}
		is, it := list[0].To.String()+" is", "it"
		if n := len(list) - 1; n > 0 {
			is, it = fmt.Sprintf("%s and %d more are", list[0].To, n), "them"
		}
		at := list[0].IDRange
		said := diag.Warnf("Another state has made it", "What is imported to %s tagged as made by the state %s. If that still has %s recorded, both would change %s: take %s out there.\n  dstack state rm %s",
			is, other, it, it, it, strings.Join(known, " ")).For(list[0].To.String())
		if at.Filename != "" {
			said = said.At(&at)
		}
		diags = append(diags, said...)
	}
	return diags
}

// notWanted finds imports of what no block makes.
func (w *walk) notWanted() diag.List {
	var diags diag.List
	for _, rec := range w.records {
		i := rec.imported
		if i == nil || w.items[rec.addr] != nil && w.items[rec.addr].decl != nil || w.isDropped(rec.addr.Block.Block) {
			continue
		}
		why := "has no such repetition"
		if rec.addr.Block.Self() != rec.addr && w.hasRepetition(rec.addr.Block) {
			why = "has fewer instances"
		}
		diags = append(diags, diag.Errorf("Nobody wants what is imported", "%s is imported to %s, and %s %s, so that it would be destroyed at once. Change the block first.", i.ID, i.To, rec.addr.Block.Block, why).At(&i.ToRange).For(i.To.String())...)
	}
	return diags
}

// importing tells whether an item is taken over by this plan.
func (it *item) importing() bool { return it.rec != nil && it.rec.imported != nil }

// importOf writes down what is taken over.
func (it *item) importOf() *plan.Import {
	if !it.importing() {
		return nil
	}
	i := it.rec.imported
	return &plan.Import{ID: i.ID, Object: i.located.Object.ID, Backend: i.backend, Key: i.located.Key, Lineage: i.located.Lineage, Address: i.located.Address,
		Declared: fmt.Sprintf("%s:%d", i.Place.Filename, i.Place.Start.Line)}
}

// importedResource is the record of what was taken over, without secrets.
func importedResource(to addr.Resource, backend string, l providers.Located, state *statefile.State) (*statefile.Resource, error) {
	clean, err := diff.Redact(schema.KindObject(to.Kind()), cty.UnknownAsNull(l.Object.Value), state.Digest)
	if err != nil {
		return nil, fmt.Errorf("what was found cannot be recorded: %w", err)
	}
	text, err := schema.MarshalValue(clean.V)
	if err != nil {
		return nil, fmt.Errorf("what was found cannot be recorded: %w", err)
	}
	ref := statefile.Ref{Address: to.String()}
	out := &statefile.Resource{Address: ref.Address, Kind: to.Kind(), Backend: backend, ID: l.Object.ID, Status: desired.Text(clean.V, "status"), Tainted: l.Object.Tainted,
		Schema: 1, Attributes: text, Private: l.Object.Private, Key: l.Key, Revision: state.NextRevision(ref)}
	if len(clean.Digests) > 0 {
		out.Secrets = clean.Digests
	}
	return out, nil
}
