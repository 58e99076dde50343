package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// checkReferences finds references to nothing and names that have no value where they stand, and notes which blocks
// each block refers to.
func (c *Config) checkReferences() diag.List {
	var list diag.List
	for _, m := range c.modules {
		for _, name := range slices.Sorted(maps.Keys(m.locals)) {
			list = append(list, c.checkUses(m, nil, m.locals[name].attr, nil).For(m.label("local."+name))...)
		}
	}
	if c.dstack != nil {
		c.dstack.eachAttribute(func(a *attribute, _ *schema.Attribute) {
			list = append(list, c.checkUses(c.main, c.dstack, a, nil)...)
		})
	}
	for _, b := range c.blocks {
		before := len(list)
		b.eachAttribute(func(a *attribute, top *schema.Attribute) {
			list = append(list, c.checkUses(b.module, b, a, top)...)
		})
		list[before:].For(b.Addr.String())
	}
	for _, m := range c.modules {
		for _, l := range m.locals {
			c.closure(&l.links, m, l.attr.uses)
		}
		for _, v := range m.variables {
			c.inputRefs(m, v)
		}
		if m.Call != nil {
			m.fixed = m.parent.fixed && !slices.ContainsFunc(c.blockRefs(m.Call), func(r Reference) bool { return !r.DependsOn })
			list = append(list, c.checkCall(m)...)
		}
	}
	for _, b := range c.blocks {
		c.blockRefs(b)
	}
	return list
}

// eachAttribute calls f for all arguments of a block that mention something, with the top-level attribute that they
// belong to, which decides whether they may differ between jobs; nil for count, for_each, depends_on and lifecycle.
func (b *Block) eachAttribute(f func(a *attribute, top *schema.Attribute)) {
	call := func(a *attribute, top *schema.Attribute) {
		if a.uses != nil {
			f(a, top)
		}
	}
	for _, a := range []*attribute{b.count, b.forEach, b.dependOn} {
		if a != nil {
			call(a, nil)
		}
	}
	if b.lifecycle != nil {
		for _, a := range b.lifecycle.body.attrs {
			call(a, nil)
		}
		for _, n := range b.lifecycle.body.blocks {
			n.each(func(a *attribute) { call(a, n.desc) })
		}
	}
	for _, a := range b.body.attrs {
		call(a, a.desc)
	}
	for _, n := range b.body.blocks {
		n.each(func(a *attribute) { call(a, n.desc) })
	}
}

// exists tells whether a use names something that is declared in the module.
func (c *Config) exists(m *Module, u use) bool {
	switch u.root {
	case "var":
		return m.variables[u.name] != nil
	case "local":
		return m.locals[u.name] != nil
	}
	return c.byAddr[m.block(u)] != nil
}

// mayBeMissing tells whether a use names something of the kind that files declare.
func (c *Config) mayBeMissing(u use) bool {
	t, isBlock := schema.BlockTypeOf(u.root)
	return u.root == "var" || u.root == "local" || isBlock && t.Label
}

// checkUses checks every name in an expression. The block is nil in locals.
func (c *Config) checkUses(m *Module, b *Block, a *attribute, top *schema.Attribute) diag.List {
	var list diag.List
	for _, u := range a.uses {
		summary, detail := c.checkUse(m, b, a, top, u)
		if summary != "" {
			rng := u.rng()
			list = append(list, c.about(a, nil, rng, summary, "%s", detail)...)
			switch u.root {
			case "each", "count", "node", "replica", "path":
				a.wrong = true // they have a value, which would be found not to have the attribute either
			}
		}
	}
	return list
}

// checkUse says what is wrong with one name, nothing if it is right.
func (c *Config) checkUse(m *Module, b *Block, a *attribute, top *schema.Attribute, u use) (summary, detail string) {
	const nothing = "Reference to nothing"
	if c.partial && u.name != "" && c.mayBeMissing(u) {
		return "", "" // it may stand in the file that could not be parsed
	}
	if a != nil && a.name == "replace_triggered_by" { // nil where the name is asked for by itself
		if summary, detail = checkTrigger(u); summary != "" {
			return summary, detail
		}
	}
	switch u.root {
	case "var":
		if u.name == "" {
			return nothing, rootAlone(u, "var", "the name of a variable", "var.size")
		}
		if m.variables[u.name] == nil {
			if s := schema.Suggest(u.name, slices.Collect(maps.Keys(m.variables))); s != "" {
				return nothing, fmt.Sprintf("There is no variable %q. Did you mean var.%s?", u.name, s)
			}
			return nothing, fmt.Sprintf("There is no variable %q. To declare it:\n  variable %q {}", u.name, u.name)
		}
		return "", ""
	case "local":
		if u.name == "" {
			return nothing, rootAlone(u, "local", "the name of a local", "local.size")
		}
		if m.locals[u.name] == nil {
			if s := schema.Suggest(u.name, slices.Collect(maps.Keys(m.locals))); s != "" {
				return nothing, fmt.Sprintf("There is no local %q. Did you mean local.%s?", u.name, s)
			}
			return nothing, fmt.Sprintf("There is no local %q. Locals are defined in a block:\n  locals {\n    %s = ...\n  }", u.name, u.name)
		}
		return "", ""
	case "path":
		return oneOf(u, "module", "root", "cwd")
	case PlanName:
		if b == nil && a.context == "locals" {
			return c.checkPlanUse(u) // only policies can use the local, which checkPolicies sees to
		}
		return "Reference has no place here", "plan is what is planned for all blocks. Only policies can use it, and locals that only policies use."
	case "each":
		switch {
		case b == nil || b.forEach == nil:
			return "No for_each here", "each.key and each.value have a value only in a block that has for_each." + whyNotHere(b)
		case a == b.forEach:
			return "No for_each here", "each has a value only once for_each has one, so for_each cannot use it."
		}
		return oneOf(u, "key", "value")
	case "count":
		switch {
		case b == nil || b.count == nil:
			return "No count here", "count.index has a value only in a block that has count." + whyNotHere(b)
		case a == b.count:
			return "No count here", "count has a value only once count is evaluated, so count cannot use it."
		}
		return oneOf(u, "index")
	case "node", "replica":
		return checkPerJob(b, a, top, u)
	case "self":
		if top != nil && top.Name == "postcondition" {
			return "", ""
		}
		return "No self here", "self is the resource that a postcondition speaks of; it has no value elsewhere. Write the address, as in " + exampleAddress(b) + "."
	}
	t, isBlock := schema.BlockTypeOf(u.root)
	switch {
	case u.root == "policy":
		return nothing, "A policy has no value; nothing can refer to it."
	case isBlock && t.Label && t.Name != "variable" && t.Name != "output" && t.Name != "check":
		return c.checkBlockUse(m, t, u)
	case u.root == "variable":
		return nothing, fmt.Sprintf("A variable is written with var: var.%s.", cmp.Or(u.name, "name"))
	case u.root == "locals":
		return nothing, fmt.Sprintf("A local is written with local: local.%s.", cmp.Or(u.name, "name"))
	case u.root == "output":
		return nothing, "An output is for people and other programs; blocks cannot refer to it. Refer to what the output is made of, or make a local."
	case u.root == "check":
		return nothing, "A check is for people and other programs; nothing can refer to it. Put what its condition is made of into a local."
	}
	return nothing, c.unknownName(m, u)
}

// rootAlone explains a root without a name behind it; it may be meant as a text.
func rootAlone(u use, root, what, example string) string {
	detail := fmt.Sprintf("%s alone is nothing; write %s behind it, as in %s.", root, what, example)
	if len(u.traversal) == 1 {
		detail += fmt.Sprintf(" The text %q stands in quotes.", root)
	}
	return detail
}

func (c *Config) checkBlockUse(m *Module, t schema.BlockType, u use) (summary, detail string) {
	if c.byAddr[m.block(u)] != nil {
		if child := m.children[u.name]; t.Name == "module" && child != nil {
			return c.checkOutputUse(child, u)
		}
		return "", ""
	}
	kinds := t.Kinds()
	if len(kinds) > 0 && !strings.Contains(u.name, ".") {
		return "Reference to nothing", fmt.Sprintf("A block %s has two labels, so a reference to it has both, as in %s.%s.name.", t.Name, t.Name, kinds[0])
	}
	if u.name == "" {
		return "Reference to nothing", rootAlone(u, u.root, "the name of a block", u.root+".name")
	}
	if t.Name == "backend" && u.name == "local" && len(m.names["backend"]) == 0 {
		return "Reference to nothing", "The backend local is there unasked, but without a block it has no address. Write one:\n  backend \"local\" {}"
	}
	detail = fmt.Sprintf("There is no %s %q.", t.Name, u.name)
	if s := schema.Suggest(u.name, m.names[t.Name]); s != "" {
		return "Reference to nothing", fmt.Sprintf("%s Did you mean %s.%s?", detail, t.Name, s)
	}
	if known := slices.Sorted(slices.Values(m.names[t.Name])); len(known) > 0 {
		if len(known) > 8 {
			known = append(known[:8:8], "...")
		}
		return "Reference to nothing", detail + " There are " + strings.Join(known, ", ") + "."
	}
	return "Reference to nothing", detail + fmt.Sprintf(" The configuration has no block %s.", t.Name)
}

// checkOutputUse checks the output that is read of a module.
func (c *Config) checkOutputUse(m *Module, u use) (summary, detail string) {
	want := u.output()
	if want == "" || c.output(m, want) != nil || c.partial {
		return "", ""
	}
	known := slices.Sorted(slices.Values(m.names["output"]))
	detail = fmt.Sprintf("%s has no output %q.", m.Path, want)
	switch s := schema.DidYouMean(want, known); {
	case s != "":
		detail += s
	case len(known) > 0:
		detail += " It has " + strings.Join(known, ", ") + "."
	default:
		detail += fmt.Sprintf(" It has none. To give one out, write in %s:\n  output %q {\n    value = ...\n  }", m.Dir, want)
	}
	if m.variables[want] != nil {
		detail += " It has a variable of this name; what goes in does not come out unasked."
	}
	return "Reference to nothing", detail
}

// checkPerJob checks node.* and replica.*.
func checkPerJob(b *Block, a *attribute, top *schema.Attribute, u use) (summary, detail string) {
	summary = "Not a value of a job"
	example := "node.rank and node.count have a value in arguments of a task"
	home := "task"
	if u.root == "replica" {
		example, home = "replica.index has a value in arguments of a service", "service"
	}
	switch {
	case b == nil:
		return summary, example + " that each job reads for itself, such as env and volumes; a local is evaluated once for all. Write the expression where it is used."
	case b.Type.Name != home:
		return summary, fmt.Sprintf("%s, and this is a %s.%s", example, b.Type.Name, insteadPerJob(b))
	case top == nil || !top.PerJob:
		var names []string
		for _, at := range b.Type.Object.Attrs {
			if at.PerJob {
				names = append(names, at.Name)
			}
		}
		return summary, fmt.Sprintf("%s that each job reads for itself; %s is the same for all jobs. It can be used in %s.", example, a.name, strings.Join(names, ", "))
	}
	if u.root == "replica" {
		return oneOf(u, "index")
	}
	return oneOf(u, "rank", "count")
}

func insteadPerJob(b *Block) string {
	switch b.Type.Name {
	case "service":
		return " Use replica.index for the number of the replica."
	case "task":
		return " Use node.rank for the number of the node."
	}
	return ""
}

func oneOf(u use, names ...string) (summary, detail string) {
	if slices.Contains(names, u.name) {
		return "", ""
	}
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = u.root + "." + n
	}
	return "Reference to nothing", fmt.Sprintf("There is no %s here; there is %s.", u.short(), strings.Join(all, ", "))
}

func whyNotHere(b *Block) string {
	if b == nil {
		return " Locals are evaluated once for all; write the expression where it is used."
	}
	return ""
}

func exampleAddress(b *Block) string {
	if b == nil || b.Addr.Name == "" {
		return "volume.data"
	}
	return b.Addr.String()
}

// unknownName explains a name that is no root of anything: a shell's variable, a text without quotes, a mistyped word.
func (c *Config) unknownName(m *Module, u use) string {
	name := traversalText(u.traversal)
	rng := u.rng()
	if len(u.traversal) == 1 && c.interpolated(rng) {
		return fmt.Sprintf("${%s} is replaced here, before a shell sees it, and nothing is called %s. For the shell's variable write $${%s}, or $%s; for a variable of the configuration var.%s.", name, name, name, name, strings.ToLower(name))
	}
	roots := []string{"var", "local", "path", "each", "count", "node", "replica"}
	for _, t := range schema.BlockTypes() {
		if t.Label && t.Name != "variable" && t.Name != "output" && t.Name != "check" && t.Name != "policy" {
			roots = append(roots, t.Name)
		}
	}
	if len(u.traversal) > 1 {
		if s := schema.Suggest(u.root, roots); s != "" {
			return fmt.Sprintf("Nothing is called %q. Did you mean %s%s?", u.root, s, strings.TrimPrefix(name, u.root))
		}
		return fmt.Sprintf("Nothing is called %q. References start with %s.", u.root, strings.Join(roots, ", "))
	}
	for _, t := range []string{"var", "local"} {
		if c.exists(m, use{root: t, name: name}) {
			return fmt.Sprintf("Nothing is called %s. Did you mean %s.%s?", name, t, name)
		}
	}
	for _, t := range roots {
		if slices.Contains(m.names[t], name) {
			return fmt.Sprintf("Nothing is called %s. Did you mean %s.%s, or the text %q in quotes?", name, t, name, name)
		}
	}
	return fmt.Sprintf("Nothing is called %s. A text stands in quotes: %q. A variable is written var.%s.", name, name, name)
}

// interpolated tells whether a name stands alone in ${ } of a text.
func (c *Config) interpolated(rng hcl.Range) bool {
	text := c.texts[rng.Filename]
	start, end := rng.Start.Byte, rng.End.Byte
	if start < 2 || end >= len(text) {
		return false
	}
	before := strings.TrimRight(string(text[max(0, start-8):start]), " ")
	return strings.HasSuffix(before, "${") && strings.HasPrefix(strings.TrimLeft(string(text[end:min(len(text), end+8)]), " "), "}")
}
