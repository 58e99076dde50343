package move

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/schema/value"
	"github.com/dstackai/dstack-planner/statefile"
)

// Recorded lists what Resolve wants to know of a state. A run that was taken down with its block is history: it keeps no
// address from others.
func Recorded(state *statefile.State) ([]addr.Resource, error) {
	var out []addr.Resource
	add := func(text string) error {
		r, err := addr.ParseAny(text)
		if err != nil {
			return fmt.Errorf("the state has an address that cannot be read: %w", err)
		}
		out = append(out, r)
		return nil
	}
	for _, r := range state.Resources() {
		if err := add(r.Address); err != nil {
			return nil, err
		}
	}
	for _, in := range state.Intents() {
		if err := add(in.Address); err != nil {
			return nil, err
		}
	}
	for address, run := range state.Runs() {
		if run.Destroyed {
			continue
		}
		if err := add(address); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, addr.Resource.Compare)
	return slices.Compact(out), nil
}

// Rename says what moves do to a state. A move to an address that something else has by now is left out.
func Rename(state *statefile.State, moves []Move, changed statefile.Changed) (statefile.Renaming, error) {
	recorded, err := Recorded(state)
	if err != nil {
		return statefile.Renaming{}, err
	}
	w := newWriter(moves, recorded)
	out := statefile.Renaming{Changed: changed}
	if len(w.blocks)+len(w.parts) == 0 {
		return out, nil
	}
	for _, r := range state.Resources() {
		next, differs, err := w.record(r)
		if err != nil {
			return out, err
		}
		if next.Address != r.Address {
			out.Moves = append(out.Moves, statefile.Rename{From: r.Ref(), To: next.Ref()})
		}
		if differs {
			out.Resources = append(out.Resources, next)
		}
	}
	if err := w.intents(state, &out); err != nil {
		return out, err
	}
	if err := w.runs(state, &out); err != nil {
		return out, err
	}
	w.names(state, &out)
	return out, nil
}

// writer writes addresses anew.
type writer struct {
	blocks map[addr.Instance]addr.Instance
	parts  map[addr.Resource]addr.Resource
	bare   map[addr.Block]addr.Block // blocks of which everything has become part of one other
}

func newWriter(moves []Move, recorded []addr.Resource) *writer {
	w := &writer{blocks: map[addr.Instance]addr.Instance{}, parts: map[addr.Resource]addr.Resource{}, bare: map[addr.Block]addr.Block{}}
	for _, m := range moves {
		if m.From.IsBlock() {
			w.blocks[m.From.Block()] = m.To.Block()
		} else {
			w.parts[m.From.Resource()] = m.To.Resource()
		}
	}
	for w.drop(recorded) {
	}
	torn := map[addr.Block]bool{}
	note := func(from, to addr.Block) {
		if other, known := w.bare[from]; known && other != to {
			torn[from] = true
		}
		w.bare[from] = to
	}
	for _, r := range recorded {
		from, to := r.Block.Block, w.resource(r).Block.Block
		note(from, to)
		if from.Module == addr.Root {
			continue
		}
		// What names a block in modules may mean all repetitions of the modules, or the module as a whole.
		from.Module, to.Module = from.Module.Static(), to.Module.Static()
		note(from, to)
		for {
			call, inModule := from.Module.Call()
			other, moved := to.Module.Call()
			if !inModule || !moved {
				if inModule {
					torn[call.Block] = true
				}
				break
			}
			note(call.Block, other.Block)
			from, to = call.Block, other.Block
		}
	}
	for b := range torn {
		delete(w.bare, b)
	}
	return w
}

// drop leaves out moves to what others have and keep. It tells whether there were any: what does not go away keeps its own
// address from others in turn.
func (w *writer) drop(recorded []addr.Resource) bool {
	blocks, things := map[addr.Instance]bool{}, map[addr.Resource]bool{}
	for _, r := range recorded {
		if w.resource(r) == r {
			blocks[r.Block], things[r] = true, true
		}
	}
	dropped := false
	for from, to := range w.blocks {
		if blocks[to] {
			delete(w.blocks, from)
			dropped = true
		}
	}
	for from, to := range w.parts {
		if things[to] {
			delete(w.parts, from)
			dropped = true
		}
	}
	return dropped
}

// attached begins the name of the support that ties a volume to an instance; the volume's address follows.
const attached = "attachment/"

// resource is where something has gone.
func (w *writer) resource(r addr.Resource) addr.Resource {
	out := r.Owner()
	if to, ok := w.parts[out]; ok {
		out = to
	} else if to, ok := w.blocks[out.Block]; ok {
		out.Block = to
	}
	name := r.SupportName()
	if volume, ok := strings.CutPrefix(name, attached); ok {
		name = attached + w.text(volume)
	}
	if name == "" {
		return out
	}
	return out.Support(name)
}

// text writes an address anew. What is none, such as the name of a volume, stays.
func (w *writer) text(s string) string {
	r, err := addr.ParseAny(s)
	if err != nil {
		return s
	}
	if out := w.resource(r); out != r {
		return out.String()
	}
	if to, ok := w.bare[r.Block.Block]; ok && r == r.Block.Block.Instance(addr.NoKey).Self() {
		return to.String()
	}
	return s
}

func (w *writer) texts(list []string) []string {
	out := list
	for i, s := range list {
		if next := w.text(s); next != s {
			if &out[0] == &list[0] {
				out = slices.Clone(list)
			}
			out[i] = next
		}
	}
	if len(out) > 0 && &out[0] != &list[0] {
		seen := map[string]bool{}
		out = slices.DeleteFunc(out, func(s string) bool {
			twice := seen[s]
			seen[s] = true
			return twice
		})
	}
	return out
}

// record is an object as it is afterwards. differs tells whether more than its name does.
func (w *writer) record(r *statefile.Resource) (next *statefile.Resource, differs bool, err error) {
	c := *r
	c.Address = w.text(r.Address)
	c.Needs = w.texts(r.Needs)
	if c.Attributes, err = w.attributes(r.Kind, r.Attributes); err != nil {
		return nil, false, fmt.Errorf("what the state has recorded of %s cannot be read: %w", r.Address, err)
	}
	return &c, !slices.Equal(c.Needs, r.Needs) || string(c.Attributes) != string(r.Attributes), nil
}

func (w *writer) intent(in *statefile.Intent) (next *statefile.Intent, differs bool, err error) {
	c := *in
	c.Address, c.Needs = w.text(in.Address), w.texts(in.Needs)
	differs = c.Address != in.Address || !slices.Equal(c.Needs, in.Needs)
	if c.Want, err = w.attributes(in.Kind, in.Want); err != nil {
		return nil, false, fmt.Errorf("what the state has recorded of an operation on %s cannot be read: %w", in.Address, err)
	}
	differs = differs || string(c.Want) != string(in.Want)
	if in.Reached != nil {
		reached := *in.Reached
		if reached.Attributes, err = w.attributes(in.Kind, reached.Attributes); err != nil {
			return nil, false, fmt.Errorf("what the state has recorded of an operation on %s cannot be read: %w", in.Address, err)
		}
		differs = differs || string(reached.Attributes) != string(in.Reached.Attributes)
		c.Reached = &reached
	}
	return &c, differs, nil
}

func (w *writer) intents(state *statefile.State, out *statefile.Renaming) error {
	snap := state.Snapshot()
	for _, in := range snap.Intents {
		next, differs, err := w.intent(in)
		if err != nil {
			return err
		}
		if differs {
			out.Intents = append(out.Intents, statefile.RenamedIntent{Was: in.Ref(), Intent: next})
		}
	}
	for _, closed := range snap.Closed {
		next, differs, err := w.intent(&closed.Intent)
		if err != nil {
			return err
		}
		if differs {
			closed.Intent = *next
			out.Closed = append(out.Closed, closed)
		}
	}
	return nil
}

// runs moves what is remembered of runs, with their instances.
func (w *writer) runs(state *statefile.State, out *statefile.Renaming) error {
	runs := state.Runs()
	out.Runs = map[string]*statefile.Run{}
	put := map[string]*statefile.Run{}
	for address, run := range runs {
		next := run.Clone()
		next.Address = w.text(address)
		differs := next.Address != address
		for i, j := range next.Jobs {
			next.Jobs[i].Instance = w.text(j.Instance)
			differs = differs || next.Jobs[i].Instance != j.Instance
		}
		var err error
		if next.Specification, err = w.attributes(addr.KindJob, run.Specification); err != nil {
			return fmt.Errorf("what the state has recorded of %s cannot be read: %w", address, err)
		}
		differs = differs || string(next.Specification) != string(run.Specification)
		if !differs {
			continue
		}
		if next.Address != address {
			next.Former = append(slices.DeleteFunc(next.Former, func(s string) bool { return s == address || s == next.Address }), address)
			out.Runs[address] = nil
		}
		put[next.Address] = next
	}
	for address, run := range put {
		out.Runs[address] = run
	}
	if len(out.Runs) == 0 {
		out.Runs = nil
	}
	return nil
}

// names keeps the names of blocks that are named after the addresses that they had.
func (w *writer) names(state *statefile.State, out *statefile.Renaming) {
	names := map[string]string{}
	for from := range w.blocks {
		if state.Name(from.String()) != "" {
			names[from.String()] = ""
		}
	}
	for from, to := range w.blocks {
		was, is := state.Name(from.String()), defaultName(to)
		if was == "" {
			was = defaultName(from)
		}
		delete(names, to.String())
		switch {
		case was != is && was != "":
			names[to.String()] = was
		case state.Name(to.String()) != "":
			names[to.String()] = ""
		}
	}
	if len(names) > 0 {
		out.Names = names
	}
}

// defaultName is the name of what says none, "" where its label makes none.
func defaultName(i addr.Instance) string {
	words := i.Words()
	name, err := value.NameFromLabel(words[0], words[1:]...)
	if err != nil {
		return ""
	}
	return name.String()
}
