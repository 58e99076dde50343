package config

import (
	"maps"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/schema"
)

// ValueType is the type of what expressions see of one instance of a block, cty.DynamicPseudoType where it differs from one
// to the next or the block has no value.
func ValueType(block string) cty.Type {
	switch block {
	case "fleet":
		return cty.Object(map[string]cty.Type{"address": cty.String, "name": cty.String, "instance": cty.DynamicPseudoType})
	case "task", "service", "dev_environment":
		return cty.Object(map[string]cty.Type{
			"address": cty.String, "name": cty.String, "instance": cty.DynamicPseudoType, "type": cty.String, "job": cty.DynamicPseudoType,
		})
	case "volume":
		return withAddress(schema.KindObject(addr.KindVolume))
	case "gateway":
		return withAddress(schema.KindObject(addr.KindGateway))
	case "profile":
		return withAddress(schema.Of[schema.Profile]())
	}
	return cty.DynamicPseudoType
}

func withAddress(o *schema.Object) cty.Type {
	attrs := maps.Clone(o.Type().AttributeTypes())
	attrs["address"] = cty.String
	return cty.Object(attrs)
}

// shape is what is known of a block before anything is planned: which attributes it has and, where its number can be known,
// how many of it there are.
func (e *evaluation) shape(at *site, b *Block) cty.Value {
	if b == nil || e.c.cyclic {
		return cty.DynamicVal
	}
	one := cty.UnknownVal(ValueType(b.Type.Name))
	if !b.Repeats() {
		return one
	}
	a := b.at(at)
	if v, ok := e.c.shapes.Load(a); ok {
		return v.(cty.Value)
	}
	v := cty.DynamicVal
	if instances, deferred, list := e.repeat(b, at); deferred == nil && !list.HasErrors() {
		v = ofMany(b, instances, one)
	}
	e.c.shapes.Store(a, v)
	return v
}

func ofMany(b *Block, instances []Instance, one cty.Value) cty.Value {
	if b.count != nil {
		row := make([]cty.Value, len(instances))
		for i := range row {
			row[i] = one
		}
		return cty.TupleVal(row)
	}
	of := make(map[string]cty.Value, len(instances))
	for _, i := range instances {
		of[i.Addr.Key.Text()] = one
	}
	return cty.ObjectVal(of)
}
