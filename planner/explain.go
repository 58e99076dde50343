package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// Explain asks a plan where something comes from. Of are addresses of blocks or resources, each with an attribute behind it or
// without one: volume.data, volume.data.size, task.train.job[0].resources.gpu.
type Explain struct {
	Of    []string
	Found []plan.Explanation // the answer
}

// explain answers what was asked for. It must come after the document.
func (w *walk) explain(p *plan.Plan) {
	if w.opts.Explain == nil {
		return
	}
	w.opts.Explain.Found = nil
	changes := map[string]*plan.Change{}
	for _, c := range p.Changes {
		if c.Deposed == "" {
			changes[c.Address] = c
		}
	}
	for _, text := range w.opts.Explain.Of {
		s, path, ok := explained(text)
		var found []*item
		for _, it := range w.order {
			if ok && s.Contains(it.addr) && (it.rec == nil || it.rec.Deposed == "") && (it.kind != addr.KindSupport || s.Resource() == it.addr) {
				found = append(found, it)
			}
		}
		if len(found) == 0 {
			var known []string
			for _, it := range w.order {
				known = append(known, it.name)
			}
			w.diags = append(w.diags, diag.Errorf("Nothing to explain", "%s is no resource of the configuration or the state, and no attribute of one.%s Write an address, with an attribute behind it or without one:\n  --explain volume.data.size", text, schema.DidYouMean(text, known))...)
			continue
		}
		before := len(w.opts.Explain.Found)
		for _, it := range found {
			if e, ok := w.explanation(it, changes[it.name], path); ok {
				w.opts.Explain.Found = append(w.opts.Explain.Found, e)
			}
		}
		if len(w.opts.Explain.Found) == before {
			o := found[0].object
			w.diags = append(w.diags, diag.Errorf("Nothing to explain", "A %s has no attribute %q.%s", found[0].kind, path, schema.DidYouMean(path, o.Names()))...)
		}
	}
}

// explained takes an address and an attribute apart.
func explained(text string) (addr.Subject, string, bool) {
	if s, err := addr.ParseSubject(text); err == nil {
		return s, "", true
	}
	for i := len(text) - 1; i > 0; i-- { // the longest address that there can be
		if text[i] != '.' {
			continue
		}
		if s, err := addr.ParseSubject(text[:i]); err == nil {
			return s, text[i+1:], true
		}
	}
	return addr.Subject{}, "", false
}

// explanation explains one resource: one attribute, or all that changes, or all that is written where nothing does.
func (w *walk) explanation(it *item, c *plan.Change, path string) (plan.Explanation, bool) {
	out := plan.Explanation{Address: it.name, Action: it.action, Reason: it.reason}
	if c != nil {
		out.Reason = c.Reason
	} else if it.note != "" {
		out.Reason = it.note
	}
	var diffs []plan.AttrDiff
	if c != nil {
		diffs = c.Diff
	}
	if path != "" {
		root, _, _ := strings.Cut(path, ".")
		root, _, _ = strings.Cut(root, "[")
		if it.object.Attr(root) == nil {
			return out, false
		}
		diffs = slices.DeleteFunc(slices.Clone(diffs), func(d plan.AttrDiff) bool { return !diff.Under(d.Path, path) && !diff.Under(path, d.Path) })
		if len(diffs) == 0 {
			diffs = []plan.AttrDiff{w.asItIs(it, path)}
		}
	} else if len(diffs) == 0 && it.planned != cty.NilVal {
		for _, a := range it.object.Attrs {
			if v := it.planned.GetAttr(a.Name); a.Configured() && isGiven(v) && w.isWritten(it, a.Name) {
				diffs = append(diffs, w.asItIs(it, a.Name))
			}
		}
	}
	if path == "" && it.action == plan.Create {
		diffs = slices.DeleteFunc(slices.Clone(diffs), func(d plan.AttrDiff) bool { return !w.isWritten(it, d.Path) })
	}
	for _, d := range diffs {
		e := plan.Explained{Path: d.Path, Before: d.Before, After: d.After, Unknown: d.Unknown, Sensitive: d.Sensitive}
		if it.action.IsReplace() {
			e.Forces, e.Why = d.Forces, d.Why
		}
		e.Chain = w.chain(it, d)
		out.Attributes = append(out.Attributes, e)
	}
	return out, true
}

// isWritten tells whether a block or its profile says an attribute.
func (w *walk) isWritten(it *item, name string) bool {
	if it.decl == nil {
		return false
	}
	if p := w.profileBlock(it.decl); p != nil && hasValue(p.Value, name) {
		return true
	}
	_, _, written := it.decl.Origin(name)
	return written
}

// asItIs is an attribute that does not change.
func (w *walk) asItIs(it *item, path string) plan.AttrDiff {
	out := plan.AttrDiff{Path: path}
	if it.planned == cty.NilVal {
		return out
	}
	clean, err := diff.Redact(it.object, it.planned, w.state.Digest)
	if err != nil {
		return out
	}
	out.Sensitive = slices.ContainsFunc(clean.Sensitive, func(p string) bool { return diff.Under(p, path) || diff.Under(path, p) })
	out.Unknown = slices.Contains(clean.Unknown, path)
	if v, ok := diff.Get(clean.Known(), path); ok && !out.Sensitive && !v.IsNull() {
		if raw, err := schema.MarshalValue(v); err == nil {
			out.Before, out.After = raw, raw
		}
	}
	return out
}

// chain says where an attribute has its value from.
func (w *walk) chain(it *item, d plan.AttrDiff) []plan.Link {
	root, _, _ := strings.Cut(d.Path, ".")
	root, _, _ = strings.Cut(root, "[")
	a := it.object.Attr(root)
	out := w.driftOf(it, d.Path)
	if it.decl != nil {
		if steps := it.decl.Trace(d.Path); len(steps) > 0 {
			return append(out, links(steps, d.Sensitive)...)
		}
		if p := w.profileBlock(it.decl); p != nil && hasValue(p.Value, root) {
			out = append(out, plan.Link{Text: p.Addr.String() + " says it", From: p.Addr.String()})
			for _, l := range links(p.Trace(d.Path), d.Sensitive) {
				l.Depth++
				out = append(out, l)
			}
			return out
		}
	}
	return append(out, w.unwritten(it, a))
}

// unwritten says where a value comes from that nobody wrote.
func (w *walk) unwritten(it *item, a *schema.Attribute) plan.Link {
	switch {
	case a == nil:
		return plan.Link{Text: "not written"}
	case a.Placed && it.offer != nil:
		return plan.Link{Text: fmt.Sprintf("from the offer %s %s in %s", it.offer.Backend, it.offer.InstanceType, it.offer.Region), From: "placement"}
	case a.Placed && it.placement != nil:
		return plan.Link{Text: "from its place on " + it.placement.Instance, From: "placement"}
	case !a.Configured() && it.exists() && !it.comes():
		return plan.Link{Text: "as the provider of backend " + it.backend + " reports it", From: "provider"}
	case !a.Configured():
		return plan.Link{Text: "the provider of backend " + it.backend + " decides it", From: "provider"}
	case a.Default != "":
		return plan.Link{Text: "not written; the default is " + a.Default, From: "default"}
	case it.decl == nil:
		return plan.Link{Text: "nobody wants it any more"}
	}
	return plan.Link{Text: "not written in " + it.decl.Addr.String() + "; it follows from the rest of the block", Place: it.place()}
}

// driftOf says what a provider reports otherwise than it was recorded.
func (w *walk) driftOf(it *item, path string) []plan.Link {
	if it.rec == nil || it.rec.presence != providers.Present || it.rec.unmoved {
		return nil
	}
	was, had := diff.Get(it.rec.value, path)
	is, has := diff.Get(it.rec.seen, path)
	if !had || !has || was.RawEquals(is) {
		return nil
	}
	return []plan.Link{{Text: fmt.Sprintf("changed outside of dstack: %s was recorded, and %s is there", textOf(was), textOf(is)), From: "drift"}}
}

// profileBlock is the profile that stands in where a block is silent, nil if there is none.
func (w *walk) profileBlock(d *config.Decoded) *config.Decoded {
	name := desired.Text(d.Value, "profile")
	if name == "" {
		return w.profiles.standIn(d.Addr.Module)
	}
	for _, p := range w.all {
		if p.Addr.Type == "profile" && name == p.Addr.String() {
			return p
		}
	}
	return nil
}

func hasValue(v cty.Value, name string) bool {
	return v.Type().HasAttribute(name) && isGiven(v.GetAttr(name))
}

// links are the steps of a trace as a plan has them. What is secret shows its places alone.
func links(steps []config.Trace, secret bool) []plan.Link {
	var out []plan.Link
	for _, s := range steps {
		l := plan.Link{Depth: s.Depth, Name: s.Name, Text: s.Text, From: s.From}
		if s.Place.Filename != "" {
			l.Place = fmt.Sprintf("%s:%d", s.Place.Filename, s.Place.Start.Line)
		}
		if secret && s.Name == "" {
			l.Text = ""
		}
		if s.Value != cty.NilVal {
			switch plain, _ := s.Value.UnmarkDeep(); {
			case s.Value.ContainsMarked():
				l.Value = "(sensitive)"
			case plain.IsWhollyKnown():
				raw, err := schema.MarshalValue(plain)
				if err == nil {
					l.Value = string(raw)
				}
			}
		}
		out = append(out, l)
	}
	return out
}
