package cli

import (
	"fmt"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// schemaDocument is what providers schema --json prints. It is derived from package schema alone.
type schemaDocument struct {
	FormatVersion string                           `json:"format_version"`
	Blocks        map[string]blockSchema           `json:"blocks,omitempty"`
	Kinds         map[string]objectSchema          `json:"kinds,omitempty"`
	Grammars      map[string]grammarSchema         `json:"grammars,omitempty"`
	Providers     map[string]providers.Description `json:"providers"`
}

type blockSchema struct {
	Doc    string        `json:"doc"`
	Label  bool          `json:"label"`
	Repeat bool          `json:"repeat"` // takes count, for_each, depends_on and lifecycle
	Open   bool          `json:"open,omitempty"`
	Object objectSchema  `json:"object"`
	Meta   *objectSchema `json:"meta,omitempty"`
}

type objectSchema struct {
	Attributes []attributeSchema `json:"attributes"`
}

type attributeSchema struct {
	Name      string        `json:"name"`
	Type      string        `json:"type"`
	Grammar   string        `json:"grammar,omitempty"`
	Doc       string        `json:"doc"`
	Rule      string        `json:"rule,omitempty"`
	Default   string        `json:"default,omitempty"`
	Change    string        `json:"change,omitempty"`
	Required  bool          `json:"required,omitempty"`
	Computed  bool          `json:"computed,omitempty"`
	Placed    bool          `json:"placed,omitempty"`
	Status    bool          `json:"status,omitempty"`
	Sensitive bool          `json:"sensitive,omitempty"`
	Block     bool          `json:"block,omitempty"`
	Many      bool          `json:"many,omitempty"`
	PerJob    bool          `json:"per_job,omitempty"`
	Object    *objectSchema `json:"object,omitempty"`
}

type grammarSchema struct {
	Name    string       `json:"name"`
	Summary string       `json:"summary"`
	Forms   []formSchema `json:"forms"`
	Schema  value.Schema `json:"json_schema"`
}

type formSchema struct {
	Example string `json:"example"`
	Meaning string `json:"meaning"`
}

func schemaOf(described map[string]providers.Description, providersOnly bool) schemaDocument {
	doc := schemaDocument{FormatVersion: "1.0", Providers: described}
	if providersOnly {
		return doc
	}
	doc.Blocks, doc.Kinds, doc.Grammars = map[string]blockSchema{}, map[string]objectSchema{}, map[string]grammarSchema{}
	meta := object(schema.Of[schema.Meta](), false)
	for _, b := range schema.BlockTypes() {
		s := blockSchema{Doc: b.Doc, Label: b.Label, Repeat: b.Repeat, Open: b.Open, Object: object(b.Object, false)}
		if b.Repeat {
			s.Meta = &meta
		}
		doc.Blocks[b.Name] = s
	}
	for _, k := range addr.Kinds() {
		doc.Kinds[k] = object(schema.KindObject(k), true)
	}
	for _, k := range value.All() {
		g := grammarSchema{Name: k.Grammar.Name, Summary: k.Grammar.Summary, Schema: k.Grammar.Schema}
		for _, f := range k.Grammar.Forms {
			g.Forms = append(g.Forms, formSchema(f))
		}
		doc.Grammars[grammarName(k)] = g
	}
	return doc
}

// grammarName is the name by which attributes refer to a grammar: that of its type.
func grammarName(k value.Kind) string {
	return strings.TrimPrefix(fmt.Sprintf("%T", k.New()), "*value.")
}

func object(o *schema.Object, kind bool) objectSchema {
	out := objectSchema{Attributes: []attributeSchema{}}
	for _, at := range o.Attrs {
		s := attributeSchema{
			Name: at.Name, Type: typeText(at), Grammar: at.Grammar, Doc: at.Doc, Rule: at.Rule, Default: at.Default, Required: at.Required,
			Computed: at.Computed, Placed: at.Placed, Status: at.Status, Sensitive: at.Sensitive, Block: at.Block, Many: at.Many, PerJob: at.PerJob,
		}
		if kind {
			s.Change = string(at.Change)
		}
		if at.Elem != nil {
			elem := object(at.Elem, kind)
			s.Object = &elem
		}
		out.Attributes = append(out.Attributes, s)
	}
	return out
}

// typeText is the type of an attribute in the language's own words.
func typeText(at *schema.Attribute) string {
	switch {
	case at.Ref:
		return "reference"
	case at.Env:
		return "map or list of NAME=VALUE"
	case at.Grammar != "" && at.Type.IsListType():
		return "list of " + at.Grammar
	case at.Grammar != "":
		return at.Grammar
	}
	return schema.TypeWords(at.Type)
}
