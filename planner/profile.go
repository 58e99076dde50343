package planner

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/schema"
)

// profiles know which profile stands in for what a block does not say.
type profiles struct {
	chosen   string               // the name of the root's that stands in where none is named, "" for the one that says default
	byName   map[string]cty.Value // by address
	defaults map[addr.Module]*config.Decoded
}

func newProfiles(c *config.Config) *profiles {
	return &profiles{chosen: c.Profile(), byName: map[string]cty.Value{}, defaults: map[addr.Module]*config.Decoded{}}
}

// add takes a profile in. The configuration's own default wins over a person's.
func (p *profiles) add(d *config.Decoded) {
	p.byName[d.Addr.String()] = d.Value
	stands := d.IsDefault()
	if p.chosen != "" && d.Addr.Module == addr.Root {
		stands = d.Addr.Name == p.chosen
	}
	if before := p.defaults[d.Addr.Module]; stands && (before == nil || before.Block.Personal) {
		p.defaults[d.Addr.Module] = d
	}
}

// standIn is the profile for what stands in a module and names none: the module's own default, else that of the modules
// around it, else nil.
func (p *profiles) standIn(m addr.Module) *config.Decoded {
	for {
		if d := p.defaults[m]; d != nil {
			return d
		}
		call, ok := m.Call()
		if !ok {
			return nil
		}
		m = call.Module
	}
}

// merged is a value of a block with its profile and the defaults of the language.
func (p *profiles) merged(d *config.Decoded, v cty.Value) cty.Value {
	profile := cty.NullVal(schema.Of[schema.Profile]().Type())
	if name := desired.Text(v, "profile"); name != "" {
		if named, ok := p.byName[name]; ok {
			profile = named
		}
	} else if d := p.standIn(d.Addr.Module); d != nil {
		profile = d.Value
	}
	return desired.Merge(d.Block.Type.Object, v, profile)
}
