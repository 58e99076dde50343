package schema

import (
	"reflect"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema/value"
)

// Section is a block, or an object inside one, as a reader is told about it: `dstack help BLOCK` and the reference pages
// are made of it.
type Section struct {
	Name     string // as it is written: fleet, ssh, host
	Head     string // how it begins: `fleet "NAME"`, `ssh`, `volumes = [...]`
	Doc      string
	Open     bool // its attributes are the reader's own names
	Repeat   bool // it takes the arguments of Meta too
	Rows     []Row
	Sections []Section // what is nested in it, in the order of Rows
}

// Row is one attribute or nested block as a reader is told about it.
type Row struct {
	Name      string
	Type      string // "string", "list of Port mapping", "reference", "block"
	Grammar   string // the name of its grammar, which value.All explains; "" for a plain type
	Default   string
	Rule      string
	Doc       string
	Change    Change
	Source    Source
	Required  bool
	Block     bool // written as a block
	Many      bool // a block that may stand there several times
	Nested    bool // a section of its own says what is in it
	Sensitive bool
	Kept      bool
	Varies    bool
	PerJob    bool
}

// Source is who says what an attribute is worth.
type Source string

// Sources of values.
const (
	FromConfiguration Source = "configuration"
	FromProvider      Source = "provider"
	FromPlacement     Source = "placement"
	FromStatus        Source = "status"
)

// Describe tells about a block of the language.
func (b BlockType) Describe() Section {
	s := b.Object.Describe(b.Name)
	s.Doc, s.Open, s.Repeat = b.Doc, b.Open, b.Repeat
	for _, k := range b.Kinds() {
		s.Head += ` "` + k + `"`
	}
	if b.Label {
		s.Head += ` "NAME"`
	}
	return s
}

// DescribeMeta tells what every block that makes resources takes beside its own attributes.
func DescribeMeta() Section { return Of[Meta]().Describe("") }

// Describe tells about an object that is written under the name.
func (o *Object) Describe(name string) Section {
	s := Section{Name: name, Head: name}
	for _, a := range o.Attrs {
		if a.Label {
			s.Head += ` "` + strings.ToUpper(a.Name) + `"`
		}
		s.Rows = append(s.Rows, a.row())
		if a.Elem == nil {
			continue
		}
		inner := a.Elem.Describe(a.Name)
		inner.Doc = a.Doc
		switch {
		case a.Block:
		case a.Many:
			inner.Head = a.Name + " = [{ ... }]"
		default:
			inner.Head = a.Name + " = { ... }"
		}
		s.Sections = append(s.Sections, inner)
	}
	return s
}

func (a *Attribute) row() Row {
	r := Row{
		Name: a.Name, Default: a.Default, Rule: a.Rule, Doc: a.Doc, Change: a.Change, Source: FromConfiguration,
		Required: a.Required || a.Label, Block: a.Block, Many: a.Block && a.Many, Nested: a.Elem != nil,
		Sensitive: a.Sensitive, Kept: a.Kept, Varies: a.Varies, PerJob: a.PerJob,
	}
	switch {
	case a.Computed:
		r.Source = FromProvider
	case a.Placed:
		r.Source = FromPlacement
	case a.Status:
		r.Source = FromStatus
	}
	r.Type, r.Grammar = a.typeWords()
	return r
}

// typeWords says what is written for an attribute, and the name of the grammar that explains it further.
func (a *Attribute) typeWords() (words, grammar string) {
	switch {
	case a.Label:
		return "label", ""
	case a.Block:
		return "block", ""
	case a.Ref:
		return "reference", ""
	case a.Address && a.Type == cty.DynamicPseudoType:
		return "address", ""
	case a.Env:
		return "Environment", grammarOf("Env")
	case a.Grammar != "":
		g := grammarOf(a.Grammar)
		return around(a.Type, g), g
	case a.Elem != nil && reflect.PointerTo(a.goType).Implements(conformerType):
		words, g := "object or string", grammarOf(a.goType.Name())
		if g != "" {
			words = g
		}
		return around(a.Type, words), g
	}
	return TypeWords(a.Type), ""
}

// around puts the words for an element into those for the lists around it.
func around(t cty.Type, elem string) string {
	if t.IsListType() {
		return "list of " + around(t.ElementType(), elem)
	}
	return elem
}

// TypeWords is a plain type in the words of the language: "string", "list of number", "any".
func TypeWords(t cty.Type) string {
	switch {
	case t == cty.DynamicPseudoType:
		return "any"
	case t.IsListType():
		return "list of " + TypeWords(t.ElementType())
	case t.IsMapType():
		return "map of " + TypeWords(t.ElementType())
	case t.IsObjectType():
		return "object"
	}
	return t.FriendlyName()
}

// grammarOf is the name that readers know a Go type of package value by, "" if the package has no such type.
func grammarOf(goType string) string {
	for _, k := range value.All() {
		if reflect.TypeOf(k.New()).Elem().Name() == goType {
			return k.Grammar.Name
		}
	}
	return ""
}

// Grammars lists the grammars that the rows of a section and of those in it name, in the order of value.All.
func (s Section) Grammars() []value.Grammar {
	named := map[string]bool{}
	var walk func(Section)
	walk = func(s Section) {
		for _, r := range s.Rows {
			named[r.Grammar] = true
		}
		for _, inner := range s.Sections {
			walk(inner)
		}
	}
	walk(s)
	var out []value.Grammar
	for _, k := range value.All() {
		if named[k.Grammar.Name] {
			out = append(out, k.Grammar)
		}
	}
	return out
}
