package fake

import (
	"encoding/json"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// setValue makes v the object's value.
func setValue[T any](o *Object, v T) error {
	data, err := schema.MarshalValue(schema.Encode(v))
	if err != nil {
		return err
	}
	o.Attributes, o.decoded = data, v
	return nil
}

// valueOf returns the object's value. What it refers to is shared and not to be changed.
func valueOf[T any](o *Object) (T, error) {
	if v, ok := o.decoded.(T); ok {
		return v, nil
	}
	var none T
	value, err := schema.UnmarshalValue(schema.Of[T](), o.Attributes)
	if err != nil {
		return none, fmt.Errorf("read the attributes of %s: %w", o.ID, err)
	}
	v, err := schema.Decode[T](value)
	if err != nil {
		return none, fmt.Errorf("read the attributes of %s: %w", o.ID, err)
	}
	o.decoded = v
	return v, nil
}

// readable refuses what a newer version of the provider has recorded.
func readable(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	var p private
	if err := json.Unmarshal(data, &p); err != nil {
		return providers.Errorf(providers.Invalid, "the provider's own part of the record is damaged: %w", err)
	}
	if p.Version > privateVersion {
		return providers.Errorf(providers.Invalid, "it was recorded by a newer version of the fake provider: format %d, this one knows %d",
			p.Version, privateVersion)
	}
	return nil
}

// sameText compares an attribute with a grammar in two values by its canonical form.
func sameText[V any, T interface {
	*V
	schema.Text
}](a, b cty.Value, name string) bool {
	read := func(v cty.Value) string {
		var t V
		if v := v.GetAttr(name); v.IsKnown() && !v.IsNull() && T(&t).UnmarshalCty(v) == nil {
			return T(&t).Canonical()
		}
		return ""
	}
	return read(a) == read(b)
}
