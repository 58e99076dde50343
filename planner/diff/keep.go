package diff

import (
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema"
)

// IgnoreAll in Options.Ignore stands for every attribute.
const IgnoreAll = "all"

// keep completes want by what stays as it is in prior.
func keep(o *schema.Object, prior, want Value, ignore []string) Value {
	if prior.V == cty.NilVal || prior.V.IsNull() || want.V.IsNull() || !want.V.IsKnown() {
		return want
	}
	all := slices.Contains(ignore, IgnoreAll)
	attrs := make(map[string]cty.Value, len(o.Attrs))
	var taken []string
	same := want.V.Type().Equals(o.Type())
	for _, a := range o.Attrs {
		w := attr(want.V, a)
		attrs[a.Name] = w
		kept := w.IsKnown() && w.IsNull() && (a.Kept || !a.Configured()) && !want.hidden(a.Name)
		if kept || all && a.Configured() {
			p := attr(prior.V, a)
			attrs[a.Name] = p
			taken = append(taken, a.Name)
			same = same && kept && p.IsNull()
		}
	}
	out := want
	if !same {
		out.V = cty.ObjectVal(attrs)
	}
	if !all {
		for _, path := range ignore {
			old, ok := Get(prior.V, path)
			if !ok {
				old = cty.NilVal
			}
			// A path that leads nowhere ignores nothing; the configuration's own check reports it.
			if v, err := Set(out.V, path, old); err == nil {
				out.V = v
				taken = append(taken, path)
			}
		}
	}
	if len(taken) == 0 {
		return out
	}
	return out.takeOver(prior, taken)
}

// takeOver exchanges what is said about the leaves below roots for what prior says.
func (v Value) takeOver(prior Value, roots []string) Value {
	below := func(p string) bool {
		return slices.ContainsFunc(roots, func(root string) bool { return Under(p, root) })
	}
	if len(v.Digests) > 0 || len(prior.Digests) > 0 {
		digests := map[string]string{}
		maps.Copy(digests, v.Digests)
		maps.DeleteFunc(digests, func(p, _ string) bool { return below(p) })
		for p, d := range prior.Digests {
			if below(p) {
				digests[p] = d
			}
		}
		v.Digests = digests
		sensitive := slices.DeleteFunc(slices.Clone(v.Sensitive), below)
		for p := range digests {
			if !slices.Contains(sensitive, p) {
				sensitive = append(sensitive, p)
			}
		}
		slices.Sort(sensitive)
		v.Sensitive = sensitive
	}
	v.Unknown = slices.DeleteFunc(slices.Clone(v.Unknown), below)
	return v
}
