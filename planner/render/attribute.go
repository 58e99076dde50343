package render

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
)

// attributes are the differences, and on what comes what a reader must know of it.
func (v *changeView) attributes(c *plan.Change, s shown) []field {
	o := schema.KindObject(c.Kind)
	var out []field
	room := v.o.width() - fieldIndent - labelWidth - 2
	one := forcing(c.Diff) == 1
	if s != showCreate && s != showDestroy {
		for _, d := range c.Diff {
			switch {
			case d.MovedFrom != "":
			case d.MovedTo != "":
				out = append(out, v.movedField(o, c, d, one, room))
			default:
				out = append(out, v.diffField(o, c, d, one, room))
			}
		}
	}
	if s == showCreate && v.o.Verbose {
		out = append(out, v.allAttributes(o, c, room)...)
	}
	if s == showCreate || c.Action.IsReplace() {
		out = append(out, mounts(c)...)
		out = append(out, secrets(c, s)...)
		if later := configured(o, c.AfterUnknown); len(later) > 0 && s == showCreate {
			out = append(out, field{label: "later", lines: knownLater(c, later)})
		}
	}
	return out
}

// knownLater says what is known after apply: what waits for the same thing together, and what nothing in the configuration decides
// first.
func knownLater(c *plan.Change, paths []string) []string {
	waiting := map[string][]string{}
	var order []string
	for _, p := range paths {
		on := clean(c.WaitsFor[p])
		if waiting[on] == nil {
			order = append(order, on)
		}
		waiting[on] = append(waiting[on], clean(p))
	}
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(min(len(a), 1), min(len(b), 1)) })
	var out []string
	for _, on := range order {
		text := strings.Join(waiting[on], ", ") + ": known after apply"
		if on != "" {
			text += ", from " + on
		}
		out = append(out, text)
	}
	return out
}

// movedText says where a value has gone that is nowhere else in what goes.
func movedText(d plan.AttrDiff) string {
	text := "is now " + label(d.MovedTo)
	if strings.HasSuffix(d.Path, `"]`) {
		text += ", with the same value"
	}
	return text
}

// movedField says where a value has gone: a key of a map has its name to be known by, an element of a list its value.
func (v *changeView) movedField(o *schema.Object, c *plan.Change, d plan.AttrDiff, one bool, room int) field {
	f := v.diffField(o, c, d, one, room)
	f.marker, f.pair, f.verbatim = "~", false, false
	text := movedText(d)
	if !strings.HasSuffix(d.Path, `"]`) {
		text += ": " + shorten(valueText(d.Path, d.Before, false), room-displayWidth(text+": "), 0)
	}
	f.lines = []string{text}
	return f
}

func forcing(diffs []plan.AttrDiff) int {
	n := 0
	for _, d := range diffs {
		if d.Forces {
			n++
		}
	}
	return n
}

func (v *changeView) diffField(o *schema.Object, c *plan.Change, d plan.AttrDiff, one bool, room int) field {
	root := d.Path
	if i := strings.IndexAny(root, ".["); i >= 0 {
		root = root[:i]
	}
	a := o.Attr(root)
	bare := a != nil && !a.Configured()
	f := field{marker: "~", label: label(d.Path), lines: diffLines(d, bare, room), address: true}
	switch {
	case d.Before == nil && !d.Unknown, d.Before == nil && d.Unknown:
		f.marker = "+"
	case d.After == nil && !d.Unknown:
		f.marker = "-"
	}
	f.verbatim = byText(d)
	if v.o.document && !bare && !f.verbatim && !d.Sensitive && !d.Unknown && d.Before != nil && d.After != nil {
		before, after := valuePair(d, bare, room)
		f.pair, f.lines = true, []string{before, after}
	}
	// A reason that names the path has said what forces; several that force are each marked.
	f.forces = d.Forces && (!one || !strings.Contains(c.Reason, d.Path)) && c.Action.IsReplace()
	if on := c.WaitsFor[d.Path]; on != "" && d.Unknown {
		f.lines = append(f.lines, "(from "+clean(on)+")")
	}
	if d.Applied != nil && !d.Sensitive {
		f.lines = append(f.lines, "("+shorten(valueText(d.Path, d.Applied, bare), room, 0)+" was applied; changed outside of dstack)")
	}
	if d.Why != "" && !strings.Contains(c.Reason, d.Why) {
		f.lines = append(f.lines, "("+clean(d.Why)+")")
		if f.forces {
			f.forces = false
			f.lines[len(f.lines)-1] += "  # forces replacement"
		}
	}
	return f
}

func (v *changeView) allAttributes(o *schema.Object, c *plan.Change, room int) []field {
	var attrs map[string]json.RawMessage
	if json.Unmarshal(c.After, &attrs) != nil {
		return nil
	}
	var out []field
	for _, a := range o.Attrs {
		raw, ok := attrs[a.Name]
		if !ok || !a.Configured() || slices.ContainsFunc(c.Sensitive, func(p string) bool { return rootOf(p) == a.Name }) {
			continue
		}
		d := plan.AttrDiff{Path: a.Name, After: raw}
		f := field{marker: "+", label: label(a.Name), lines: diffLines(d, false, room), address: true}
		_, f.verbatim = textDiff(nil, raw)
		out = append(out, f)
	}
	return out
}

func rootOf(path string) string {
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return path
}

// configured keeps of unknown paths those that somebody wrote; a provider's own are always known later.
func configured(o *schema.Object, paths []string) []string {
	var out []string
	for _, p := range paths {
		if a := o.Attr(rootOf(p)); a != nil && a.Configured() {
			out = append(out, p)
		}
	}
	return out
}

func mounts(c *plan.Change) []field {
	if c.Kind != addr.KindJob {
		return nil
	}
	var job struct {
		Volumes []struct {
			Volume       []string `json:"volume"`
			InstancePath string   `json:"instance_path"`
			Path         string   `json:"path"`
		} `json:"volumes"`
	}
	if json.Unmarshal(c.After, &job) != nil || len(job.Volumes) == 0 {
		return nil
	}
	var parts []string
	for _, m := range job.Volumes {
		what := strings.Join(m.Volume, " or ")
		if m.InstancePath != "" {
			what = "the instance's " + m.InstancePath
		}
		parts = append(parts, clean(what)+" at "+clean(m.Path))
	}
	return []field{{label: "mounts", lines: []string{strings.Join(parts, ", ")}, address: true}}
}

// secrets names the sensitive leaves, whose values nobody may see.
func secrets(c *plan.Change, s shown) []field {
	var env, other []string
	for _, p := range c.Sensitive {
		if slices.ContainsFunc(c.Diff, func(d plan.AttrDiff) bool { return d.Path == p }) {
			continue
		}
		if key, ok := strings.CutPrefix(p, `env["`); ok && strings.HasSuffix(key, `"]`) {
			env = append(env, clean(strings.TrimSuffix(key, `"]`)))
		} else {
			other = append(other, clean(p))
		}
	}
	note := " (sensitive, unchanged)"
	if s == showCreate {
		note = " (sensitive)"
	}
	var out []field
	if len(env) > 0 {
		out = append(out, field{label: "env", lines: []string{strings.Join(env, ", ") + note}})
	}
	if len(other) > 0 {
		out = append(out, field{label: "secret", lines: []string{strings.Join(other, ", ") + note}})
	}
	return out
}
