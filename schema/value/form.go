package value

import (
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/zclconf/go-cty/cty"
)

// words are what errors call a value, and what they say is accepted.
type words struct {
	noun    string // "Memory"
	accepts string // "Memory is a number of GB, ... (\"16GB\")."
}

// forms says how to read each form of a T. A nil function means that the form is not accepted.
type forms[T any] struct {
	words
	text   func(text string) (T, error)
	number func(text string) (T, error) // the number in decimal notation
	flag   func(on bool) (T, error)
	list   func(items []cty.Value) (T, error)
	object func(o object) (T, error)
}

// decodeText is UnmarshalText of every type.
func decodeText[T any](into *T, text []byte, parse func(string) (T, error)) error {
	if len(text) == 0 {
		*into = *new(T)
		return nil
	}
	v, err := parse(string(text))
	if err != nil {
		return err
	}
	*into = v
	return nil
}

// decodeCty is UnmarshalCty of every type.
func decodeCty[T any](into *T, v cty.Value, f forms[T]) error {
	out, err := f.read(v)
	if err != nil {
		return err
	}
	*into = out
	return nil
}

func (f forms[T]) read(v cty.Value) (T, error) {
	var none T
	if err := usable(v, f.words); err != nil {
		return none, err
	}
	ty := v.Type()
	switch {
	case ty == cty.String && f.text != nil:
		return f.text(v.AsString())
	case ty == cty.Number && f.number != nil:
		text, err := decimal(v, f.words)
		if err != nil {
			return none, err
		}
		out, err := f.number(text)
		return out, unplaced(err)
	case ty == cty.Bool && f.flag != nil:
		return f.flag(v.True())
	case isSequence(ty) && f.list != nil:
		return f.list(v.AsValueSlice())
	case isMapping(ty) && f.object != nil:
		return f.object(object{words: f.words, attrs: v.AsValueMap()})
	}
	return none, mistake(f.noun+" has the wrong type", "This is %s. %s", typeWords(ty), f.accepts)
}

// usable refuses what has no value that could be read.
func usable(v cty.Value, w words) error {
	switch {
	case v.Type() == cty.NilType:
		return mistake(w.noun+" is missing", "There is no value. %s", w.accepts)
	case v.IsMarked():
		return mistake(w.noun+" is marked", "A marked value, such as a sensitive one, must be unmarked before it is read.")
	case !v.IsKnown():
		return mistake(w.noun+" is not known yet", "The value is known only after apply. %s", w.accepts)
	case v.IsNull():
		return mistake(w.noun+" is null", "null means that nothing is set. %s", w.accepts)
	}
	return nil
}

func isSequence(ty cty.Type) bool { return ty.IsListType() || ty.IsTupleType() || ty.IsSetType() }

func isMapping(ty cty.Type) bool { return ty.IsObjectType() || ty.IsMapType() }

// typeWords names a type with its article.
func typeWords(ty cty.Type) string {
	switch {
	case ty == cty.String:
		return "a string"
	case ty == cty.Number:
		return "a number"
	case ty == cty.Bool:
		return "true or false"
	case isSequence(ty):
		return "a list"
	case isMapping(ty):
		return "an object"
	}
	return "something else (" + ty.FriendlyName() + ")"
}

// decimal prints a number without exponent. Numbers that no grammar could mean are refused before they become
// texts of a million digits.
func decimal(v cty.Value, w words) (string, error) {
	f := v.AsBigFloat()
	if f.IsInf() {
		return "", mistake(w.noun+" is infinite", "An infinite number means nothing here. %s", w.accepts)
	}
	if f.Sign() != 0 {
		if exp := f.MantExp(nil); exp > 256 || exp < -256 {
			return "", mistake(w.noun+" is out of range", "The number is too large or too small to mean anything here. %s", w.accepts)
		}
	}
	if n, acc := f.Int64(); acc == big.Exact {
		return strconv.FormatInt(n, 10), nil
	}
	if n, acc := f.Float64(); acc == big.Exact { // the general way below costs a hundred times as much
		return strconv.FormatFloat(n, 'f', -1, 64), nil
	}
	s := f.Text('f', -1)
	if s == "-0" {
		s = "0"
	}
	return s, nil
}

// object is an object or a map; an attribute that is null counts as absent.
type object struct {
	words
	attrs map[string]cty.Value
}

// only refuses keys other than these.
func (o object) only(known ...string) error {
	names := make([]string, 0, len(o.attrs))
	for name := range o.attrs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if slices.Contains(known, name) {
			continue
		}
		hint := ""
		if s := suggest(name, known); s != "" {
			hint = " Did you mean " + quote(s) + "?"
		}
		e := mistake(o.noun+" has an unknown key", "%s is no key here.%s The keys are %s.", quote(name), hint, strings.Join(known, ", "))
		e.Key = true
		return within(cty.GetAttrStep{Name: name}, e)
	}
	return nil
}

// has reports whether the attribute is there and not null.
func (o object) has(name string) bool {
	v, ok := o.attrs[name]
	return ok && !(v.IsKnown() && v.IsNull())
}

// attr reads an attribute with the forms of its own grammar, and reports whether it is set.
func attr[T any](o object, name string, f forms[T]) (v T, set bool, err error) {
	if !o.has(name) {
		return v, false, nil
	}
	v, err = f.read(o.attrs[name])
	if err != nil {
		return v, false, within(cty.GetAttrStep{Name: name}, err)
	}
	return v, true, nil
}

// each reads all items with the forms of their grammar.
func each[T any](items []cty.Value, f forms[T]) ([]T, error) {
	out := make([]T, 0, len(items))
	for i, item := range items {
		v, err := f.read(item)
		if err != nil {
			return nil, within(cty.IndexStep{Key: cty.NumberIntVal(int64(i))}, err)
		}
		out = append(out, v)
	}
	return out, nil
}

// stringForms reads a plain string.
func stringForms(noun, accepts string) forms[string] {
	return forms[string]{
		words: words{noun, accepts},
		text:  func(s string) (string, error) { return s, nil },
	}
}

// flagForms reads a plain bool.
func flagForms(noun, accepts string) forms[bool] {
	return forms[bool]{
		words: words{noun, accepts},
		flag:  func(b bool) (bool, error) { return b, nil },
	}
}

// suggest gives the known word nearest to what was written, or nothing if none is near.
func suggest(written string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if d := levenshtein.Distance(strings.ToLower(written), k, nil); d < distance && d < len(k) {
			best, distance = k, d
		}
	}
	return best
}
