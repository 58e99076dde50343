package wire

import (
	"bytes"
	"fmt"
	"maps"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/msgpack"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	pb "github.com/dstackai/dstack-planner/providers/wire/proto"
	"github.com/dstackai/dstack-planner/schema"
)

// shape is the description of a kind, or of what travels beside kinds, under the name that errors give it.
type shape struct {
	name   string
	object *schema.Object
}

// shapeOf returns the shape of a kind whose name came from the other side.
func shapeOf(kind string) (shape, error) {
	switch kind {
	case addr.KindInstance, addr.KindVolume, addr.KindGateway, addr.KindJob, addr.KindSupport:
		return shape{kind, schema.KindObject(kind)}, nil
	}
	return shape{}, providers.Errorf(providers.Invalid, "there is no kind %q in this version", kind)
}

func supportShape() shape   { return shape{addr.KindSupport, schema.Of[schema.Support]()} }
func resourcesShape() shape { return shape{"resources", schema.Of[schema.Resources]()} }

// encodeValue encodes an object of a kind; nil stands for null and for no value at all. What is wholly known is JSON, as
// in state; only attributes with something unknown take the dearer form that can say so.
func encodeValue(o shape, v cty.Value) (*pb.Value, error) {
	if v == cty.NilVal {
		return nil, nil
	}
	if v.IsMarked() {
		return nil, errMarked(o.name)
	}
	if v.IsNull() {
		return nil, nil
	}
	if !v.IsKnown() {
		data, err := msgpack.Marshal(v, o.object.Type())
		if err != nil {
			return nil, providers.Errorf(providers.Invalid, "encode %s: %w", o.name, err)
		}
		return &pb.Value{Unknown: data}, nil
	}
	// Most values are wholly known, and to try costs less than to ask.
	data, err := schema.MarshalValue(v)
	if err == nil {
		return &pb.Value{Json: data}, nil
	}
	if v.ContainsMarked() {
		return nil, errMarked(o.name)
	}
	known, partial := split(v)
	if len(partial) == 0 {
		return nil, providers.Errorf(providers.Invalid, "encode %s: %w", o.name, err)
	}
	out := &pb.Value{Partial: make(map[string][]byte, len(partial))}
	for name, a := range partial {
		attr := o.object.Attr(name)
		if attr == nil {
			return nil, providers.Errorf(providers.Invalid, "encode %s: it has no attribute %q", o.name, name)
		}
		if out.Partial[name], err = msgpack.Marshal(a, attr.Type); err != nil {
			return nil, providers.Errorf(providers.Invalid, "encode %s.%s: %w", o.name, name, err)
		}
	}
	if out.Json, err = schema.MarshalValue(known); err != nil {
		return nil, providers.Errorf(providers.Invalid, "encode %s: %w", o.name, err)
	}
	return out, nil
}

// split parts a known object into what is wholly known and the attributes that are not.
func split(v cty.Value) (known cty.Value, partial map[string]cty.Value) {
	attrs := v.AsValueMap()
	partial = map[string]cty.Value{}
	for name, a := range attrs {
		if !a.IsWhollyKnown() {
			partial[name] = a
			delete(attrs, name)
		}
	}
	return cty.ObjectVal(attrs), partial
}

// decodeValue is the reverse of encodeValue. Attributes that this side does not know are dropped.
func decodeValue(o shape, v *pb.Value) (cty.Value, error) {
	if v == nil {
		return cty.NullVal(o.object.Type()), nil
	}
	if len(v.GetUnknown()) > 0 {
		out, err := msgpack.Unmarshal(v.GetUnknown(), o.object.Type())
		if err != nil {
			return cty.NilVal, fmt.Errorf("decode %s: %w", o.name, err)
		}
		return out, nil
	}
	out, err := schema.UnmarshalValue(o.object, v.GetJson())
	if err != nil {
		return cty.NilVal, fmt.Errorf("decode %s: %w", o.name, err)
	}
	if len(v.GetPartial()) == 0 {
		return out, nil
	}
	if out.IsNull() {
		return cty.NilVal, fmt.Errorf("decode %s: attributes without their object", o.name)
	}
	attrs := out.AsValueMap()
	for name, data := range v.GetPartial() {
		a := o.object.Attr(name)
		if a == nil {
			continue
		}
		if attrs[name], err = msgpack.Unmarshal(data, a.Type); err != nil {
			return cty.NilVal, fmt.Errorf("decode %s.%s: %w", o.name, name, err)
		}
	}
	return cty.ObjectVal(attrs), nil
}

// sameValue tells whether two values have the same encoding. Different encodings of equal values count as different.
func sameValue(a, b *pb.Value) bool {
	return bytes.Equal(a.GetJson(), b.GetJson()) &&
		bytes.Equal(a.GetUnknown(), b.GetUnknown()) &&
		maps.EqualFunc(a.GetPartial(), b.GetPartial(), bytes.Equal) &&
		(a == nil) == (b == nil)
}

func errMarked(what string) error {
	return providers.Errorf(providers.Invalid, "%s is marked: marks are core's own and do not cross to a provider", what)
}
