package providers

import "github.com/zclconf/go-cty/cty"

// Knows tells whether an attribute is wholly known in what is wanted. One that the kind does not have is not.
func (c Change) Knows(attribute string) bool {
	return c.Want.Type().HasAttribute(attribute) && c.Want.GetAttr(attribute).IsWhollyKnown()
}

// Promise fills in attributes of the planned value that are unknown. What is known stays, because it was wanted so, and
// attributes that the kind does not have are left out.
func (p *Planned) Promise(values map[string]cty.Value) {
	attributes := p.Value.AsValueMap()
	changed := false
	for name, v := range values {
		if old, ok := attributes[name]; ok && !old.IsKnown() {
			attributes[name], changed = v, true
		}
	}
	if changed {
		p.Value = cty.ObjectVal(attributes)
	}
}
