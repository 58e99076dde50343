package layout

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// same tells whether two texts say the same, and have the same comments in the same order.
func same(name string, a, b []byte) bool {
	x, ds := hclsyntax.ParseConfig(a, name, hcl.InitialPos)
	if ds.HasErrors() {
		return false
	}
	y, ds := hclsyntax.ParseConfig(b, name, hcl.InitialPos)
	if ds.HasErrors() {
		return false
	}
	return slices.Equal(comments(name, a), comments(name, b)) && sketch(x.Body) == sketch(y.Body)
}

func comments(name string, text []byte) []string {
	tokens, _ := hclsyntax.LexConfig(text, name, hcl.InitialPos)
	var out []string
	for _, t := range tokens {
		if t.Type == hclsyntax.TokenComment {
			out = append(out, strings.TrimSpace(string(t.Bytes)))
		}
	}
	return out
}

// bare is an expression without the template and the parentheses around the whole of it.
func bare(e hclsyntax.Expression) hclsyntax.Expression {
	for {
		switch w := e.(type) {
		case *hclsyntax.TemplateWrapExpr:
			e = w.Wrapped
		case *hclsyntax.ParenthesesExpr:
			e = w.Expression
		default:
			return e
		}
	}
}

var (
	rangeType     = reflect.TypeFor[hcl.Range]()
	valueType     = reflect.TypeFor[cty.Value]()
	attributeType = reflect.TypeFor[hclsyntax.Attribute]()
	operationType = reflect.TypeFor[*hclsyntax.Operation]()
)

// sketch writes all that a node of the syntax tree says, and nothing of where it stands.
func sketch(node any) string {
	var b strings.Builder
	draw(&b, reflect.ValueOf(node))
	return b.String()
}

func draw(b *strings.Builder, v reflect.Value) {
	for v.Kind() == reflect.Pointer && v.Type() != operationType || v.Kind() == reflect.Interface {
		v = v.Elem() // in a loop, because chains of operators are long and go one call deeper each
	}
	if !v.IsValid() {
		b.WriteString("nil;")
		return
	}
	switch v.Type() {
	case rangeType:
		return
	case valueType:
		fmt.Fprintf(b, "%#v;", v.Interface())
		return
	case operationType: // one of a fixed set
		fmt.Fprintf(b, "%p;", v.Interface())
		return
	case attributeType:
		a := v.Addr().Interface().(*hclsyntax.Attribute)
		fmt.Fprintf(b, "%q=", a.Name)
		draw(b, reflect.ValueOf(bare(a.Expr)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		fmt.Fprintf(b, "%s{", v.Type().Name())
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				draw(b, v.Field(i))
			}
		}
		b.WriteString("}")
	case reflect.Slice:
		fmt.Fprintf(b, "%d[", v.Len())
		for i := range v.Len() {
			draw(b, v.Index(i))
		}
		b.WriteString("]")
	case reflect.Map: // the attributes of a body
		keys := v.MapKeys()
		slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
		for _, k := range keys {
			draw(b, v.MapIndex(k))
		}
	default:
		fmt.Fprintf(b, "%#v;", v.Interface())
	}
}
