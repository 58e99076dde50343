package render

import (
	"fmt"
	"strings"

	"github.com/dstackai/dstack-planner/planner/plan"
)

// told tells whether a change's move has a line of its own: that of its block, or of itself.
func (v *changeView) told(c *plan.Change) bool {
	return v.moved[c.Address] || v.moved[blockOf(c.Address)]
}

// moves are the addresses that change, a line for each repetition of a block with all that belongs to it.
func (v *changeView) moves() []*block {
	var out []*block
	for _, m := range v.p.Moves {
		base, key := splitAddress(m.To)
		b := &block{base: base, keys: []string{key}, action: showMove, title: "moved from " + clean(m.From),
			changes: []*plan.Change{{Address: m.To, PreviousAddress: m.From, Action: plan.NoOp}}}
		b.fields = append(b.fields, field{label: "because", lines: []string{clean(m.Why())}})
		if m.Count > 1 {
			b.fields = append(b.fields, field{label: "with", lines: []string{Count(m.Count, "resource")}})
		}
		switch {
		case m.Name != "" && key == "":
			b.fields = append(b.fields, field{label: "name", lines: []string{fmt.Sprintf("stays %q, because none is written", clean(m.Name))}})
		case m.Name != "":
			b.fields = append(b.fields, field{label: "name", lines: []string{"stays as it was, because none is written"}})
		}
		out = append(out, b)
	}
	return out
}

// imported says what is taken over, and who has made it where that is another state.
func (v *changeView) imported(c *plan.Change) []field {
	i := c.Import
	if i == nil {
		return nil
	}
	out := []field{{label: "id", lines: []string{clean(i.ID)}}}
	if i.Lineage != "" && i.Lineage != v.p.Lineage {
		out = append(out, field{label: "made by", lines: []string{clean(fmt.Sprintf("the state %s, as %s", i.Lineage, i.Address))}})
	}
	return out
}

// movedAlike tells whether the title of b is that of a with its key running along. Only addresses that move stand in titles.
func movedAlike(a, b *block) bool {
	return a.title == b.title || a.action == showMove && strings.ReplaceAll(a.title, "["+a.keys[0]+"]", "["+b.keys[0]+"]") == b.title
}
