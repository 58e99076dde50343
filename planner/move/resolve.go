package move

import (
	"cmp"
	"maps"
	"slices"

	"github.com/dstackai/dstack-planner/addr"
)

// Statement says that what is under one address goes on under another.
type Statement struct {
	// Module is the module in which it was said, without keys: From and To are relative to each repetition of it.
	Module   addr.Module
	From, To addr.Subject
	// Implied: nobody wrote it. It moves what it can, and says nothing where it cannot.
	Implied bool
}

// Move is one address that changes: of one repetition of a block with all that belongs to it, or of one instance.
type Move struct {
	From, To addr.Subject
	// By are the statements that led from the one to the other, by their numbers.
	By []int
}

// Blocked is a statement that could not be followed, because there is something at both addresses.
type Blocked struct {
	Statement int
	From, To  addr.Subject
}

// Resolve follows statements through what is recorded: addresses of resources, of blocks that runs are remembered of, and
// of what is being made. Where something is at both addresses the one that is at the target stays, and the other as well.
// The moves are in the order of their new addresses.
func Resolve(statements []Statement, recorded []addr.Resource) ([]Move, []Blocked) {
	if len(statements) == 0 {
		return nil, nil
	}
	w := newWorld(recorded)
	for _, i := range inOrder(statements) {
		w.follow(i, statements[i])
	}
	slices.SortFunc(w.blocked, func(a, b Blocked) int {
		return cmp.Or(cmp.Compare(a.Statement, b.Statement), a.From.Resource().Compare(b.From.Resource()))
	})
	return w.moves(), w.blocked
}

// unit is one recorded thing on its way.
type unit struct {
	from, at addr.Resource
	by       []int // of the instance that it is, or belongs to, apart from its block
}

// blockState is what is under one repetition of a block now.
type blockState struct {
	from  map[addr.Instance][]int // the repetitions that moved here as a whole, with the statements
	units []*unit
}

// world is what is recorded, while statements are followed.
type world struct {
	blocks  map[addr.Instance]*blockState
	static  map[addr.Block][]addr.Instance // by the block as written
	first   map[addr.Instance]bool         // those that anything was recorded of
	blocked []Blocked
}

func newWorld(recorded []addr.Resource) *world {
	w := &world{blocks: map[addr.Instance]*blockState{}, static: map[addr.Block][]addr.Instance{}, first: map[addr.Instance]bool{}}
	for _, r := range recorded {
		if r.Block.Type == "backend" {
			continue
		}
		b := w.at(r.Block)
		if !w.first[r.Block] {
			w.first[r.Block] = true
			b.from = map[addr.Instance][]int{r.Block: nil}
		}
		b.units = append(b.units, &unit{from: r, at: r})
	}
	return w
}

// at is what is under a repetition; it is made where there is nothing.
func (w *world) at(i addr.Instance) *blockState {
	b := w.blocks[i]
	if b == nil {
		b = &blockState{from: map[addr.Instance][]int{}}
		w.blocks[i] = b
		s := i.Block
		s.Module = s.Module.Static()
		w.static[s] = append(w.static[s], i)
	}
	return b
}

// follow carries out one statement.
func (w *world) follow(n int, s Statement) {
	switch {
	case s.From.IsModule():
		for _, i := range w.sorted() {
			if to, ok := s.module(i.Module); ok {
				dest := i
				dest.Module = to
				w.moveBlock(n, s, i, dest)
			}
		}
	case s.From.IsBlock():
		b := s.From.Block().Block
		b.Module = s.Module.Join(b.Module).Static()
		for _, i := range slices.Clone(w.static[b]) {
			if to, ok := s.block(i); ok {
				w.moveBlock(n, s, i, to)
			}
		}
	default:
		b := s.From.Block().Block
		b.Module = s.Module.Join(b.Module).Static()
		for _, i := range slices.Clone(w.static[b]) {
			from, to, ok := s.instance(i)
			if ok {
				w.moveInstance(n, s, from, to)
			}
		}
	}
}

// sorted are the repetitions of which there is something, in order.
func (w *world) sorted() []addr.Instance {
	return slices.SortedFunc(maps.Keys(w.blocks), func(a, b addr.Instance) int { return a.Self().Compare(b.Self()) })
}

func (w *world) moveBlock(n int, s Statement, from, to addr.Instance) {
	have := w.blocks[from]
	if have == nil || len(have.units) == 0 || from == to {
		return
	}
	dest := w.at(to)
	if len(dest.units) > 0 {
		w.block(n, s, addr.SubjectOf(from.Self()), addr.SubjectOf(to.Self()))
		return
	}
	for _, u := range have.units {
		u.at.Block = to
		if len(u.by) > 0 {
			u.by = append(slices.Clip(u.by), n)
		}
	}
	dest.units, have.units = have.units, nil
	dest.from, have.from = have.from, map[addr.Instance][]int{}
	for i := range dest.from {
		dest.from[i] = append(slices.Clip(dest.from[i]), n)
	}
}

func (w *world) moveInstance(n int, s Statement, from, to addr.Resource) {
	have := w.blocks[from.Block]
	is := func(u *unit, r addr.Resource) bool { return u.at.Owner() == r }
	if have == nil || from == to || !slices.ContainsFunc(have.units, func(u *unit) bool { return u.at == from }) {
		return
	}
	dest := w.at(to.Block)
	if slices.ContainsFunc(dest.units, func(u *unit) bool { return u.at == to }) {
		w.block(n, s, addr.SubjectOf(from), addr.SubjectOf(to))
		return
	}
	var left, gone []*unit
	for _, u := range have.units {
		if !is(u, from) {
			left = append(left, u)
			continue
		}
		support := u.at.SupportName()
		u.at = to
		if support != "" {
			u.at = to.Support(support)
		}
		u.by = append(slices.Clip(u.by), n)
		gone = append(gone, u)
	}
	have.units = left
	dest.units = append(dest.units, gone...)
}

func (w *world) block(n int, s Statement, from, to addr.Subject) {
	if !s.Implied {
		w.blocked = append(w.blocked, Blocked{n, from, to})
	}
}

// moves says where everything has come to: whole repetitions first, then what went another way than its block.
func (w *world) moves() []Move {
	var out []Move
	whole := map[addr.Instance]addr.Instance{}
	for i, b := range w.blocks {
		for from, by := range b.from {
			whole[from] = i
			if from != i {
				out = append(out, Move{addr.SubjectOf(from.Self()), addr.SubjectOf(i.Self()), by})
			}
		}
	}
	for _, b := range w.blocks {
		for _, u := range b.units {
			if u.at.SupportName() != "" || len(u.by) == 0 {
				continue
			}
			expected := u.from
			expected.Block = whole[u.from.Block]
			if u.at != expected {
				out = append(out, Move{addr.SubjectOf(u.from), addr.SubjectOf(u.at), u.by})
			}
		}
	}
	slices.SortFunc(out, func(a, b Move) int { return a.To.Resource().Compare(b.To.Resource()) })
	return out
}
