package render

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// changeView makes blocks of changes. It holds what a change needs of the rest of the plan.
type changeView struct {
	o        Options
	p        *plan.Plan
	supports map[string][]*plan.Change // by owner
	deletes  map[string]int            // the step that deletes an address
	changes  map[string]*plan.Change
	joins    map[int]*endings // what ends before a step that only joins others
	moved    map[string]bool  // addresses of blocks and instances that have a line of their own for their move
}

func (v *changeView) block(c *plan.Change) *block {
	base, key := splitAddress(c.Address)
	b := &block{base: base, keys: []string{key}, action: shownOf(c), risk: c.DataAtRisk != "", changes: []*plan.Change{c}}
	b.title = v.title(c, b.action)
	b.fields = append(b.fields, v.because(c)...)
	b.fields = append(b.fields, v.imported(c)...)
	b.fields = append(b.fields, v.what(c, b.action)...)
	b.fields = append(b.fields, v.attributes(c, b.action)...)
	b.fields = append(b.fields, v.offer(c)...)
	b.fields = append(b.fields, v.place(c, b.action)...)
	b.fields = append(b.fields, v.code(c, b.action)...)
	b.fields = append(b.fields, v.first(c)...)
	b.fields = append(b.fields, v.supportFields(c.Address, v.o.Verbose || v.o.document)...)
	if n := c.UnchangedAttrs; n > 0 && (b.action == showUpdate || b.action == showRecord || b.action == showImport && len(c.Diff) > 0 || c.Action.IsReplace()) {
		b.fields = append(b.fields, unchanged(n, n))
	}
	return b
}

// unchanged counts attributes that stay as they are and are not shown: of several resources, from the least to the most.
func unchanged(least, most int) field {
	text := Count(most, "attribute")
	if least < most {
		text = grouped(least) + " to " + text
	}
	return field{lines: []string{"# " + text + " unchanged"}, hidden: most}
}

func (v *changeView) title(c *plan.Change, s shown) string {
	text := map[shown]string{
		showDestroy: "will be destroyed", showReplace: "must be replaced", showReplaceNewFirst: "must be replaced, new one first",
		showForget: "will be forgotten; it goes on outside of this state", showUpdate: "will be updated in place", showCreate: "will be created",
		showRecord: "will be updated in the record alone", showImport: "will be imported",
	}[s]
	switch {
	case s == showInFlight && c.InFlight.Found:
		text = "is in flight: adopt"
	case s == showInFlight:
		text = "is in flight: " + verb(c.Action) + " again"
	case s == showForget && c.Reason == plan.Vanished:
		text = "will be taken out of the record"
	case s == showMove:
		return "was " + clean(c.PreviousAddress) + ": only its address changes"
	case s == showReplaceNewFirst && c.NewFirstFor != "":
		text += ", because " + clean(c.NewFirstFor) + " needs it"
	case c.Deposed != "":
		text = "(old one " + clean(c.Deposed) + ") " + text
	}
	if c.Import != nil && s != showImport {
		text = "will be imported, and " + strings.TrimPrefix(text, "will be ")
	}
	if c.PreviousAddress != "" && !v.told(c) {
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
	if c.Import != nil && c.Reason != c.Import.Why() {
		lines = append(lines, clean(c.Import.Why()))
	}
	if c.Reason != "" {
		lines = append(lines, clean(c.Reason))
	} else if f := c.InFlight; f != nil {
		lines = append(lines, fmt.Sprintf("%s was at it when it was cut off %s", clean(f.By), v.clock(f.Since)))
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
	if s == showDestroy || s == showForget || s == showImport {
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
