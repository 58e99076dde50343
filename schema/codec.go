package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"reflect"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Encode turns a struct into its cty object. Nil pointers, empty strings, unset texts, nil slices and maps are null.
func Encode[T any](v T) cty.Value {
	return encodeStruct(Of[T](), reflect.ValueOf(v))
}

func encodeStruct(o *Object, v reflect.Value) cty.Value {
	out := make(map[string]cty.Value, len(o.Attrs))
	for _, a := range o.Attrs {
		out[a.Name] = encodeValue(a.Type, v.FieldByIndex(a.index))
	}
	return cty.ObjectVal(out)
}

func encodeValue(ty cty.Type, v reflect.Value) cty.Value {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return cty.NullVal(ty)
		}
		v = v.Elem()
	}
	if ty == cty.String && v.Kind() != reflect.String {
		if v.CanInterface() {
			p := reflect.New(v.Type())
			p.Elem().Set(v)
			if t, ok := p.Interface().(Text); ok {
				if t.IsZero() {
					return cty.NullVal(ty)
				}
				s, _ := t.MarshalText()
				return cty.StringVal(string(s))
			}
		}
	}
	switch v.Kind() {
	case reflect.String:
		if v.Len() == 0 {
			return cty.NullVal(ty)
		}
		return cty.StringVal(v.String())
	case reflect.Bool:
		return cty.BoolVal(v.Bool())
	case reflect.Int, reflect.Int64:
		return cty.NumberIntVal(v.Int())
	case reflect.Float64:
		return cty.NumberFloatVal(v.Float())
	case reflect.Map:
		if v.IsNil() {
			return cty.NullVal(ty)
		}
		if v.Len() == 0 {
			return cty.MapValEmpty(ty.ElementType())
		}
		out := make(map[string]cty.Value, v.Len())
		for it := v.MapRange(); it.Next(); {
			out[it.Key().String()] = elementValue(ty.ElementType(), it.Value())
		}
		return cty.MapVal(out)
	case reflect.Slice:
		if v.IsNil() {
			return cty.NullVal(ty)
		}
		if v.Len() == 0 {
			return cty.ListValEmpty(ty.ElementType())
		}
		out := make([]cty.Value, v.Len())
		for i := range out {
			out[i] = elementValue(ty.ElementType(), v.Index(i))
		}
		return cty.ListVal(out)
	case reflect.Struct:
		return encodeStruct(describe(v.Type()), v)
	}
	panic(fmt.Sprintf("schema: cannot encode %s", v.Type()))
}

// elementValue is encodeValue for what stands in a collection, where an empty string is a value.
func elementValue(ty cty.Type, v reflect.Value) cty.Value {
	if v.Kind() == reflect.String {
		return cty.StringVal(v.String())
	}
	return encodeValue(ty, v)
}

// Decode fills a struct from its cty object. Null and unknown leaves, and attributes that the value lacks, stay at their
// zero; marks are ignored. The error names the attribute whose text does not satisfy its grammar.
func Decode[T any](v cty.Value) (T, error) {
	var out T
	v, _ = v.UnmarkDeep()
	err := decodeStruct(Of[T](), v, reflect.ValueOf(&out).Elem())
	return out, err
}

func decodeStruct(o *Object, v cty.Value, into reflect.Value) error {
	if v.IsNull() || !v.IsKnown() {
		return nil
	}
	ty := v.Type()
	for _, a := range o.Attrs {
		if !ty.HasAttribute(a.Name) {
			continue
		}
		if err := decodeValue(v.GetAttr(a.Name), into.FieldByIndex(a.index)); err != nil {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
	}
	return nil
}

func decodeValue(v cty.Value, into reflect.Value) error {
	if v.IsNull() || !v.IsKnown() {
		return nil
	}
	if into.Kind() == reflect.Pointer {
		into.Set(reflect.New(into.Type().Elem()))
		into = into.Elem()
	}
	if t, ok := into.Addr().Interface().(Text); ok {
		if v.Type() == cty.String {
			return t.UnmarshalText([]byte(v.AsString()))
		}
		return t.UnmarshalCty(v)
	}
	switch into.Kind() {
	case reflect.String:
		if v.Type() != cty.String {
			return fmt.Errorf("a string is needed, not %s", v.Type().FriendlyName())
		}
		into.SetString(v.AsString())
	case reflect.Bool:
		if v.Type() != cty.Bool {
			return fmt.Errorf("true or false is needed, not %s", v.Type().FriendlyName())
		}
		into.SetBool(v.True())
	case reflect.Int, reflect.Int64:
		if v.Type() != cty.Number {
			return fmt.Errorf("a number is needed, not %s", v.Type().FriendlyName())
		}
		n, acc := v.AsBigFloat().Int64()
		if acc != big.Exact {
			return fmt.Errorf("a whole number is needed, not %s", v.AsBigFloat().Text('f', -1))
		}
		into.SetInt(n)
	case reflect.Float64:
		if v.Type() != cty.Number {
			return fmt.Errorf("a number is needed, not %s", v.Type().FriendlyName())
		}
		f, _ := v.AsBigFloat().Float64()
		into.SetFloat(f)
	case reflect.Map:
		out := reflect.MakeMapWithSize(into.Type(), v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			ev := reflect.New(into.Type().Elem()).Elem()
			if err := decodeValue(e, ev); err != nil {
				return fmt.Errorf("%q: %w", k.AsString(), err)
			}
			out.SetMapIndex(reflect.ValueOf(k.AsString()), ev)
		}
		into.Set(out)
	case reflect.Slice:
		out := reflect.MakeSlice(into.Type(), v.LengthInt(), v.LengthInt())
		i := 0
		for it := v.ElementIterator(); it.Next(); i++ {
			_, e := it.Element()
			if err := decodeValue(e, out.Index(i)); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
		into.Set(out)
	case reflect.Struct:
		return decodeStruct(describe(into.Type()), v, into)
	default:
		return fmt.Errorf("schema: cannot decode into %s", into.Type())
	}
	return nil
}

// MarshalValue writes a wholly known, unmarked value as plain JSON, null attributes left out: the form of state and plans.
func MarshalValue(v cty.Value) (json.RawMessage, error) {
	p, err := plain(v)
	if err != nil {
		return nil, err
	}
	return json.Marshal(p)
}

// plain turns a value into what encoding/json writes; it is several times cheaper than cty's own JSON.
func plain(v cty.Value) (any, error) {
	if v.IsMarked() {
		return nil, fmt.Errorf("schema: a marked value was to be written")
	}
	if !v.IsKnown() {
		return nil, fmt.Errorf("schema: an unknown value was to be written")
	}
	if v.IsNull() {
		return nil, nil
	}
	ty := v.Type()
	switch {
	case ty == cty.String:
		return v.AsString(), nil
	case ty == cty.Bool:
		return v.True(), nil
	case ty == cty.Number:
		if f := v.AsBigFloat(); f.IsInt() {
			return json.Number(f.Text('f', 0)), nil // the shortest text may be another whole number
		}
		return json.Number(v.AsBigFloat().Text('f', -1)), nil
	case ty.IsObjectType(), ty.IsMapType():
		out := make(map[string]any, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			p, err := plain(e)
			if err != nil {
				return nil, err
			}
			if p == nil && ty.IsObjectType() {
				continue
			}
			out[k.AsString()] = p
		}
		return out, nil
	case ty.IsListType(), ty.IsTupleType(), ty.IsSetType():
		out := make([]any, 0, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			p, err := plain(e)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		}
		return out, nil
	}
	return nil, fmt.Errorf("schema: no JSON for %s", ty.FriendlyName())
}

// UnmarshalValue reads what MarshalValue wrote for an object. Attributes that the JSON lacks are null; ones that the
// object does not know are dropped, so that a state of a newer provider can still be read.
func UnmarshalValue(o *Object, data []byte) (cty.Value, error) {
	if len(data) == 0 {
		return cty.NullVal(o.Type()), nil
	}
	var p any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&p); err != nil {
		return cty.NilVal, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return cty.NilVal, errors.New("there is something after the value")
	}
	return fromPlain(o.Type(), p)
}

// UnmarshalAttrs is UnmarshalValue for those attributes of an object that are wanted; the others are not read. It is nil
// for null.
func UnmarshalAttrs(o *Object, data []byte, wanted func(name string) bool) (map[string]cty.Value, error) {
	var all map[string]json.RawMessage
	if len(data) > 0 {
		if err := json.Unmarshal(data, &all); err != nil {
			return nil, err
		}
	}
	if all == nil {
		return nil, nil
	}
	out := make(map[string]cty.Value)
	for _, a := range o.Attrs {
		if !wanted(a.Name) {
			continue
		}
		raw, ok := all[a.Name]
		if !ok {
			out[a.Name] = cty.NullVal(a.Type)
			continue
		}
		var p any
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if err := d.Decode(&p); err != nil {
			return nil, fmt.Errorf("%s: %w", a.Name, err)
		}
		v, err := fromPlain(a.Type, p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.Name, err)
		}
		out[a.Name] = v
	}
	return out, nil
}

func fromPlain(ty cty.Type, p any) (cty.Value, error) {
	if p == nil {
		return cty.NullVal(ty), nil
	}
	switch {
	case ty == cty.String:
		if s, ok := p.(string); ok {
			return cty.StringVal(s), nil
		}
	case ty == cty.Bool:
		if b, ok := p.(bool); ok {
			return cty.BoolVal(b), nil
		}
	case ty == cty.Number:
		if n, ok := p.(json.Number); ok {
			return number(n)
		}
	case ty.IsObjectType():
		if m, ok := p.(map[string]any); ok {
			types := ty.AttributeTypes()
			out := make(map[string]cty.Value, len(types))
			for name, aty := range types {
				v, err := fromPlain(aty, m[name])
				if err != nil {
					return cty.NilVal, fmt.Errorf("%s: %w", name, err)
				}
				out[name] = v
			}
			return cty.ObjectVal(out), nil
		}
	case ty.IsMapType():
		if m, ok := p.(map[string]any); ok {
			if len(m) == 0 {
				return cty.MapValEmpty(ty.ElementType()), nil
			}
			out := make(map[string]cty.Value, len(m))
			for k, e := range m {
				v, err := fromPlain(ty.ElementType(), e)
				if err != nil {
					return cty.NilVal, fmt.Errorf("%q: %w", k, err)
				}
				out[k] = v
			}
			return cty.MapVal(out), nil
		}
	case ty.IsListType():
		if l, ok := p.([]any); ok {
			if len(l) == 0 {
				return cty.ListValEmpty(ty.ElementType()), nil
			}
			out := make([]cty.Value, len(l))
			for i, e := range l {
				v, err := fromPlain(ty.ElementType(), e)
				if err != nil {
					return cty.NilVal, fmt.Errorf("[%d]: %w", i, err)
				}
				out[i] = v
			}
			return cty.ListVal(out), nil
		}
	}
	return cty.NilVal, fmt.Errorf("%T where %s is needed", p, ty.FriendlyName())
}

// number keeps whole numbers exactly, also those that a float64 cannot hold; others are the nearest float64.
func number(n json.Number) (cty.Value, error) {
	if i, err := n.Int64(); err == nil {
		return cty.NumberIntVal(i), nil
	}
	if !strings.ContainsAny(n.String(), ".eE") {
		return cty.ParseNumberVal(n.String())
	}
	f, err := n.Float64()
	if err != nil {
		return cty.NilVal, fmt.Errorf("%s is out of range", n)
	}
	return cty.NumberFloatVal(f), nil
}
