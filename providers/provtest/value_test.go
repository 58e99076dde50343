package provtest

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
)

func TestContradiction(t *testing.T) {
	text, number := cty.StringVal, cty.NumberIntVal
	object := func(a, b cty.Value) cty.Value { return cty.ObjectVal(map[string]cty.Value{"a": a, "b": b}) }
	list := func(v ...cty.Value) cty.Value { return cty.ListVal(v) }
	tags := func(k string, v cty.Value) cty.Value { return cty.MapVal(map[string]cty.Value{k: v}) }
	for name, tt := range map[string]struct {
		said, is cty.Value
		want     string
	}{
		"the same":                           {object(text("x"), number(1)), object(text("x"), number(1)), ""},
		"unknown may become anything":        {object(cty.UnknownVal(cty.String), number(1)), object(text("x"), number(1)), ""},
		"unknown may become null":            {object(cty.UnknownVal(cty.String), number(1)), object(cty.NullVal(cty.String), number(1)), ""},
		"known stays":                        {object(text("x"), number(1)), object(text("y"), number(1)), `a was cty.StringVal("x") and is cty.StringVal("y")`},
		"known does not become unknown":      {object(text("x"), number(1)), object(cty.UnknownVal(cty.String), number(1)), `a was cty.StringVal("x") and is cty.UnknownVal(cty.String)`},
		"null stays":                         {object(cty.NullVal(cty.String), number(1)), object(text("y"), number(1)), `a was cty.NullVal(cty.String) and is cty.StringVal("y")`},
		"part of a list is unknown":          {list(text("x"), cty.UnknownVal(cty.String)), list(text("x"), text("z")), ""},
		"an element of a list differs":       {list(text("x"), text("y")), list(text("x"), text("z")), `[cty.NumberIntVal(1)] was cty.StringVal("y") and is cty.StringVal("z")`},
		"a list has another length":          {list(text("x")), list(text("x"), text("z")), ` was cty.ListVal([]cty.Value{cty.StringVal("x")}) and is cty.ListVal([]cty.Value{cty.StringVal("x"), cty.StringVal("z")})`},
		"a map has other keys":               {tags("k", text("v")), tags("l", text("v")), `[cty.StringVal("k")] is missing`},
		"a value of a map is not known yet":  {tags("k", cty.UnknownVal(cty.String)), tags("k", text("v")), ""},
		"a nested value differs":             {object(tags("k", text("v")), number(1)), object(tags("k", text("w")), number(1)), `a[cty.StringVal("k")] was cty.StringVal("v") and is cty.StringVal("w")`},
		"marks have no place in an answer":   {object(text("x"), number(1)), object(text("x").Mark("secret"), number(1)), "a is marked"},
		"an empty list is not an absent one": {cty.ListValEmpty(cty.String), cty.NullVal(cty.List(cty.String)), ` was cty.ListValEmpty(cty.String) and is cty.NullVal(cty.List(cty.String))`},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.want, contradiction(tt.said, tt.is)) })
	}
}
