package render

import (
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/planner/plan"
)

// A block is how one change looks, apart from its address: blocks of neighbours that look the same are shown once.
type block struct {
	base   string   // the address without its last key
	keys   []string // one for each resource; a single "" where there is none
	action shown
	title  string // what will happen
	risk   bool   // data goes with it
	fields []field

	changes []*plan.Change // what it shows
}

// field is one attribute or one sentence of a change. Its label and lines are clean.
type field struct {
	marker   string // "~", "+", "-" or nothing
	label    string
	lines    []string
	forces   bool
	verbatim bool // lines are not wrapped: the difference of a text, line by line
	pair     bool // the first line is the value before, the second that after
	hidden   int  // how many attributes it counts instead of showing them; neighbours may differ in that
	each     bool // said of every resource of the block, and so once more where there are several
	address  bool // lines name resources, whose keys may run beside those of the change
}

// shown is how an action is shown, in the order of danger.
type shown int

const (
	showDestroy shown = iota
	showReplace
	showReplaceNewFirst
	showForget
	showInFlight
	showUpdate
	showCreate
	showImport
	showMove
	showRead
	showRecord
	showNothing
)

func (s shown) symbol() string {
	switch s {
	case showDestroy:
		return "-"
	case showReplace:
		return "-/+"
	case showReplaceNewFirst:
		return "+/-"
	case showForget:
		return "."
	case showInFlight:
		return "?"
	case showUpdate, showRecord:
		return "~"
	case showCreate:
		return "+"
	case showMove:
		return ">"
	case showRead, showImport:
		return "<="
	}
	return " "
}

func (s shown) styles() []style {
	switch s {
	case showDestroy, showReplace, showReplaceNewFirst, showForget:
		return []style{red}
	case showUpdate, showRecord, showInFlight:
		return []style{yellow}
	case showCreate:
		return []style{green}
	case showImport, showMove, showRead:
		return []style{cyan}
	}
	return nil
}

// rank is the order of blocks: what takes data with it before all else, both orders of replacement beside each other.
func (b *block) rank() int {
	rank := int(b.action)
	if b.action == showReplaceNewFirst {
		rank = int(showReplace)
	}
	if b.risk {
		rank -= int(showNothing)
	}
	return rank
}

func shownOf(c *plan.Change) shown {
	switch {
	case c.InFlight != nil:
		return showInFlight
	case c.Action == plan.Delete:
		return showDestroy
	case c.Action == plan.DeleteThenCreate:
		return showReplace
	case c.Action == plan.CreateThenDelete:
		return showReplaceNewFirst
	case c.Action == plan.Forget:
		return showForget
	case c.Import != nil && (c.Action == plan.NoOp || c.Action == plan.Update && c.RecordOnly):
		return showImport
	case c.Action == plan.Update && c.RecordOnly:
		return showRecord
	case c.Action == plan.Update:
		return showUpdate
	case c.Action == plan.Create:
		return showCreate
	case c.PreviousAddress != "":
		return showMove
	}
	return showNothing
}

// labelWidth is the least room for labels.
const (
	labelWidth  = 9
	widestLabel = 28
	fieldIndent = 6
)

// write prints a block: the header, then each field with its values aligned.
func (b *block) write(out *strings.Builder, o Options) {
	symbol := o.paint(padLeft(b.action.symbol(), 3), b.action.styles()...)
	indent(out, symbol+" ", o.paint(addressList(b.base, b.keys), bold)+" "+b.title, o.width())
	room := labelWidth
	for _, f := range b.fields {
		if n := displayWidth(f.label); n > room && n <= widestLabel {
			room = n
		}
	}
	for _, f := range b.fields {
		f.write(out, o, room)
	}
}

func (f field) write(out *strings.Builder, o Options, room int) {
	marker := padLeft(f.marker, fieldIndent-1)
	switch f.marker {
	case "+":
		marker = o.paint(marker, green)
	case "-":
		marker = o.paint(marker, red)
	case "~":
		marker = o.paint(marker, yellow)
	}
	prefix := marker + " "
	blank := strings.Repeat(" ", fieldIndent+room+2)
	switch {
	case f.label == "":
		for _, l := range f.lines {
			indent(out, prefix, o.paint(l, dim), o.width())
			prefix = strings.Repeat(" ", fieldIndent)
		}
		return
	case displayWidth(f.label) > room:
		indent(out, prefix, f.label, 1<<20)
		prefix = blank
	default:
		prefix += pad(f.label, room) + "  "
	}
	if f.forces && f.verbatim {
		f.lines = append(slices.Clone(f.lines), "# forces replacement")
	}
	for i, l := range f.lines {
		if f.forces && i == len(f.lines)-1 && !f.verbatim {
			if note := o.paint("# forces replacement", red); displayWidth(prefix+l+"  ")+len("# forces replacement") <= o.width() {
				l += "  " + note
			} else {
				indent(out, prefix, l, o.width())
				prefix, l = blank, note
			}
		}
		if f.verbatim && !strings.HasPrefix(l, "@@ ") {
			out.WriteString(strings.TrimRight(prefix+paintLine(l, o), " ") + "\n")
		} else {
			indent(out, prefix, l, o.width())
		}
		prefix = blank
	}
}

// paintLine colours one line of a text's difference by its sign.
func paintLine(l string, o Options) string {
	switch {
	case strings.HasPrefix(l, "+ "):
		return o.paint(l, green)
	case strings.HasPrefix(l, "- "):
		return o.paint(l, red)
	case strings.HasPrefix(l, "# "):
		return o.paint(l, red)
	case strings.HasPrefix(l, "@@"), strings.HasPrefix(l, "... "):
		return o.paint(l, dim)
	}
	return l
}

// fold joins neighbours that differ in their last key alone. What names resources by the same key may run along.
func fold(blocks []*block) []*block {
	var out []*block
	for i := 0; i < len(blocks); {
		first := blocks[i]
		end := i + 1
		for end < len(blocks) && alike(first, blocks[i+1], blocks[end]) {
			end++
		}
		if end-i > 1 {
			out = append(out, merge(blocks[i:end]))
		} else {
			out = append(out, first)
		}
		i = end
	}
	return out
}

// alike tells whether b looks as a does. second is the neighbour of a: what is the same in both is the same in all, and
// what is not runs along with the key in all. So that three jobs on instances 0, 1 and 0 are not said to be on 0 to 2.
func alike(a, second, b *block) bool {
	if a.base != b.base || a.action != b.action || !movedAlike(a, b) || a.risk != b.risk || a.keys[0] == "" || b.keys[0] == "" || len(a.fields) != len(b.fields) {
		return false
	}
	for i, f := range a.fields {
		g := b.fields[i]
		if f.hidden > 0 && g.hidden > 0 {
			continue
		}
		if f.marker != g.marker || f.label != g.label || f.forces != g.forces || len(f.lines) != len(g.lines) {
			return false
		}
		for j, l := range f.lines {
			want := l
			if f.address && l != second.fields[i].lines[j] {
				want = strings.ReplaceAll(l, "["+a.keys[0]+"]", "["+b.keys[0]+"]")
			}
			if g.lines[j] != want {
				return false
			}
		}
	}
	return true
}

func merge(blocks []*block) *block {
	first := blocks[0]
	out := *first
	out.keys = make([]string, len(blocks))
	for i, b := range blocks {
		out.keys[i] = b.keys[0]
	}
	out.fields = slices.Clone(first.fields)
	out.changes = make([]*plan.Change, 0, len(blocks))
	for _, b := range blocks {
		out.changes = append(out.changes, b.changes...)
	}
	if first.title != blocks[1].title {
		out.title = strings.ReplaceAll(first.title, "["+first.keys[0]+"]", keyList(out.keys))
	}
	for i, f := range first.fields {
		if f.hidden > 0 {
			least, most := f.hidden, f.hidden
			for _, b := range blocks {
				least, most = min(least, b.fields[i].hidden), max(most, b.fields[i].hidden)
			}
			out.fields[i] = unchanged(least, most)
			continue
		}
		if f.each {
			out.fields[i].lines = slices.Clone(f.lines)
			out.fields[i].lines[0] += " each"
		}
		if !f.address || slices.Equal(f.lines, blocks[1].fields[i].lines) {
			continue
		}
		lines := slices.Clone(f.lines)
		for j := range lines {
			if lines[j] == blocks[1].fields[i].lines[j] {
				continue
			}
			lines[j] = strings.ReplaceAll(lines[j], "["+first.keys[0]+"]", keyList(out.keys))
		}
		out.fields[i].lines = lines
	}
	return &out
}
