package schema

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/dstackai/dstack-planner/schema/value"
)

// SensitiveMark is the cty mark of values that must not be shown or kept in clear.
const SensitiveMark = mark("sensitive")

// EphemeralMark is the cty mark of values that must be kept nowhere, not even as a digest of their own. They have
// SensitiveMark too.
const EphemeralMark = mark("ephemeral")

type mark string

// ConformError says why a written value is none of its attribute's. Path leads to the part that is wrong, within the
// attribute; Offset and Length mark bytes in the text there, -1 when the whole is meant.
type ConformError struct {
	Path            cty.Path
	Key             bool // the last step of Path is wrong itself, not what it leads to
	Summary, Detail string
	Offset, Length  int
}

func (e *ConformError) Error() string { return e.Summary + ": " + e.Detail }

// Environment looks up a variable of the environment that the command was started in.
type Environment func(name string) (string, bool)

// Conform turns what was written for an attribute into the attribute's own type: texts are checked against their
// grammar, objects and lists taken apart, references become addresses. Unknown stays unknown, null stays null, and
// marks stay where they were. The error is a *ConformError.
func (a *Attribute) Conform(v cty.Value, env Environment) (cty.Value, error) {
	c := conformer{env: env}
	return c.attribute(a, v, nil)
}

type conformer struct{ env Environment }

func (c conformer) attribute(a *Attribute, v cty.Value, path cty.Path) (cty.Value, error) {
	if a.Type == cty.DynamicPseudoType {
		return v, nil
	}
	v, marks := v.Unmark()
	out, err := c.unmarked(a, v, path)
	if err != nil {
		return cty.NilVal, err
	}
	return out.WithMarks(marks), nil
}

func (c conformer) unmarked(a *Attribute, v cty.Value, path cty.Path) (cty.Value, error) {
	switch {
	case v.IsNull():
		return cty.NullVal(a.Type), nil
	case !v.IsKnown():
		if err := a.couldBe(v.Type(), path); err != nil {
			return cty.NilVal, err
		}
		return cty.UnknownVal(a.Type), nil
	case a.Ref:
		return reference(a, v, path)
	case a.Env:
		return c.environment(v, path)
	}
	if a.Type.IsListType() {
		return c.list(a, v, path)
	}
	return c.single(a, a.Type, v, path)
}

// couldBe refuses an unknown value whose type shows that it cannot be right, whatever it turns out to be.
func (a *Attribute) couldBe(ty cty.Type, path cty.Path) error {
	elem := reflect.PointerTo(a.goType)
	switch {
	case ty == cty.DynamicPseudoType || a.Type == cty.DynamicPseudoType || a.Ref || a.Env:
	case a.Type.IsListType():
		if ty.IsPrimitiveType() {
			return notList(ty, path)
		}
	case elem.Implements(textType) || elem.Implements(conformerType):
	case a.Elem != nil:
		if ty.IsPrimitiveType() {
			return notObject(a.Elem, ty, path)
		}
	case convert.GetConversionUnsafe(ty, a.Type) == nil && !ty.Equals(a.Type):
		return wrongType(a.Type, ty, path)
	}
	return nil
}

func notObject(o *Object, ty cty.Type, path cty.Path) error {
	return &ConformError{Path: path, Offset: -1, Summary: "An object is needed",
		Detail: fmt.Sprintf("This is %s. Write it as { %s = ... }.", article(ty), o.Attrs[0].Name)}
}

func wrongType(want, have cty.Type, path cty.Path) error {
	return &ConformError{Path: path, Offset: -1, Summary: "Value has the wrong type",
		Detail: fmt.Sprintf("%s is needed here, and this is %s.", capital(article(want)), article(have))}
}

func notList(ty cty.Type, path cty.Path) error {
	return &ConformError{Path: path, Offset: -1, Summary: "A list is needed",
		Detail: fmt.Sprintf("This is %s. Write the value between brackets, as in [\"a\", \"b\"].", article(ty))}
}

// single conforms one element: a text, an object, or a plain value.
func (c conformer) single(a *Attribute, ty cty.Type, v cty.Value, path cty.Path) (cty.Value, error) {
	p := reflect.New(a.goType)
	if t, ok := p.Interface().(Text); ok {
		v, marks := v.UnmarkDeep() // a text is one value: part of it sensitive or unknown is all of it
		if !v.IsWhollyKnown() {
			return cty.UnknownVal(ty).WithMarks(marks), nil
		}
		out, err := text(t, ty, v, path)
		if err != nil {
			return cty.NilVal, err
		}
		return out.WithMarks(marks), nil
	}
	if cf, ok := p.Interface().(Conformer); ok {
		out, err := cf.ConformCty(v)
		if err != nil {
			return cty.NilVal, textError(err, path)
		}
		v = out
	}
	if a.Elem != nil {
		return c.object(a.Elem, v, path)
	}
	out, err := c.plain(ty, v, path)
	if err == nil && (a.goType.Kind() == reflect.Int || a.goType.Kind() == reflect.Int64) {
		err = whole(out, path)
	}
	return out, err
}

// text reads a known value with the grammar of a text.
func text(t Text, ty cty.Type, v cty.Value, path cty.Path) (cty.Value, error) {
	if err := t.UnmarshalCty(v); err != nil {
		return cty.NilVal, textError(err, path)
	}
	if t.IsZero() {
		return cty.NullVal(ty), nil
	}
	s, err := t.MarshalText()
	if err != nil {
		return cty.NilVal, textError(err, path)
	}
	return cty.StringVal(string(s)), nil
}

// whole refuses a number that is none of a count.
func whole(v cty.Value, path cty.Path) error {
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() {
		return nil
	}
	if n, acc := v.AsBigFloat().Int64(); acc != big.Exact || n > math.MaxInt32 || n < math.MinInt32 {
		return &ConformError{Path: path, Offset: -1, Summary: "A whole number is needed", Detail: fmt.Sprintf("This is %s. Of a number that is computed, floor(...) and ceil(...) make a whole one.", v.AsBigFloat().Text('g', 15))}
	}
	return nil
}

func (c conformer) plain(ty cty.Type, v cty.Value, path cty.Path) (cty.Value, error) {
	v, marks := v.UnmarkDeep()
	out, err := convert.Convert(v, ty)
	if err != nil {
		return cty.NilVal, wrongType(ty, v.Type(), path)
	}
	return out.WithMarks(marks), nil
}

func (c conformer) list(a *Attribute, v cty.Value, path cty.Path) (cty.Value, error) {
	ty := v.Type()
	if !ty.IsTupleType() && !ty.IsListType() && !ty.IsSetType() {
		return cty.NilVal, notList(ty, path)
	}
	elem := a.Type.ElementType()
	if v.LengthInt() == 0 {
		return cty.ListValEmpty(elem), nil
	}
	out := make([]cty.Value, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		at := append(slices.Clip(path), cty.IndexStep{Key: cty.NumberIntVal(int64(len(out)))})
		e, marks := e.Unmark()
		switch {
		case e.IsNull():
			return cty.NilVal, &ConformError{Path: at, Offset: -1, Summary: "An element is null", Detail: "Every element of this list needs a value; leave the element out instead."}
		case !e.IsKnown():
			e = cty.UnknownVal(elem)
		default:
			var err error
			if e, err = c.single(a, elem, e, at); err != nil {
				return cty.NilVal, err
			}
		}
		out = append(out, e.WithMarks(marks))
	}
	return cty.ListVal(out), nil
}

func (c conformer) object(o *Object, v cty.Value, path cty.Path) (cty.Value, error) {
	ty := v.Type()
	if !ty.IsObjectType() && !ty.IsMapType() {
		return cty.NilVal, notObject(o, ty, path)
	}
	have := map[string]cty.Value{}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		name := k.AsString()
		if o.Attr(name) == nil {
			return cty.NilVal, &ConformError{Path: append(slices.Clip(path), cty.GetAttrStep{Name: name}), Key: true, Offset: -1, Summary: "Unknown attribute",
				Detail: fmt.Sprintf("There is no attribute %q here.%s", name, DidYouMean(name, o.Names()))}
		}
		have[name] = e
	}
	out := make(map[string]cty.Value, len(o.Attrs))
	for _, a := range o.Attrs {
		e, ok := have[a.Name]
		if !ok {
			e = cty.NullVal(a.Type)
		}
		at := append(slices.Clip(path), cty.GetAttrStep{Name: a.Name})
		ev, err := c.attribute(a, e, at)
		if err != nil {
			return cty.NilVal, err
		}
		if a.Required && ev.IsNull() {
			return cty.NilVal, &ConformError{Path: path, Offset: -1, Summary: "An attribute is missing",
				Detail: fmt.Sprintf("%q is needed here: %s", a.Name, a.Doc)}
		}
		out[a.Name] = ev
	}
	return cty.ObjectVal(out), nil
}

// NoReference is what an attribute that takes a reference holds when `false` was written: none at all.
const NoReference = "none"

func reference(a *Attribute, v cty.Value, path cty.Path) (cty.Value, error) {
	ty := v.Type()
	switch {
	case ty.IsObjectType() && ty.HasAttribute("address"):
		return v.GetAttr("address"), nil
	case ty == cty.Bool && v.False() && a.Name == "gateway":
		return cty.StringVal(NoReference), nil
	case ty.IsTupleType() || ty.IsObjectType():
		return cty.NilVal, &ConformError{Path: path, Offset: -1, Summary: "One block is needed",
			Detail: fmt.Sprintf("The reference stands for several, because the block has count or for_each. Choose one, as in %s.name[0].", a.Name)}
	}
	return cty.NilVal, &ConformError{Path: path, Offset: -1, Summary: "A reference is needed",
		Detail: fmt.Sprintf("Write the block itself without quotes, as in %s = %s.name; this is %s.", a.Name, a.Name, article(ty))}
}

// environment makes a map of what env takes. A bare NAME is taken from the environment and is sensitive.
func (c conformer) environment(v cty.Value, path cty.Path) (cty.Value, error) {
	ty := v.Type()
	out := map[string]cty.Value{}
	switch {
	case ty.IsObjectType() || ty.IsMapType():
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			at := append(slices.Clip(path), cty.IndexStep{Key: k})
			if err := checkEnvName(k.AsString(), at); err != nil {
				return cty.NilVal, err
			}
			e, marks := e.Unmark()
			if e.IsNull() {
				return cty.NilVal, &ConformError{Path: at, Offset: -1, Summary: "A variable has no value",
					Detail: fmt.Sprintf("%s is null. Leave it out, or write \"\" for an empty value.", k.AsString())}
			}
			if e.IsKnown() {
				var err error
				if e, err = c.plain(cty.String, e, at); err != nil {
					return cty.NilVal, err
				}
			} else {
				e = cty.UnknownVal(cty.String)
			}
			out[k.AsString()] = e.WithMarks(marks)
		}
	case ty.IsTupleType() || ty.IsListType() || ty.IsSetType():
		i := 0
		for it := v.ElementIterator(); it.Next(); i++ {
			_, e := it.Element()
			at := append(slices.Clip(path), cty.IndexStep{Key: cty.NumberIntVal(int64(i))})
			if err := c.environmentItem(e, at, out); err != nil {
				return cty.NilVal, err
			}
		}
	default:
		return cty.NilVal, &ConformError{Path: path, Offset: -1, Summary: "A map is needed",
			Detail: fmt.Sprintf("This is %s. Write { NAME = \"value\" }, or a list of \"NAME=value\".", article(ty))}
	}
	if len(out) == 0 {
		return cty.MapValEmpty(cty.String), nil
	}
	return cty.MapVal(out), nil
}

func (c conformer) environmentItem(e cty.Value, at cty.Path, out map[string]cty.Value) error {
	e, marks := e.Unmark()
	if e.IsNull() || !e.IsKnown() || e.Type() != cty.String {
		return &ConformError{Path: at, Offset: -1, Summary: "A variable cannot be read",
			Detail: "Each element is a known text NAME=value or NAME. For values that are known only later write a map."}
	}
	name, text, given := strings.Cut(e.AsString(), "=")
	if err := checkEnvName(name, at); err != nil {
		return err
	}
	if _, twice := out[name]; twice {
		return &ConformError{Path: at, Offset: -1, Summary: "A variable is set twice", Detail: fmt.Sprintf("%s stands in the list more than once; keep one.", name)}
	}
	if !given {
		var ok bool
		if c.env != nil {
			text, ok = c.env(name)
		}
		if !ok {
			return &ConformError{Path: at, Offset: -1, Summary: "A variable is not set",
				Detail: fmt.Sprintf("%s without = is taken from the environment, where it is not set. Set it before the command:\n  export %s=...", name, name)}
		}
		out[name] = cty.StringVal(text).Mark(SensitiveMark)
		return nil
	}
	out[name] = cty.StringVal(text).WithMarks(marks)
	return nil
}

// checkEnvName applies the name's half of the environment grammar.
func checkEnvName(name string, at cty.Path) error {
	if _, err := value.EnvOf(name + "="); err != nil {
		if ve, ok := errors.AsType[*value.Error](err); ok {
			return &ConformError{Path: at, Key: true, Summary: ve.Summary, Detail: ve.Detail, Offset: ve.Offset, Length: ve.Length}
		}
		return textError(err, at)
	}
	return nil
}

func textError(err error, path cty.Path) error {
	if ce, ok := errors.AsType[*ConformError](err); ok {
		ce.Path = append(slices.Clip(path), ce.Path...)
		return ce
	}
	if ve, ok := errors.AsType[*value.Error](err); ok {
		return &ConformError{Path: append(slices.Clip(path), ve.Path...), Key: ve.Key, Summary: ve.Summary, Detail: ve.Detail, Offset: ve.Offset, Length: ve.Length}
	}
	return &ConformError{Path: path, Summary: "Value cannot be read", Detail: err.Error(), Offset: -1}
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// article names a type for a sentence: "a number", "an object".
func article(ty cty.Type) string {
	name := ty.FriendlyNameForConstraint()
	switch {
	case ty == cty.DynamicPseudoType:
		return "a value"
	case ty.IsObjectType():
		return "an object"
	case ty.IsTupleType():
		return "a list"
	case ty == cty.Bool:
		return "true or false"
	}
	return "a " + name
}
