package render

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
)

// changeView makes blocks of changes. It holds what a change needs of the rest of the plan.
type changeView struct {
	o        Options
	p        *plan.Plan
	supports map[string][]*plan.Change // by owner
	deletes  map[string]int            // the step that deletes an address
	changes  map[string]*plan.Change
	joins    map[int]*endings // what ends before a step that only joins others
}

func (v *changeView) block(c *plan.Change) *block {
	base, key := splitAddress(c.Address)
	b := &block{base: base, keys: []string{key}, action: shownOf(c), risk: c.DataAtRisk != ""}
	b.title = title(c, b.action)
	b.fields = append(b.fields, v.because(c)...)
	b.fields = append(b.fields, v.what(c, b.action)...)
	b.fields = append(b.fields, v.attributes(c, b.action)...)
	b.fields = append(b.fields, v.offer(c)...)
	b.fields = append(b.fields, v.place(c, b.action)...)
	b.fields = append(b.fields, v.first(c)...)
	b.fields = append(b.fields, v.supportFields(c.Address, v.o.Verbose)...)
	if n := c.UnchangedAttrs; n > 0 && (b.action == showUpdate || b.action == showRecord || c.Action.IsReplace()) {
		b.fields = append(b.fields, field{lines: []string{"# " + Count(n, "attribute") + " unchanged"}})
	}
	return b
}

func title(c *plan.Change, s shown) string {
	text := map[shown]string{
		showDestroy: "will be destroyed", showReplace: "must be replaced", showReplaceNewFirst: "must be replaced, new one first",
		showForget: "will be forgotten; it goes on outside of this state", showUpdate: "will be updated in place", showCreate: "will be created",
		showRecord: "will be updated in the record alone",
	}[s]
	switch {
	case s == showInFlight && c.InFlight.Found:
		text = "is in flight: adopt"
	case s == showInFlight:
		text = "is in flight: " + verb(c.Action) + " again"
	case s == showMove:
		return "was " + clean(c.PreviousAddress) + ": only its address changes"
	case c.Deposed != "":
		text = "(old one " + clean(c.Deposed) + ") " + text
	}
	if c.PreviousAddress != "" {
		text += " (was " + clean(c.PreviousAddress) + ")"
	}
	return text
}

func verb(a plan.Action) string {
	if a.IsReplace() {
		return "replace"
	}
	return string(a)
}

// because is the reason and the places where it comes from, those of the reason itself left out.
func (v *changeView) because(c *plan.Change) []field {
	var lines []string
	if c.Reason != "" {
		lines = append(lines, clean(c.Reason))
	} else if f := c.InFlight; f != nil {
		lines = append(lines, fmt.Sprintf("%s was at it when it was cut off %s", clean(f.By), clock(f.Since, v.p.CreatedAt)))
	}
	var seen []string
	for _, cause := range c.Cause {
		var parts []string
		if cause.Place != "" && !strings.Contains(c.Reason, cause.Place) {
			parts = append(parts, clean(cause.Place))
		}
		if cause.From != "" && !strings.Contains(c.Reason, cause.From) {
			parts = append(parts, "from "+clean(cause.From))
		}
		line := strings.Join(parts, ", ")
		if line == "" || slices.Contains(seen, line) {
			continue
		}
		seen = append(seen, line)
		if len(c.Cause) > 1 && cause.Attribute != "" {
			line = clean(cause.Attribute) + ": " + line
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return nil
	}
	fields := []field{{label: "because", lines: lines, address: true}}
	if f := c.InFlight; f != nil && f.Found {
		where := strings.TrimSpace(clean(c.Backend) + " " + clean(c.Zone))
		fields = append(fields, field{label: "found", lines: []string{strings.TrimSpace(where+" "+clean(f.ID)) + ", tagged as ours; it is kept"}})
	}
	return fields
}

// what says in a line what goes, or what comes where no offer says it.
func (v *changeView) what(c *plan.Change, s shown) []field {
	raw := c.After
	if s == showDestroy || s == showForget {
		raw = c.Before
	} else if s != showCreate {
		return nil
	}
	var text, name string
	switch c.Kind {
	case addr.KindVolume:
		var vol struct {
			Size, Region, Zone, VolumeID string
			Backend                      string
		}
		fill(raw, map[string]*string{"size": &vol.Size, "region": &vol.Region, "availability_zone": &vol.Zone, "backend": &vol.Backend, "volume_id": &vol.VolumeID})
		name, text = "disk", join(" ", vol.Size, on(first(vol.Backend, c.Backend), first(c.Zone, vol.Zone, vol.Region)))
		if s != showCreate && c.DataAtRisk != "" {
			name = "data"
		}
		if vol.VolumeID != "" {
			text = join(", ", text, "the existing disk "+vol.VolumeID)
			if s == showDestroy {
				text += ", which is kept"
			}
		}
	case addr.KindGateway:
		var backend, region, domain string
		fill(raw, map[string]*string{"backend": &backend, "region": &region, "domain": &domain})
		name, text = "at", join(", ", join(" ", first(backend, c.Backend), region), domain)
	case addr.KindInstance:
		if s == showCreate {
			return nil
		}
		var typ, region, zone, host string
		fill(raw, map[string]*string{"instance_type": &typ, "region": &region, "availability_zone": &zone, "hostname": &host})
		name, text = "machine", join("  ", join(" ", c.Backend, first(zone, region)), typ, host)
	case addr.KindJob:
		if s == showCreate {
			return nil
		}
		var instance, status string
		fill(raw, map[string]*string{"instance": &instance, "status": &status})
		if status != "" {
			status = "it is " + status
		}
		name, text = "runs on", join("; ", instance, status)
	}
	if text == "" {
		return nil
	}
	return []field{{label: name, lines: []string{clean(text)}, address: true}}
}

// attributes are the differences, and on what comes what a reader must know of it.
func (v *changeView) attributes(c *plan.Change, s shown) []field {
	o := schema.KindObject(c.Kind)
	var out []field
	room := v.o.width() - fieldIndent - labelWidth - 2
	one := forcing(c.Diff) == 1
	if s != showCreate && s != showDestroy {
		renamed := renames(c.Diff)
		for i, d := range c.Diff {
			to, ok := renamed[i]
			switch {
			case ok && to < 0:
			case ok:
				f := diffField(o, c, d, one, room)
				f.marker, f.lines, f.verbatim = "~", []string{"is now " + label(c.Diff[to].Path) + ", with the same value"}, false
				out = append(out, f)
			default:
				out = append(out, diffField(o, c, d, one, room))
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
			out = append(out, field{label: "later", lines: []string{strings.Join(later, ", ") + ": known after apply"}})
		}
	}
	return out
}

// renames finds keys of a map that go while another comes with the same value: by index of the one that goes, the index of
// the one that comes, and -1 by that.
func renames(diffs []plan.AttrDiff) map[int]int {
	come := map[string]int{}
	for i, d := range diffs {
		if d.Before == nil && d.After != nil && !d.Sensitive && strings.HasSuffix(d.Path, `"]`) {
			come[rootOf(d.Path)+string(d.After)] = i
		}
	}
	if len(come) == 0 {
		return nil
	}
	out := map[int]int{}
	for i, d := range diffs {
		if d.After != nil || d.Unknown || d.Sensitive || !strings.HasSuffix(d.Path, `"]`) {
			continue
		}
		key := rootOf(d.Path) + string(d.Before)
		if to, ok := come[key]; ok {
			out[i], out[to] = to, -1
			delete(come, key)
		}
	}
	return out
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

func diffField(o *schema.Object, c *plan.Change, d plan.AttrDiff, one bool, room int) field {
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
	_, f.verbatim = textDiff(d.Before, d.After)
	f.verbatim = f.verbatim && !d.Sensitive && !d.Unknown
	// A reason that names the path has said what forces; several that force are each marked.
	f.forces = d.Forces && (!one || !strings.Contains(c.Reason, d.Path)) && c.Action.IsReplace()
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
			out = append(out, clean(p))
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

// first says what ends before the old one goes: it follows the edges of the step that deletes it.
func (v *changeView) first(c *plan.Change) []field {
	if !c.Action.IsReplace() && c.Action != plan.Delete {
		return nil
	}
	i, ok := v.deletes[c.Address]
	if !ok {
		return nil
	}
	var e endings
	v.endBefore(i, blockOf(c.Address), &e)
	var parts []string
	for _, p := range []struct {
		verb string
		list []string
	}{{"stops ", e.stops}, {"detaches ", e.detaches}, {"removes ", e.others}} {
		if len(p.list) > 0 {
			parts = append(parts, p.verb+addresses(p.list))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return []field{{label: "first", lines: []string{strings.Join(parts, ", ")}, address: true}}
}

// endings are what ends before something else can.
type endings struct {
	stops    []string // runs
	detaches []string // volumes
	others   []string // support objects of other sorts
}

// endBefore gathers what the needs of step i end, those behind joins included, except for jobs of the block itself.
func (v *changeView) endBefore(i int, block string, e *endings) {
	for _, n := range v.p.Steps[i].Needs {
		if n < 0 || n >= i { // needs come before; what a damaged plan says is not followed
			continue
		}
		switch s := v.p.Steps[n]; s.Op {
		case plan.OpJoin:
			j, ok := v.joins[n]
			if !ok {
				j = &endings{}
				v.joins[n] = j
				v.endBefore(n, "", j)
			}
			for _, run := range j.stops {
				if run != block && !slices.Contains(e.stops, run) {
					e.stops = append(e.stops, run)
				}
			}
			e.detaches = append(e.detaches, j.detaches...)
			e.others = append(e.others, j.others...)
		case plan.OpDelete:
			v.ending(s.Address, block, e)
		}
	}
}

func (v *changeView) ending(a, block string, e *endings) {
	_, support, isSupport := strings.Cut(a, `.support["`)
	switch volume, isAttachment := strings.CutPrefix(support, "attachment/"); {
	case isAttachment:
		e.detaches = append(e.detaches, strings.ReplaceAll(strings.TrimSuffix(volume, `"]`), `\"`, `"`))
	case isSupport:
		e.others = append(e.others, a)
	case v.kindOf(a) == addr.KindJob:
		if run := blockOf(a); run != block && !slices.Contains(e.stops, run) {
			e.stops = append(e.stops, run)
		}
	}
}

func (v *changeView) kindOf(address string) string {
	if c := v.changes[address]; c != nil {
		return c.Kind
	}
	base, _ := splitAddress(address)
	if strings.HasSuffix(base, ".job") {
		return addr.KindJob
	}
	return ""
}

// supportFields is a line for the support objects of one owner, with a line for each where they are to be listed.
func (v *changeView) supportFields(owner string, listed bool) []field {
	list := v.supports[owner]
	if len(list) == 0 {
		return nil
	}
	count := map[string]int{}
	var names []string
	for _, c := range list {
		s := shownOf(c).symbol()
		count[s]++
		_, name, _ := strings.Cut(c.Address, `.support["`)
		names = append(names, s+" "+clean(strings.TrimSuffix(name, `"]`)))
	}
	var out []field
	for _, s := range []string{"-", "-/+", "+/-", "~", "+", "?", ".", ">"} {
		if n := count[s]; n > 0 {
			out = append(out, field{marker: s, lines: []string{Count(n, "support object")}, each: true})
		}
	}
	if listed {
		slices.SortFunc(names, compareNatural)
		out = append(out, field{label: "support", lines: names, address: true})
	}
	return out
}

func fill(raw json.RawMessage, into map[string]*string) {
	var attrs map[string]json.RawMessage
	if json.Unmarshal(raw, &attrs) != nil {
		return
	}
	for name, p := range into {
		_ = json.Unmarshal(attrs[name], p) // what is no text stays empty
	}
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func join(sep string, texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(t string) bool { return t == "" }), sep)
}

func on(backend, place string) string {
	if backend == "" {
		return ""
	}
	return "on " + join(" ", backend, place)
}
