package planner

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/statefile"
)

// Scope gives what the configuration's blocks are worth as the state has them recorded: no provider is asked. What is not
// recorded is not known. It is for expressions that a person tries out; a plan knows more, because it asks.
// The Scope is for one goroutine.
func (p *Planner) Scope(state *statefile.State) config.Scope {
	return recordedScope{newResolver(p, func() *statefile.State { return state })}
}

// recordedScope is a resolver for somebody who does not know what is recorded: where apply sees that nothing is there
// yet, it says that nothing is known.
type recordedScope struct{ *resolver }

// Value gives what a block is worth, with the repetitions that the configuration has now.
func (s recordedScope) Value(b addr.Block) (cty.Value, bool) {
	v, ok := s.resolver.Value(b)
	block := s.p.Config.Block(b)
	if !ok || block == nil || !block.Type.Repeat {
		return v, ok
	}
	if !block.Repeats() {
		return open(v), true
	}
	instances, deferred, diags := s.p.Config.RepetitionIn(b.Module, block, s)
	if deferred != nil || diags.HasErrors() {
		return cty.DynamicVal, true
	}
	made := s.recorded(b)
	of := make(map[addr.Key]cty.Value, len(instances))
	for _, inst := range instances {
		of[inst.Addr.Key] = cty.DynamicVal
		if v, ok := made[inst.Addr.Key]; ok {
			of[inst.Addr.Key] = open(v)
		}
	}
	return byKey(of), true
}

// open makes the instances and jobs of a fleet or run unknown where none is recorded.
func open(v cty.Value) cty.Value {
	if !v.Type().IsObjectType() {
		return v
	}
	set := map[string]cty.Value{}
	for _, part := range []string{addr.KindInstance, addr.KindJob} {
		if v.Type().HasAttribute(part) && v.GetAttr(part).Type().Equals(cty.EmptyTuple) {
			set[part] = cty.DynamicVal
		}
	}
	if len(set) == 0 {
		return v
	}
	return desired.WithAttrs(v, set)
}
