package planner

import (
	"context"
	"slices"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/policy"
	"github.com/dstackai/dstack-planner/statefile"
)

// Validate checks everything that can be checked without a state and without any cloud: all blocks, the order of them,
// and what each backend's provider says of its settings. A provider that is known is not started for that.
func (p *Planner) Validate(ctx context.Context) diag.List {
	list := p.Config.Validate()
	if list.HasErrors() {
		return list
	}
	_, ds := p.Config.Order()
	list = append(list, ds...)
	list = append(list, policy.Check(p.rules()...)...)
	if list.HasErrors() {
		return p.explained(list)
	}
	empty := statefile.New("", nil)
	blocks, ds := p.backendBlocks(p.Scope(empty))
	list = append(list, ds...)
	if !list.HasErrors() {
		_, ds = p.collect(ctx, empty, blocks, p.needsBackend())
		list = append(list, ds...)
	}
	return p.explained(list)
}

// declared are the backends of the configuration, as far as they can be evaluated; none without a configuration.
func (p *Planner) declared(state *statefile.State) map[string]backendBlock {
	if p.Config == nil {
		return nil
	}
	blocks, _ := p.backendBlocks(p.Scope(state)) // what is wrong with one is told by plan; its recorded configuration stands in
	return blocks
}

// ProviderNames lists the providers that the configuration uses, in order.
func (p *Planner) ProviderNames() ([]string, error) {
	blocks, diags := p.backendBlocks(p.Scope(statefile.New("", nil)))
	if err := diags.Err(); err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, b := range blocks {
		names[b.provider] = true
	}
	if len(blocks) == 0 && p.needsBackend() {
		names[defaultBackend] = true
	}
	return sortedKeys(names), nil
}

// distinct leaves out what has been said already: blocks are evaluated in both walks.
func distinct(l diag.List) diag.List {
	type saying struct {
		summary, detail, address string
		place                    diag.Range
	}
	seen := make(map[saying]bool, len(l))
	return slices.DeleteFunc(slices.Clone(l), func(d *diag.Diagnostic) bool {
		s := saying{summary: d.Summary, detail: d.Detail, address: d.Address}
		if d.Range != nil {
			s.place = *d.Range
		}
		again := seen[s]
		seen[s] = true
		return again
	})
}
