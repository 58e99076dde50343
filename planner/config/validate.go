package config

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
)

// Validate evaluates every block as far as that is possible without resources: what other blocks are worth is unknown.
// It finds what Load does not look at, such as a text that breaks its grammar, and is meant for a Config that Load
// reported no errors for.
func (c *Config) Validate() diag.List {
	var list diag.List
	var decoded []*Decoded
	for _, b := range c.blocks {
		switch {
		case b.Type.Name == "module":
			continue // what is in it is evaluated
		case b.Type.Name == "output" && b.module == c.main:
			_, ds := c.EvaluateOutput(b, nil)
			list = append(list, ds...)
			continue
		case b.Type.Name == "output":
			continue // CheckModules evaluates it
		}
		if b.Type.Name == "check" {
			_, ds := c.EvaluateCheck(b, nil)
			list = append(list, ds...)
			continue
		}
		instances, deferred, ds := c.Repetition(b, nil)
		list = append(list, ds...)
		for _, d := range deferred {
			instances = append(instances, Instance{Addr: d.Block.Instance(addr.NoKey), Block: b, in: d.site, unknown: true})
		}
		for _, inst := range instances {
			d, ds := c.Decode(inst, nil)
			if !ds.HasErrors() {
				decoded = append(decoded, d)
				ds = append(ds, d.advise()...)
			}
			list = append(list, ds...)
			if len(d.perJob) > 0 {
				_, ds = d.job(cty.UnknownVal(cty.Number), cty.UnknownVal(cty.Number), cty.UnknownVal(cty.Number))
				list = append(list, ds...)
			}
		}
	}
	list = append(list, c.CheckModules(nil)...)
	list = append(list, CheckNames(decoded)...)
	list = append(list, CheckDefaults(decoded)...)
	_, ds := c.Imports()
	list = append(list, ds...)
	c.Snippets(list)
	list = FoldConditions(once(list))
	list.Sort()
	return list
}

// once keeps the first of diagnostics that say the same of the same place, as for each repetition of a block.
func once(list diag.List) diag.List {
	type key struct {
		at              diag.Range
		summary, detail string
	}
	seen := make(map[key]bool, len(list))
	out := list[:0:0]
	for _, d := range list {
		if d.Range != nil {
			k := key{*d.Range, d.Summary, d.Detail}
			if seen[k] {
				continue
			}
			seen[k] = true
		}
		out = append(out, d)
	}
	return out
}

// CheckNames finds blocks that have the same name. Runs share their names; fleets, volumes and gateways have each
// their own.
func CheckNames(decoded []*Decoded) diag.List {
	type name struct{ kind, text string }
	first := map[name]*Decoded{}
	said := map[[2]*Block]bool{} // one error is enough for all repetitions of two blocks
	var list diag.List
	for _, d := range decoded {
		if d.Name == "" {
			continue
		}
		k := name{d.Addr.Type, d.Name}
		switch d.Addr.Type {
		case "task", "service", "dev_environment":
			k.kind = "run"
		}
		other, twice := first[k]
		if !twice {
			first[k] = d
			continue
		}
		if pair := [2]*Block{other.Block, d.Block}; said[pair] {
			continue
		} else {
			said[pair] = true
		}
		at, _, ok := d.Origin("name")
		if !ok {
			at = d.Block.DefRange
		}
		hint := fmt.Sprintf("Give one of them another name:\n  name = %q", d.Name+"-2")
		if d.Block == other.Block {
			hint = "The name of a block with count or for_each mentions count.index or each.key, or is left out."
		}
		for _, one := range []*Decoded{other, d} {
			if one.NameKept {
				hint = fmt.Sprintf("%s moved and has kept the name that it had before. %s", one.Addr, hint)
			}
		}
		list = append(list, diag.Errorf("Name stands twice", "%s and %s are both called %q, and names are unique. %s", other.Addr, d.Addr, d.Name, hint).At(&at).For(d.Addr.String())...)
	}
	return list
}
