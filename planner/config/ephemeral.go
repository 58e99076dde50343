package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// IsEphemeral tells whether a variable of the configuration is one whose value is kept nowhere.
func (c *Config) IsEphemeral(name string) bool {
	v := c.main.variables[name]
	return v != nil && v.ephemeral
}

// isEphemeral tells whether some of a value must be kept nowhere.
func isEphemeral(v cty.Value) bool {
	if !v.ContainsMarked() {
		return false
	}
	_, marks := v.UnmarkDeep()
	_, found := marks[schema.EphemeralMark]
	return found
}

// takesEphemeral tells whether an argument may have an ephemeral value: where a job or a provider is handed a secret that
// is not kept in clear anyway. Variables of modules, locals and conditions hand it on.
func takesEphemeral(a *schema.Attribute) bool {
	return a.Env || a.Sensitive || a.Name == "settings" || a.Name == "username"
}

// ephemeralIn reports an ephemeral value where something of it would be kept.
func (c *Config) ephemeralIn(a *attribute, v cty.Value, ctx *hcl.EvalContext) diag.List {
	if !isEphemeral(v) {
		return nil
	}
	return c.about(a, ctx, a.expr.Range(), "Ephemeral value has no place here", "The value is kept nowhere, and that of %s is kept: in the plan, in the state, and by who makes the thing. An ephemeral value goes into env, from which a job reads it, into credentials for registries, and into settings of backends.", a.name)
}
