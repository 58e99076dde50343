package schema

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"
)

// Change says what a changed attribute does to a resource that exists.
type Change string

// Rules of change.
const (
	// InPlace: the provider updates the thing itself, without losing work.
	InPlace Change = "update"
	// Replace: nothing but a new one will do.
	Replace Change = "replace"
	// Provider: the provider's Plan decides, as for a volume that can grow but not shrink.
	Provider Change = "provider"
	// Constraint: it limits the choice of offer; a machine that keeps it stays, one that breaks it is replaced.
	Constraint Change = "constraint"
	// Record: only what we have recorded changes; nothing is called.
	Record Change = "record"
	// Never: nobody writes it, so it does not differ: computed, placed and status attributes.
	Never Change = "never"
)

// Text is a value with a grammar of its own, such as a duration. In cty it is a string: the text as it was written.
type Text interface {
	encoding.TextMarshaler
	encoding.TextUnmarshaler
	// UnmarshalCty takes the forms that the grammar accepts: strings, numbers, lists, objects. The value is known and not null.
	UnmarshalCty(cty.Value) error
	// Canonical is the one form in which equal values are equal.
	Canonical() string
	IsZero() bool
}

// Conformer is a type that is written in several forms and kept as one, such as a mount.
type Conformer interface {
	// ConformCty turns what was written (known as a whole, not null; parts may be unknown or marked) into the attribute's type.
	ConformCty(cty.Value) (cty.Value, error)
}

// Object describes a struct: a kind, a block, or what is nested in one.
type Object struct {
	Name  string // of the kind or block; "" for nested ones
	Doc   string
	Attrs []*Attribute

	goType reflect.Type
	byName map[string]*Attribute
	ctype  cty.Type
}

// Attribute describes one field.
type Attribute struct {
	Name      string
	Doc       string
	Rule      string
	Default   string // as HCL text
	Change    Change
	Required  bool
	Identity  bool // tells the elements of a list of objects apart: the same element, changed, is the one of the same identity
	Computed  bool
	Varies    bool // computed, and what an update may change with the rest
	Placed    bool
	Status    bool
	Sensitive bool
	Block     bool    // written as a nested block
	Label     bool    // the label of a nested block
	Ref       bool    // written as a reference to a block; kept as its address
	Env       bool    // environment variables: a map, or a list of NAME=VALUE
	Address   bool    // it holds addresses: in a block written as such and not evaluated, in a kind as texts
	Kept      bool    // where nothing is written, what a provider or placement decided before stays
	PerJob    bool    // of a run: evaluated once for each job, so that node.rank and replica.index can be used
	Many      bool    // Elem stands for each of a list
	Elem      *Object // of a nested object or block
	Grammar   string  // the name of its grammar in package value, "" for plain types
	Type      cty.Type

	index  []int
	goType reflect.Type // of one element, pointers taken away
}

// Attr returns the attribute of that name, nil if there is none.
func (o *Object) Attr(name string) *Attribute { return o.byName[name] }

// Type is the cty type of the whole object.
func (o *Object) Type() cty.Type { return o.ctype }

// Names lists the attributes in the order of the struct.
func (o *Object) Names() []string {
	out := make([]string, len(o.Attrs))
	for i, a := range o.Attrs {
		out[i] = a.Name
	}
	return out
}

// Configured tells whether the attribute can be said in a configuration, and so can differ.
func (a *Attribute) Configured() bool { return !a.Computed && !a.Placed && !a.Status }

// HoldsAddresses tells whether the attribute, or one of an object in it, holds addresses.
func (a *Attribute) HoldsAddresses() bool {
	return a.Address || a.Elem != nil && slices.ContainsFunc(a.Elem.Attrs, (*Attribute).HoldsAddresses)
}

var described sync.Map // reflect.Type -> *Object: a cache of pure results

// Of returns the description of T, a struct with the tags of this package. It panics on a struct that is described
// wrongly, which a test of the package finds.
func Of[T any]() *Object { return describe(reflect.TypeFor[T]()) }

func describe(t reflect.Type) *Object {
	if o, ok := described.Load(t); ok {
		return o.(*Object)
	}
	o := &Object{goType: t, byName: map[string]*Attribute{}}
	types := map[string]cty.Type{}
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous {
			continue
		}
		tag, ok := f.Tag.Lookup("name")
		if !ok {
			panic(fmt.Sprintf("schema: %s.%s has no name tag", t, f.Name))
		}
		a := describeField(f, tag)
		a.index = f.Index
		o.Attrs = append(o.Attrs, a)
		o.byName[a.Name] = a
		types[a.Name] = a.Type
	}
	o.ctype = cty.Object(types)
	actual, _ := described.LoadOrStore(t, o)
	return actual.(*Object)
}

func describeField(f reflect.StructField, tag string) *Attribute {
	words := strings.Split(tag, ",")
	flag := func(s string) bool { return slices.Contains(words[1:], s) }
	a := &Attribute{
		Name: words[0], Doc: f.Tag.Get("doc"), Rule: f.Tag.Get("rule"), Default: f.Tag.Get("default"),
		Change: Change(f.Tag.Get("change")), Required: flag("required"), Identity: flag("identity"), Computed: flag("computed"), Varies: flag("varies"),
		Placed: flag("placed"), Status: flag("status"), Sensitive: flag("sensitive"), Block: flag("block"),
		Label: flag("label"), Ref: flag("ref"), Env: flag("env"), PerJob: flag("job"),
		Kept: flag("kept"), Address: flag("address"),
	}
	if a.Change == "" {
		a.Change = Never
	}
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	a.Type = a.typeOf(t)
	return a
}

var (
	textType      = reflect.TypeFor[Text]()
	conformerType = reflect.TypeFor[Conformer]()
	anyType       = reflect.TypeFor[Any]()
)

func (a *Attribute) typeOf(t reflect.Type) cty.Type {
	a.goType = t
	switch {
	case t == anyType:
		return cty.DynamicPseudoType
	case reflect.PointerTo(t).Implements(textType):
		a.Grammar = t.Name()
		return cty.String
	}
	switch t.Kind() {
	case reflect.String:
		return cty.String
	case reflect.Bool:
		return cty.Bool
	case reflect.Int, reflect.Int64, reflect.Float64:
		return cty.Number
	case reflect.Map:
		return cty.Map(a.typeOf(t.Elem()))
	case reflect.Slice:
		elem := a.typeOf(t.Elem())
		a.Many = a.Elem != nil
		return cty.List(elem)
	case reflect.Struct:
		a.Elem = describe(t)
		return a.Elem.Type()
	}
	panic(fmt.Sprintf("schema: no cty type for %s", t))
}

// Any is a field of a block that takes an expression of any type: a variable's default, an output's value.
type Any struct{}
