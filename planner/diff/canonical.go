package diff

import (
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// grammars finds how to make an unset value of a grammar by the name that the schema has for it.
var grammars = sync.OnceValue(func() map[string]func() value.Value {
	out := map[string]func() value.Value{}
	for _, k := range value.All() {
		out[reflect.TypeOf(k.New()).Elem().Name()] = k.New
	}
	return out
})

// canonical is the one form of a text of a's grammar. A text that does not satisfy it, which only an older or a newer
// version can have recorded, stands for itself.
func canonical(a *schema.Attribute, text string) string {
	if a.Grammar == "" {
		return text
	}
	make, ok := grammars()[a.Grammar]
	if !ok {
		return text
	}
	v := make()
	if v.UnmarshalText([]byte(text)) != nil {
		return text
	}
	return v.Canonical()
}

// SameText tells whether two texts of an attribute mean the same in its grammar: 72h and 3d.
func SameText(a *schema.Attribute, x, y string) bool {
	return x == y || a.Grammar != "" && canonical(a, x) == canonical(a, y)
}

// unset is the value that stands in where nothing is written: the default of the schema, else what Go's zero is, because
// a provider's struct cannot tell the two apart. It is null for a text without a default.
func unset(a *schema.Attribute) cty.Value {
	if !a.Configured() {
		return cty.NullVal(a.Type) // a price that is null is not known; one that is zero is
	}
	switch a.Type {
	case cty.String:
		if a.Default != "" {
			return cty.StringVal(strings.Trim(a.Default, `"`))
		}
	case cty.Bool:
		return cty.BoolVal(a.Default == "true")
	case cty.Number:
		n, _ := strconv.ParseInt(a.Default, 10, 64)
		return cty.NumberIntVal(n)
	}
	return cty.NullVal(a.Type)
}
