package planner

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/draft"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/statefile"
)

// Draft is the text of blocks that the configuration lacks.
type Draft struct {
	Text   []byte
	Blocks []addr.Block
}

// Draft writes the blocks that the blocks `import` of a configuration speak of and that it does not have, from what is there.
// There are none where each import has its block. The name is that of the file that the text is for.
func (p *Planner) Draft(ctx context.Context, state *statefile.State, name string, parallelism int) (Draft, diag.List) {
	imports, diags := p.Config.Imports()
	moved, ds := p.relocate(state)
	if diags = append(diags, ds...); diags.HasErrors() {
		return Draft{}, diags
	}
	imports = slices.DeleteFunc(imports, func(i config.Import) bool {
		return moved.state.Resource(i.To.String()) != nil || p.Config.Block(i.To.Block.Block) != nil
	})
	if len(imports) == 0 {
		return Draft{}, nil
	}
	bs, ds := p.reach(ctx, moved.state)
	if ds.HasErrors() {
		return Draft{}, append(diags, ds...)
	}
	defer bs.close()
	var missing []*imported
	for _, i := range imports {
		backend, ds := p.importedOn(&earlyBlocks{p: p}, i, bs)
		if diags = append(diags, ds.At(&i.ToRange).For(i.To.String())...); !ds.HasErrors() {
			missing = append(missing, &imported{Import: i, backend: backend})
		}
	}
	for n, ds := range bs.locateAll(ctx, missing, parallelism) {
		i := missing[n]
		if other := recordedAs(moved.state, i.backend, i.To.Kind(), i.located.Object.ID); other != nil && !ds.HasErrors() {
			ds = append(ds, recordedElsewhere(i.Import, other)...)
		}
		diags = append(diags, ds.At(&i.IDRange).For(i.To.String())...)
	}
	if diags.HasErrors() {
		return Draft{}, p.explained(diags)
	}
	out, ds := p.draft(name, bs, missing)
	out.Text = append([]byte(draft.Header), out.Text...)
	return out, p.explained(append(diags.Warnings(), ds...))
}

// draft writes the blocks of things that were found.
func (p *Planner) draft(name string, bs *backends, found []*imported) (Draft, diag.List) {
	var things []draft.Thing
	for _, i := range found {
		t := draft.Thing{To: i.To, Value: i.located.Object.Value}
		if i.ToRange.Filename != "" {
			t.At = &i.ToRange
		}
		if len(bs.declaredNames())+len(bs.deferred) == 1 {
			t.Backend = i.backend
		}
		if region, only := bs.all[i.backend].region(); only {
			t.Region = region
		}
		things = append(things, t)
	}
	profiles := slices.ContainsFunc(p.Config.Blocks(), func(b *config.Block) bool { return b.Type.Name == "profile" })
	var out Draft
	var diags diag.List
	out.Text, out.Blocks, diags = draft.Write(name, things, draft.Options{Profiles: profiles})
	return out, diags
}

// reach takes over all backends, to ask them for what is recorded nowhere.
func (p *Planner) reach(ctx context.Context, state *statefile.State) (*backends, diag.List) {
	blocks, diags := p.backendBlocks(p.Scope(state))
	if diags.HasErrors() {
		return nil, diags
	}
	bs, ds := p.collect(ctx, state, blocks, true)
	return bs, append(diags, ds...)
}

// Taken is what ImportRecorded has found.
type Taken struct {
	Resource *statefile.Resource
	Backend  *statefile.Backend // that it is on, to be recorded before it
}

// ImportRecorded finds one thing that exists and is recorded nowhere, for the command import, and takes it over unless it is a
// dry run. What it returns is to be recorded by the caller, who holds the lock.
func (p *Planner) ImportRecorded(ctx context.Context, state *statefile.State, i config.Import, dryRun bool, changed statefile.Changed) (Taken, diag.List) {
	about := func(list diag.List) diag.List { return list.For(i.To.String()) }
	if r := state.Resource(i.To.String()); r != nil {
		return Taken{}, about(diag.Errorf("Something is recorded there", "%s is %s on backend %q. An address has one thing: import to another one, or take the former out of the state first:\n  dstack state rm %s",
			i.To, r.ID, r.Backend, shellQuoted(i.To.String())))
	}
	block := p.Config.Block(i.To.Block.Block)
	if block != nil {
		if diags := p.noRepetition(block, i.To.Block); diags.HasErrors() {
			return Taken{}, p.explained(diags)
		}
	}
	bs, diags := p.reach(ctx, state)
	if diags.HasErrors() {
		return Taken{}, p.explained(diags)
	}
	defer bs.close()
	early := earlyBlocks{p: p}
	backend, ds := p.importedOn(&early, i, bs)
	if diags = append(diags, about(ds)...); diags.HasErrors() {
		return Taken{}, diags
	}
	found := &imported{Import: i, backend: backend}
	if found.located, ds = bs.locate(ctx, backend, i.To.Kind(), i.ID); ds.HasErrors() {
		return Taken{}, append(diags, about(ds)...)
	}
	if other := recordedAs(state, backend, i.To.Kind(), found.located.Object.ID); other != nil {
		return Taken{}, append(diags, about(diag.Errorf("It is recorded already", "%s is recorded as %s. To have it under %s instead:\n  dstack state mv %s %s",
			i.ID, other.Address, i.To, shellQuoted(other.Address), shellQuoted(i.To.String())))...)
	}
	if block == nil {
		return Taken{}, append(diags, about(p.missing(bs, found))...)
	}
	diags = append(diags, foreign([]*imported{found}, state.Lineage())...)
	for _, text := range found.located.Warnings {
		diags = append(diags, about(diag.Warnf("Import has a limit", "%s", text))...)
	}
	if !dryRun {
		as := providers.Adoption{Address: i.To.String(), Lineage: state.Lineage(), Key: state.ImportKey(i.To.String(), state.Head())}
		var err error
		if found.located, err = bs.all[backend].handle.(providers.Importer).Adopt(ctx, i.To.Kind(), i.ID, as); err != nil {
			err = bs.veil().Error(err)
			return Taken{}, append(diags, about(diag.From(fmt.Errorf("take over %s on backend %q: %w", i.ID, backend, err), "Import failed"))...)
		}
	}
	res, err := importedResource(i.To, backend, found.located, state)
	if err != nil {
		return Taken{}, append(diags, about(diag.From(err, "Import failed"))...)
	}
	if d := early.decoded(i.To.Block); d != nil {
		res.Protected = d.Meta.PreventDestroy
	}
	res.Changed, res.CreatedAt = changed, p.Now().UTC()
	res.Declared = statefile.Declared{File: block.DefRange.Filename, Line: block.DefRange.Start.Line}
	kept := bs.all[backend].planned(state.Digest)
	return Taken{res, &statefile.Backend{Provider: kept.Provider, Version: kept.Version, Identity: kept.Identity, Config: kept.Config, Secrets: kept.Secrets, Changed: changed}}, diags
}

// missing says which block is to be written for something that was found.
func (p *Planner) missing(bs *backends, found *imported) diag.List {
	d, diags := p.draft("the block", bs, []*imported{found})
	if diags.HasErrors() {
		return diags
	}
	text := strings.ReplaceAll(strings.TrimSpace(string(d.Text)), "\n", "\n  ")
	return diag.Errorf("There is no block for it", "%s is there, and there is no block %s that wants it. Write this one, and import again:\n  %s", found.ID, found.To.Block.Block, text)
}

// noRepetition refuses the address of a repetition that a block does not have: what is there would be destroyed by the next plan.
func (p *Planner) noRepetition(block *config.Block, a addr.Instance) diag.List {
	instances, deferred, diags := p.Config.Repetition(block, nowhere{})
	if len(deferred) > 0 || diags.HasErrors() || slices.ContainsFunc(instances, func(i config.Instance) bool { return i.Addr == a }) {
		return nil // or it is not known
	}
	var have []string
	for _, i := range instances {
		have = append(have, i.Addr.String())
	}
	there := "It has none at all."
	if len(have) > 0 {
		there = "It has " + join(have) + "."
	}
	return diag.Errorf("There is no block for it", "%s has no repetition %s. %s What is imported there would be destroyed by the next plan.", a.Block, a, there).At(&block.DefRange).For(a.String())
}
