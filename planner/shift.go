package planner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// row is what changes of one part of a block with count: the volumes themselves, or the first instances of its fleets.
type row struct {
	block   *config.Block
	changes map[int]*plan.Change // by the number of the repetition
}

// shifts warns of blocks with count in which repetitions take over what their neighbours were: an element was put into, or
// taken out of, the middle of what count goes by.
func (w *walk) shifts(changes []*plan.Change) diag.List {
	var order []string
	rows := map[string]*row{}
	for _, c := range changes {
		a, err := addr.ParseResource(c.Address)
		n, counted := a.Block.Key.Int()
		if err != nil || !counted || c.Kind == addr.KindSupport || c.Deposed != "" {
			continue
		}
		b := w.p.Config.Block(a.Block.Block)
		if b == nil || !b.Repeats() {
			continue
		}
		a.Block.Key = addr.Int(0)
		key := a.String()
		if rows[key] == nil {
			rows[key] = &row{block: b, changes: map[int]*plan.Change{}}
			order = append(order, key)
		}
		rows[key].changes[n] = c
	}
	var list diag.List
	told := map[*config.Block]bool{}
	for _, key := range order {
		r := rows[key]
		if told[r.block] {
			continue
		}
		if numbers, step := r.shifted(); len(numbers) > 0 {
			told[r.block] = true
			list = append(list, r.warning(numbers, step)...)
		}
	}
	w.p.Config.Snippets(list)
	return list
}

// farthest is how many elements may have been taken out or put in at once for a shift to be recognised.
const farthest = 16

// shifted lists the repetitions that take over what the one step further was.
func (r *row) shifted() (numbers []int, step int) {
	gone, come := 0, 0
	for _, c := range r.changes {
		switch c.Action {
		case plan.Delete:
			gone++
		case plan.Create:
			come++
		}
	}
	try := func(by int) {
		var found []int
		for n, c := range r.changes {
			if of := r.changes[n+by]; of != nil && takesOver(c, of) {
				found = append(found, n)
			}
		}
		if len(found) > len(numbers) {
			numbers, step = found, by
		}
	}
	for by := 1; by <= min(gone, farthest); by++ {
		try(by)
	}
	for by := 1; by <= min(come, farthest); by++ {
		try(-by)
	}
	slices.Sort(numbers)
	return numbers, step
}

// takesOver tells whether all that changes of one becomes what another was.
func takesOver(c, other *plan.Change) bool {
	if c.Action == plan.Delete || other.Before == nil {
		return false
	}
	var after, before map[string]json.RawMessage
	if json.Unmarshal(c.After, &after) != nil || json.Unmarshal(other.Before, &before) != nil {
		return false
	}
	compared := false
	for _, d := range c.Diff {
		name := topLevel(d.Path)
		if d.Unknown || d.Sensitive {
			continue
		}
		if !bytes.Equal(after[name], before[name]) {
			return false
		}
		compared = true
	}
	return compared
}

// topLevel is the attribute that a path starts with.
func topLevel(path string) string {
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return path
}

func (r *row) warning(numbers []int, step int) diag.List {
	which := fmt.Sprintf("%s[%d]", r.block.Addr, numbers[0])
	if last := numbers[len(numbers)-1]; last != numbers[0] {
		which += fmt.Sprintf(" to %s[%d]", r.block.Addr, last)
	}
	others, take, what := "1 other shifts", "takes", "was taken out of"
	if len(numbers) > 1 {
		others, take = fmt.Sprintf("%d others shift", len(numbers)), "each take"
	}
	from := "behind"
	if step < 0 {
		what, from = "was put into", "before"
	}
	return diag.Warnf("count shifts what it numbers", "%s: %s %s over what the one %s was, because an element %s the middle of what count goes by. With for_each every one has a key of its own, and the others stay as they are:\n  for_each = { for x in ... : x.name => x }",
		others, which, take, from, what).At(r.block.NumberRange()).For(r.block.Addr.String())
}
