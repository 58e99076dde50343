package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// Profile is the name of the profile that LoadOptions chose to stand in for what blocks do not say, "" if none: then it is
// the one that says default.
func (c *Config) Profile() string { return c.profile }

// checkProfile finds out whether the profile that was chosen is there.
func (c *Config) checkProfile() diag.List {
	known := c.main.names["profile"]
	if c.profile == "" || slices.Contains(known, c.profile) || c.partial {
		return nil
	}
	hint := schema.DidYouMean(c.profile, known)
	if hint == "" && len(known) > 0 {
		hint = " There are " + join(slices.Sorted(slices.Values(known))) + "."
	}
	return diag.Errorf("No such profile", "DSTACK_PROFILE chooses the profile %q, and there is none of that name.%s A profile is a block:\n  profile %q {\n    spot_policy = \"auto\"\n  }", c.profile, hint, c.profile)
}

// StandIns lists the profiles that may stand in for what the block does not say, because they are chosen or say default: of
// its module, and of those around it. They count as though it referred to them.
func (c *Config) StandIns(b *Block) []*Block {
	if len(c.defaults) == 0 || !b.Type.Repeat || b.Type.Object.Attr("profile") == nil || namesProfile(b.body.attr("profile")) {
		return nil
	}
	var out []*Block
	for m := b.module; m != nil; m = m.parent {
		out = append(out, c.defaults[m]...)
	}
	return out
}

// namesProfile tells whether an argument is a reference to a profile, which is never null. Any other expression may be.
func namesProfile(a *attribute) bool {
	if a == nil {
		return false
	}
	t, ds := hcl.AbsTraversalForExpr(a.expr)
	return !ds.HasErrors() && t.RootName() == "profile"
}

// findDefaults notes the profiles of each module that may be its default.
func (c *Config) findDefaults() {
	c.defaults = map[*Module][]*Block{}
	for _, b := range c.blocks {
		if b.Type.Name == "profile" && (b.body.attr("default") != nil || b.module == c.main && b.Addr.Name == c.profile) {
			c.defaults[b.module] = append(c.defaults[b.module], b)
		}
	}
}

// IsDefault tells whether a profile says that it stands in where none is named.
func (d *Decoded) IsDefault() bool {
	v, _ := d.Value.GetAttr("default").Unmark()
	return v.Type() == cty.Bool && v.IsKnown() && !v.IsNull() && v.True()
}

// CheckDefaults finds modules with two default profiles. Of a person's own and the configuration's the latter wins.
func CheckDefaults(decoded []*Decoded) diag.List {
	type owner struct {
		module   string
		personal bool
	}
	first := map[owner]*Decoded{}
	var list diag.List
	for _, d := range decoded {
		if d.Addr.Type != "profile" || !d.IsDefault() {
			continue
		}
		k := owner{string(d.Addr.Module), d.Block.Personal}
		other, twice := first[k]
		if !twice {
			first[k] = d
			continue
		}
		at, _, _ := d.Origin("default")
		list = append(list, diag.Errorf("Two default profiles", "%s and %s (%s) both say default, and only one can stand in where none is named. Let one of them not be the default.", d.Addr, other.Addr, place(other.Block.DefRange)).At(&at).For(d.Addr.String())...)
	}
	return list
}
