package draft

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/layout"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// Thing is something that exists and has no block.
type Thing struct {
	To    addr.Resource // a volume, a gateway, or an instance of a fleet
	Value cty.Value     // of the kind's type; secrets are null
	// Backend and Region need not be written where they are the only ones: what is written without them is made there.
	// "" where there are others.
	Backend, Region string
	At              *hcl.Range // where its block is missed, for diagnostics; nil where that is in no file
}

// Options say what the blocks stand beside.
type Options struct {
	// Profiles tells that the configuration has profiles, so that what a block leaves out may be said by one of them.
	Profiles bool
}

// Header is what stands at the beginning of a file that has nothing but what Write has written.
const Header = "# What is imported, as it was found. Read it, and move it to where it belongs.\n\n"

// Write lays out the blocks for what is there, in the order of their addresses, and says which they are. The name of the file
// is for diagnostics. Warnings are about what no block can say.
func Write(name string, things []Thing, o Options) ([]byte, []addr.Block, diag.List) {
	groups := map[addr.Block][]Thing{}
	for _, t := range things {
		groups[t.To.Block.Block] = append(groups[t.To.Block.Block], t)
	}
	var blocks []addr.Block
	for b := range groups {
		blocks = append(blocks, b)
	}
	slices.SortFunc(blocks, func(a, b addr.Block) int { return a.Instance(addr.NoKey).Self().Compare(b.Instance(addr.NoKey).Self()) })
	var diags diag.List
	w := newWriter(o)
	for _, b := range blocks {
		if ds := refuse(b, groups[b]); len(ds) > 0 {
			diags = append(diags, ds...)
			continue
		}
		diags = append(diags, w.block(b, repetitions(groups[b]))...)
	}
	if diags.HasErrors() {
		return nil, nil, diags
	}
	text, ds := layout.Format(name, w.text())
	return text, blocks, append(diags, ds...)
}

// refuse says which blocks cannot be written from what there is.
func refuse(b addr.Block, things []Thing) diag.List {
	t := things[0]
	about := func(list diag.List) diag.List {
		if t.At != nil {
			list = list.At(t.At)
		}
		return list.For(t.To.String())
	}
	switch {
	case b.Module != addr.Root:
		return about(diag.Errorf("Block of a module", "%s stands in a module, whose files are not written to. Write its block there.", b))
	case !slices.Contains([]string{"fleet", "volume", "gateway"}, b.Type):
		return about(diag.Errorf("Run has to be written", "%s is an instance of a run, and says nothing of what runs on it. Write the block %s yourself, or import the instance to a fleet: to = fleet.%s.instance[0].", t.To, b, b.Name))
	}
	keys := map[addr.Key]bool{}
	counted := 0
	for _, t := range things {
		if _, number := t.To.Key().Int(); t.To.Kind() == addr.KindInstance && !number {
			return about(diag.Errorf("Host has to be written", "%s is a host of an SSH fleet, which is known by how it is reached. Write the block %s yourself.", t.To, b))
		}
		k := t.To.Block.Key
		if keys[k] = true; isCount(k) {
			counted++
		}
	}
	switch {
	case len(keys) > 1 && keys[addr.NoKey], counted > 0 && counted < len(things):
		return about(diag.Errorf("Block has keys of several sorts", "The imports to %s name repetitions of it in several ways. A block has count and numbers, for_each and texts, or no key at all: say all of them in the same way.", b))
	case counted > 0:
		for n := range len(keys) {
			if !keys[addr.Int(n)] {
				return about(diag.Errorf("Count has a gap", "There are imports to %d repetitions of %s, and none to %s. count makes all numbers from 0: import something to that one, or use texts as keys.", len(keys), b, b.Instance(addr.Int(n))))
			}
		}
	}
	return nil
}

func isCount(k addr.Key) bool {
	_, ok := k.Int()
	return ok
}

// repetition is what is there of one repetition of a block: of a fleet several instances.
type repetition struct {
	addr   addr.Instance
	things []Thing
}

func repetitions(things []Thing) []repetition {
	things = slices.Clone(things)
	slices.SortFunc(things, func(a, b Thing) int { return a.To.Compare(b.To) })
	var out []repetition
	for _, t := range things {
		if n := len(out) - 1; n >= 0 && out[n].addr == t.To.Block {
			out[n].things = append(out[n].things, t)
			continue
		}
		out = append(out, repetition{t.To.Block, []Thing{t}})
	}
	return out
}

// warn says what a block cannot say.
func (r repetition) warn(format string, args ...any) diag.List {
	list := diag.Warnf("Block cannot say everything", "%s", fmt.Sprintf(format, args...)).For(r.addr.String())
	if at := r.things[0].At; at != nil {
		list = list.At(at)
	}
	return list
}

// objectOf is the block of that name.
func objectOf(name string) *schema.Object {
	t, _ := schema.BlockTypeOf(name)
	return t.Object
}

// defaultName is the name that a repetition has whose block says none, "" where none can be made.
func defaultName(a addr.Instance) string {
	words := a.Words()
	name, err := value.NameFromLabel(words[0], words[1:]...)
	if err != nil {
		return ""
	}
	return name.String()
}
