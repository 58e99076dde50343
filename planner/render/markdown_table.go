package render

import (
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema/value"
)

const (
	tableHead  = "| action | resource | what | $/h | why |\n|---|---|---|---:|---|\n"
	mostRows   = 40  // above that, what is neither destroyed nor replaced is counted instead of listed
	valueWidth = 30  // of a value in the table
	whatWidth  = 80  // of what changes
	whyWidth   = 300 // of a reason; those that the planner gives are far shorter
)

// changes is the table of what changes. What is destroyed and replaced comes first, and its names are a list of their own
// where its rows would not fit.
func (m *markdown) changes(left *missing) (names, table string) {
	var dangerous, others []*block
	for _, b := range m.blocks {
		if b.dangerous() {
			dangerous = append(dangerous, b)
		} else {
			others = append(others, b)
		}
	}
	rows, rest := m.rows(dangerous), m.groups(others)
	listed := dangerous
	if !m.fits(tableHead + rows + rest) {
		rows, listed, names = "", nil, m.names(dangerous, left)
		m.claim(names)
	}
	if len(m.blocks) <= mostRows {
		if all := m.rows(others); m.fits(tableHead + rows + all) {
			rest, listed = all, slices.Concat(listed, others)
		}
	}
	table = rows + rest
	if table == "" || !m.claim(tableHead+table) {
		return names, ""
	}
	for _, b := range listed {
		m.listed[b] = true
	}
	return names, tableHead + table
}

// dangerous tells whether every resource of the block must be named, come what may.
func (b *block) dangerous() bool {
	return b.action.goes() || slices.ContainsFunc(b.changes, func(c *plan.Change) bool { return shownOf(c).goes() })
}

// goes tells whether what is there goes, or goes out of sight.
func (s shown) goes() bool {
	return s == showDestroy || s == showReplace || s == showReplaceNewFirst || s == showForget
}

func (m *markdown) rows(blocks []*block) string {
	var out strings.Builder
	for _, b := range blocks {
		row(&out, b.word(), m.resource(b), m.what(b), m.price(b.changes), m.why(b))
	}
	return out.String()
}

func row(out *strings.Builder, cells ...string) {
	for _, c := range cells {
		out.WriteByte('|')
		if c != "" {
			out.WriteByte(' ')
			out.WriteString(c)
		}
		out.WriteByte(' ')
	}
	out.WriteString("|\n")
}

func (b *block) word() string {
	if c := b.changes[0]; b.action == showInFlight && !c.InFlight.Found {
		return verb(c.Action) + " again"
	}
	return b.action.word()
}

// word is the action without a symbol.
func (s shown) word() string {
	switch s {
	case showDestroy:
		return "destroy"
	case showReplace:
		return "replace"
	case showReplaceNewFirst:
		return "replace, new first"
	case showForget:
		return "forget"
	case showInFlight:
		return "adopt"
	case showUpdate:
		return "update"
	case showCreate:
		return "create"
	case showImport:
		return "import"
	case showMove:
		return "move"
	case showRecord:
		return "update the record"
	}
	return ""
}

// resource names a block's resources, numbers that follow each other as one range.
func (m *markdown) resource(b *block) string {
	text := code(b.name())
	if len(b.keys) > 2 {
		text += " (" + grouped(len(b.keys)) + ")"
	}
	if d := b.changes[0].Deposed; d != "" {
		text += " (old one " + m.w.prose(d) + ")"
	}
	return text
}

// name is the addresses of a block on one line, clean.
func (b *block) name() string {
	if len(b.keys) == 1 {
		return addressList(b.base, b.keys)
	}
	var keys []string
	for _, r := range keyRanges(b.keys, 2) {
		keys = append(keys, r.text)
	}
	return clean(b.base + strings.Join(keys, ", "))
}

// what says in a few words what changes: first of all what forces a replacement.
func (m *markdown) what(b *block) string {
	c := b.changes[0]
	if c.Kind == addr.KindSupport {
		if i := slices.IndexFunc(b.fields, func(f field) bool { return f.label == "support" }); i >= 0 {
			return "support objects " + m.w.prose(cut(strings.Join(b.fields[i].lines, ", "), whatWidth, 0))
		}
	}
	switch b.action {
	case showReplace, showReplaceNewFirst, showUpdate, showRecord:
		if len(c.Diff) > 0 {
			return m.difference(c)
		}
	case showImport:
		return m.w.prose(cut(clean(c.Import.ID), whatWidth, 0))
	case showMove:
		if from, ok := strings.CutPrefix(b.title, "moved from "); ok {
			return "from " + m.w.prose(cut(from, whatWidth, 0))
		}
		return "was " + m.w.prose(cut(clean(c.PreviousAddress), whatWidth, 0))
	}
	for _, f := range b.fields {
		switch f.label {
		case "disk", "data", "at", "machine", "found", "offer":
			return m.w.prose(cut(f.lines[0], whatWidth, 0))
		case "runs on":
			if b.action == showReplace || b.action == showReplaceNewFirst {
				return "starts again"
			}
			return m.w.prose("on " + cut(f.lines[0], whatWidth, 0))
		}
	}
	return ""
}

// difference is one attribute that differs, and how many others do.
func (m *markdown) difference(c *plan.Change) string {
	diffs := slices.DeleteFunc(slices.Clone(c.Diff), func(d plan.AttrDiff) bool { return d.MovedFrom != "" }) // said with where they were
	d := diffs[max(0, slices.IndexFunc(diffs, func(d plan.AttrDiff) bool { return d.Forces }))]
	name := m.w.prose(cut(label(d.Path), valueWidth, 0))
	if !strings.ContainsAny(name, "`<") {
		name = "**" + name + "**"
	}
	text := name + " "
	switch {
	case d.Sensitive || d.Unknown:
		text += m.w.prose(diffLines(plan.AttrDiff{Path: d.Path, Sensitive: d.Sensitive, Unknown: d.Unknown, Before: d.Before, After: d.After}, true, valueWidth)[0])
	case d.MovedTo != "":
		text += m.w.prose(cut(movedText(d), whatWidth, 0))
	case d.Inside != nil:
		text += m.w.prose(cut(insideText(d.Inside), whatWidth, 0))
	case byText(d):
		text += "differs by line"
	case d.Before == nil:
		text += "is now " + code(cut(valueText(d.Path, d.After, true), valueWidth, 0))
	case d.After == nil:
		text += "was " + code(cut(valueText(d.Path, d.Before, true), valueWidth, 0))
	default:
		before, after := valueText(d.Path, d.Before, true), valueText(d.Path, d.After, true)
		at := differAt(before, after)
		text += code(cut(before, valueWidth, at)) + " → " + code(cut(after, valueWidth, at))
	}
	if n := len(diffs) - 1; n > 0 {
		text += ", " + grouped(n) + " more"
	}
	return text
}

// price is what changes of the bill, without the unit that the column's title has.
func (m *markdown) price(changes []*plan.Change) string {
	var sum value.Money
	for _, c := range changes {
		if c.Cost == nil {
			continue
		}
		if c.Cost.After.Unknown > 0 {
			return "unknown"
		}
		sum += c.Cost.After.Hourly - c.Cost.Before.Hourly
	}
	if sum == 0 {
		return ""
	}
	return strings.Replace(strings.TrimSuffix(sum.HourlyChange(), "/h"), "$", "", 1)
}

func (m *markdown) why(b *block) string {
	for _, f := range b.fields {
		if f.label == "because" {
			return m.w.prose(cut(strings.Join(f.lines, "; "), whyWidth, 0))
		}
	}
	return ""
}

// groups are a row for each action and kind, with how many there are.
func (m *markdown) groups(blocks []*block) string {
	type group struct {
		action  string
		kind    string
		changes []*plan.Change
		blocks  map[string]bool
	}
	byKind := map[string]*group{}
	var list []*group
	for _, b := range blocks {
		kind := b.changes[0].Kind
		key := b.word() + " " + kind
		g := byKind[key]
		if g == nil {
			g = &group{action: b.word(), kind: kind, blocks: map[string]bool{}}
			byKind[key] = g
			list = append(list, g)
		}
		g.changes = append(g.changes, b.changes...)
		g.blocks[blockOf(b.changes[0].Address)] = true
	}
	var out strings.Builder
	for _, g := range list {
		kind := g.kind
		if kind == addr.KindSupport {
			kind = "support object"
		}
		what := Count(len(g.blocks), "block")
		if len(g.blocks) == 1 {
			if name := sortedKeys(g.blocks)[0]; len(name) <= 200 {
				what = "of " + code(name)
			}
		}
		row(&out, g.action, Count(len(g.changes), kind), what, m.price(g.changes), "")
	}
	return out.String()
}

// names lists what is destroyed and replaced without another word, as much as there is room for.
func (m *markdown) names(blocks []*block, left *missing) string {
	type group struct {
		action shown
		base   string
		keys   []string
	}
	byBase := map[string]*group{}
	var list []*group
	for _, b := range blocks {
		for _, c := range b.changes {
			s := shownOf(c)
			if !s.goes() {
				continue
			}
			base, key := splitAddress(c.Address)
			id := s.word() + " " + base
			if key == "" {
				id += " " // not beside those that have keys
			}
			g := byBase[id]
			if g == nil {
				g = &group{action: s, base: base}
				byBase[id] = g
				list = append(list, g)
			}
			g.keys = append(g.keys, key)
		}
	}
	slices.SortStableFunc(list, func(a, b *group) int { return int(a.action) - int(b.action) })
	var out strings.Builder
	var last shown = showNothing
	for _, g := range list {
		ranges := []keyRange{{"", len(g.keys)}}
		if g.keys[0] != "" {
			ranges = keyRanges(g.keys, 2)
		}
		for _, r := range ranges {
			lead := ", "
			switch {
			case out.Len() == 0:
				lead = "- " + g.action.word() + " "
			case g.action != last:
				lead = "\n- " + g.action.word() + " "
			}
			text := lead + code(clean(g.base)+r.text)
			if out.Len()+len(text)+2 > m.room {
				left.names += r.n
				continue
			}
			out.WriteString(text)
			last = g.action
		}
	}
	if out.Len() == 0 {
		return ""
	}
	return out.String() + "\n"
}
