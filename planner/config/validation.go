package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/dstackai/dstack-planner/diag"
)

// validateVariables checks the rules that variables have. What a rule says of blocks is not known here, so such a rule holds
// for now.
func (c *Config) validateVariables() diag.List {
	var list diag.List
	for _, m := range c.modules {
		for _, name := range slices.Sorted(maps.Keys(m.variables)) {
			list = append(list, c.checkValidations(m.variables[name])...)
		}
	}
	e := c.evaluate(nil)
	for _, name := range slices.Sorted(maps.Keys(c.main.variables)) {
		v := c.main.variables[name]
		list = append(list, e.validate(c.root, v, v.body.nestedOf("validation"))...)
	}
	return list
}

// checkValidations finds references to nothing in the rules of a variable.
func (c *Config) checkValidations(v *variable) diag.List {
	var list diag.List
	for _, n := range v.body.nestedOf("validation") {
		for _, a := range n.body.attrs {
			list = append(list, c.checkUses(v.module, nil, a, nil)...)
		}
	}
	return list.For(v.module.label("var." + v.name))
}

// sound tells whether a rule refers to what there is.
func (c *Config) sound(v *variable, n *nested) bool {
	return !slices.ContainsFunc(n.body.attrs, func(a *attribute) bool { return c.checkUses(v.module, nil, a, nil).HasErrors() })
}

// validate checks rules of a variable in a site of its module.
func (e *evaluation) validate(at *site, v *variable, rules []*nested) diag.List {
	var list diag.List
	note := fmt.Sprintf("The value came from %s.", v.from)
	if at.up != nil {
		note = fmt.Sprintf("%s is called at %s.", at.path, place(at.module.Call.DefRange))
	}
	for _, n := range rules {
		if !e.c.sound(v, n) {
			continue // reported as such
		}
		ctx, ds := e.fill(at, nil, n.uses())
		if list = append(list, ds...); ds.HasErrors() {
			continue
		}
		list = append(list, e.c.condition(n.body, ctx, note)...)
	}
	return list.For(at.module.label("var." + v.name))
}

// lateRules checks the rules of the configuration's own variables that say something of blocks.
func (c *Config) lateRules(scope Scope) diag.List {
	var list diag.List
	e := c.evaluate(scope)
	for _, name := range slices.Sorted(maps.Keys(c.main.variables)) {
		v := c.main.variables[name]
		late := slices.DeleteFunc(v.body.nestedOf("validation"), func(n *nested) bool {
			return !slices.ContainsFunc(n.uses(), c.aboutBlocks)
		})
		list = append(list, e.validate(c.root, v, late)...)
	}
	return list
}

// aboutBlocks tells whether a name of the configuration's own module depends on a block.
func (c *Config) aboutBlocks(u use) bool {
	switch u.root {
	case "var", "path":
		return false
	case "local":
		l := c.main.locals[u.name]
		return l != nil && !l.fixed()
	}
	return true
}
