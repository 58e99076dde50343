package lint

import (
	"fmt"
	"path"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
)

// Rule is one thing that is looked for.
type Rule struct {
	ID  string // by which findings and suppressions name it
	Doc string // what breaks it, in a sentence

	check func(c *config.Config) diag.List
}

// IDs of rules that other rules speak of.
const (
	unusedSuppression = "unused-suppression"
	wrongSuppression  = "wrong-suppression"
)

// Rules lists all rules in order of their IDs.
func Rules() []Rule {
	return []Rule{
		{"redundant-depends-on", "A block names another in depends_on and depends on it anyway, by a reference of its own or by way of others.", redundantDependsOn},
		{"unused-local", "A local is used by no block, output, check or policy, neither directly nor by way of other names.", unusedLocals},
		{"unused-profile", "A profile is chosen by no block, and it is not the default one.", unusedProfiles},
		{unusedSuppression, "A lint-ignore comment stands where its rule finds nothing.", nil},
		{"unused-variable", "A variable is used by no block, output, check or policy, neither directly nor by way of other names.", unusedVariables},
		{wrongSuppression, "A lint-ignore comment has no reason, or names a rule that does not exist.", nil},
	}
}

// Check looks for all that the rules look for, in order of places. The configuration is one that Load reports no errors for.
func Check(c *config.Config) diag.List {
	var list diag.List
	for _, r := range Rules() {
		if r.check == nil {
			continue // what concerns suppressions is looked at with them
		}
		found := r.check(c)
		for _, d := range found {
			d.Rule = r.ID
		}
		list = append(list, found...)
	}
	list = suppress(c, once(own(c, list)))
	list.Sort()
	c.Snippets(list)
	return list
}

// own leaves out what stands in modules that are fetched: it is for others to change.
func own(c *config.Config, list diag.List) diag.List {
	files := map[string]bool{}
	for _, m := range c.Modules() {
		if !m.Fetched() {
			files[m.Dir] = true
		}
	}
	return slices.DeleteFunc(list, func(d *diag.Diagnostic) bool {
		return d.Range != nil && !path.IsAbs(d.Range.Filename) && !files[path.Dir(d.Range.Filename)]
	})
}

// once leaves one of several findings at a place: a folder that is called twice makes two modules.
func once(list diag.List) diag.List {
	type key struct {
		rule string
		at   diag.Range
	}
	seen := map[key]bool{}
	return slices.DeleteFunc(list, func(d *diag.Diagnostic) bool {
		k := key{d.Rule, *d.Range}
		again := seen[k]
		seen[k] = true
		return again
	})
}

// finding makes a warning at a place.
func finding(about string, at hcl.Range, summary, format string, args ...any) diag.List {
	return diag.Warnf(summary, format, args...).At(&at).For(about)
}

// unused are the variables or locals that nothing leads to. What only something unused uses is unused as well.
func unused(c *config.Config, kind string) []config.Name {
	ways := map[string][]string{}
	names := map[string]bool{}
	for _, n := range c.Names() {
		names[n.Address] = true
	}
	var queue []string
	for _, m := range c.Mentions() {
		if names[m.From] {
			ways[m.From] = append(ways[m.From], m.To)
		} else {
			queue = append(queue, m.To)
		}
	}
	used := map[string]bool{}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if !used[name] {
			used[name] = true
			queue = append(queue, ways[name]...)
		}
	}
	var out []config.Name
	for _, n := range c.Names() {
		if n.Type == kind && !used[n.Address] {
			out = append(out, n)
		}
	}
	return out
}

func unusedVariables(c *config.Config) diag.List {
	var list diag.List
	for _, n := range unused(c, "variable") {
		list = append(list, finding(n.Address, n.DefRange, "Variable is not used", "Nothing depends on %s. Remove its block, and the values that are given to it.", n.Address)...)
	}
	return list
}

func unusedLocals(c *config.Config) diag.List {
	var list diag.List
	for _, n := range unused(c, "local") {
		list = append(list, finding(n.Address, n.DefRange, "Local is not used", "Nothing depends on %s. Remove it.", n.Address)...)
	}
	return list
}

func unusedProfiles(c *config.Config) diag.List {
	used := map[string]bool{}
	for _, m := range c.Mentions() {
		used[m.To] = true
	}
	var list diag.List
	for _, b := range c.Blocks() {
		name := b.Addr.String()
		if b.Addr.Type == "profile" && !b.Personal && !used[name] && !b.Has("default") {
			list = append(list, finding(name, b.DefRange, "Profile is not used", "No block says profile = %s, and it is not the default one. Remove it, or make it the default:\n  default = true", name)...)
		}
	}
	return list
}

// redundantDependsOn finds elements of depends_on that are there twice, or that other references say already. One that means
// a module as a whole is several mentions, and one in a folder that is called twice stands in two blocks: all of them
// must be redundant.
func redundantDependsOn(c *config.Config) diag.List {
	w := webOf(c.Mentions())
	// What is depended on, and by whom, in the order of blocks.
	var things []string
	by := map[string][]config.Mention{}
	for _, b := range c.Blocks() {
		n, ok := w.numbers[b.Addr.String()]
		if !ok {
			continue
		}
		for _, m := range w.ways[n] {
			if !m.DependsOn {
				continue
			}
			if by[m.To] == nil {
				things = append(things, m.To)
			}
			by[m.To] = append(by[m.To], m)
		}
	}
	found := map[hcl.Range]diag.List{}
	needed := map[hcl.Range]bool{}
	for some := range slices.Chunk(things, most) {
		r := w.reach(some)
		for _, thing := range some {
			for _, m := range by[thing] {
				list := redundant(r, m)
				found[m.Range] = append(found[m.Range], list...)
				needed[m.Range] = needed[m.Range] || list == nil
			}
		}
	}
	var list diag.List
	for at, some := range found {
		if !needed[at] {
			list = append(list, some[0])
		}
	}
	return list
}

// redundant says why an element of depends_on is not needed; nothing if it is.
func redundant(r *reach, m config.Mention) diag.List {
	var first *config.Mention // by which it is depended on anyway
	for _, other := range r.web.ways[r.web.numbers[m.From]] {
		switch {
		case other.DependsOn && other.Range == m.Range:
		case other.DependsOn && other.To == m.To:
			if other.Range.Start.Byte < m.Range.Start.Byte {
				return finding(m.From, m.Range, "depends_on says it twice", "%s stands in depends_on already. Remove one of them.", m.Traversal)
			}
		case other.To == m.To:
			return finding(m.From, m.Range, "depends_on says what a reference says", "%s comes after %s in any case: it uses %s at %s. Remove it from depends_on.",
				m.From, m.Traversal, other.Traversal, place(other.Range))
		case first == nil && r.has(other.To, m.To):
			first = &other
		}
	}
	if first == nil {
		return nil
	}
	way, whole := r.way(*first, m.To)
	text := ""
	for _, step := range way {
		text += fmt.Sprintf("\n  %s -> %s  (%s)", step.From, step.To, place(step.Range))
	}
	if !whole {
		text += "\n  ... -> " + m.To
	}
	return finding(m.From, m.Range, "depends_on says what references say", "%s comes after %s in any case:%s\nRemove it from depends_on.", m.From, m.Traversal, text)
}

func place(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }
