package move

import (
	"slices"

	"github.com/dstackai/dstack-planner/addr"
)

// site is the repetition of the module of a statement that a path is in or below. The statement counts for all of them.
func (s Statement) site(m addr.Module) (addr.Module, bool) {
	depth := s.Module.Depth()
	site := m.Up(depth)
	return site, site.Depth() == depth && site.Static() == s.Module
}

// whole tells whether the statement is one of all repetitions at once: nobody wrote a key.
func (s Statement) whole() bool { return !s.From.Key().IsSet() && !s.To.Key().IsSet() }

// rekeyed is the repetition that a matching one becomes.
func (s Statement) rekeyed(key addr.Key) (addr.Key, bool) {
	switch {
	case s.whole():
		return key, true
	case key != s.From.Key():
		return addr.NoKey, false
	}
	return s.To.Key(), true
}

// module says where a path leads that is the statement's module or lies in it.
func (s Statement) module(m addr.Module) (addr.Module, bool) {
	site, ok := s.site(m)
	if !ok {
		return "", false
	}
	from := s.From.Block()
	depth := site.Join(from.Module).Depth() + 1
	head := m.Up(depth)
	call, called := head.Call()
	if !called || head.Depth() != depth || call.Name != from.Name || call.Module != site.Join(from.Module) {
		return "", false
	}
	key, ok := s.rekeyed(call.Key)
	if !ok {
		return "", false
	}
	to := s.To.Block()
	out := site.Join(to.Module).Child(to.Name, key)
	if rest := m[len(head):]; rest != "" {
		out += rest
	}
	return out, true
}

// block says where a repetition of the statement's block leads.
func (s Statement) block(i addr.Instance) (addr.Instance, bool) {
	site, ok := s.site(i.Module)
	from, to := s.From.Block(), s.To.Block()
	if !ok || i.Module != site.Join(from.Module) || i.Type != from.Type || i.Name != from.Name {
		return i, false
	}
	key, ok := s.rekeyed(i.Key)
	if !ok {
		return i, false
	}
	to.Module, to.Key = site.Join(to.Module), key
	return to, true
}

// instance says which instance of a repetition the statement speaks of, and where it leads.
func (s Statement) instance(i addr.Instance) (from, to addr.Resource, ok bool) {
	site, ok := s.site(i.Module)
	from, to = s.From.Within(site).Resource(), s.To.Within(site).Resource()
	return from, to, ok && from.Block == i
}

// inOrder sorts statements so that what one gives is there before another takes it, and what is said of a part before what is
// said of the whole. Statements that go round in a circle stay in the order of writing.
func inOrder(list []Statement) []int {
	// Only statements about the same block as written, or about modules, can follow each other.
	type end struct{ from, to addr.Subject }
	ends := make([]end, len(list))
	takes := map[addr.Block][]int{} // by the block that it takes from
	var modules []int
	for i, s := range list {
		ends[i] = end{s.From.Within(s.Module), s.To.Within(s.Module)}
		if s.From.IsModule() {
			modules = append(modules, i)
			continue
		}
		takes[static(ends[i].from)] = append(takes[static(ends[i].from)], i)
	}
	after := make([][]int, len(list)) // statements that come after
	for i, s := range list {
		candidates := slices.Concat(takes[static(ends[i].to)], takes[static(ends[i].from)], modules)
		if s.To.IsModule() || s.From.IsModule() {
			candidates = make([]int, len(list))
			for n := range list {
				candidates[n] = n
			}
		}
		for _, j := range candidates {
			if j == i {
				continue
			}
			gives := overlaps(ends[i].to, ends[j].from)
			part := contains(ends[j].from, ends[i].from) && !contains(ends[i].from, ends[j].from)
			if gives || part {
				after[i] = append(after[i], j)
			}
		}
	}
	return sortedBy(after)
}

// sortedBy sorts numbers so that each comes before those after it, in the order of numbers where that leaves a choice.
func sortedBy(after [][]int) []int {
	const (
		fresh = iota
		open
		done
	)
	state := make([]int, len(after))
	out := make([]int, 0, len(after))
	type frame struct{ v, next int }
	for start := len(after) - 1; start >= 0; start-- { // what is finished last comes first
		if state[start] != fresh {
			continue
		}
		state[start] = open
		path := []frame{{v: start}}
		for len(path) > 0 {
			top := &path[len(path)-1]
			if top.next == len(after[top.v]) {
				state[top.v] = done
				out = append(out, top.v)
				path = path[:len(path)-1]
				continue
			}
			n := after[top.v][top.next]
			top.next++
			if state[n] == fresh {
				state[n] = open
				path = append(path, frame{v: n})
			}
		}
	}
	slices.Reverse(out)
	return out
}

// static is the block of a subject as written.
func static(s addr.Subject) addr.Block {
	b := s.Block().Block
	b.Module = b.Module.Static()
	return b
}

// overlaps tells whether one subject is, or lies in, the other.
func overlaps(a, b addr.Subject) bool { return contains(a, b) || contains(b, a) }

// contains tells whether b is a or lies in it. A key that is not written stands for all.
func contains(a, b addr.Subject) bool {
	if a.IsModule() {
		m := b.Block().Module
		if b.IsModule() {
			m = m.Child(b.Block().Name, b.Key())
		}
		call := a.Block()
		return within(m, call.Module.Child(call.Name, call.Key))
	}
	x, y := a.Block(), b.Block()
	switch {
	case b.IsModule(), x.Type != y.Type || x.Name != y.Name || !within(y.Module, x.Module) || x.Module.Depth() != y.Module.Depth():
		return false
	case x.Key.IsSet() && y.Key.IsSet() && x.Key != y.Key:
		return false
	}
	return a.IsBlock() || a.Resource().Key() == b.Resource().Key() && a.Resource().Kind() == b.Resource().Kind()
}

// within tells whether a path is another, or lies in it, where keys that are missing in either stand for all.
func within(m, pattern addr.Module) bool {
	depth := pattern.Depth()
	if m.Depth() < depth {
		return false
	}
	for m = m.Up(depth); m != addr.Root; {
		have, _ := m.Call()
		want, _ := pattern.Call()
		if have.Name != want.Name || have.Key.IsSet() && want.Key.IsSet() && have.Key != want.Key {
			return false
		}
		m, pattern = have.Module, want.Module
	}
	return true
}
