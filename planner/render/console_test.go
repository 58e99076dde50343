package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema"
)

func TestConsole(t *testing.T) {
	str := cty.StringVal
	object := func(attrs map[string]cty.Value) cty.Value { return cty.ObjectVal(attrs) }
	secret := str("hunter2").Mark(schema.SensitiveMark)
	tests := map[string]struct {
		value cty.Value
		want  string
	}{
		"a text":                                 {str("größe"), `"größe"`},
		"quotes, backslashes and tabs":           {str("a\"b\\c\td"), `"a\"b\\c\td"`},
		"a whole number":                         {cty.NumberIntVal(-5), "-5"},
		"a large number":                         {cty.MustParseNumberVal("123456789012345678901234567890"), "123456789012345678901234567890"},
		"a fraction":                             {cty.MustParseNumberVal("0.1"), "0.1"},
		"true":                                   {cty.True, "true"},
		"false":                                  {cty.False, "false"},
		"null of no type":                        {cty.NullVal(cty.DynamicPseudoType), "null"},
		"null of a type":                         {cty.TupleVal([]cty.Value{cty.NullVal(cty.String), cty.NullVal(cty.Number), cty.NullVal(cty.Bool)}), "[\n  tostring(null),\n  tonumber(null),\n  tobool(null),\n]"},
		"a null collection":                      {cty.NullVal(cty.List(cty.Map(cty.Bool))), "tolist(null) /* of map of bool */"},
		"a null set":                             {cty.NullVal(cty.Set(cty.String)), "toset(null) /* of string */"},
		"a null map":                             {cty.NullVal(cty.Map(cty.EmptyObject)), "tomap(null) /* of object */"},
		"a null object":                          {cty.NullVal(cty.EmptyObject), "null /* object */"},
		"a null tuple":                           {cty.NullVal(cty.EmptyTuple), "null /* tuple */"},
		"unknown":                                {cty.UnknownVal(cty.String), "(known after apply)"},
		"sensitive":                              {secret, "(sensitive value)"},
		"sensitive and unknown":                  {cty.DynamicVal.Mark(schema.SensitiveMark), "(known after apply)"},
		"sensitive inside":                       {object(map[string]cty.Value{"a": secret, "b": cty.Zero}), "{\n  \"a\" = (sensitive value)\n  \"b\" = 0\n}"},
		"a sensitive number is no type":          {cty.Zero.Mark(schema.SensitiveMark), "(sensitive value)"},
		"an empty tuple":                         {cty.EmptyTupleVal, "[]"},
		"an empty object":                        {cty.EmptyObjectVal, "{}"},
		"an empty list":                          {cty.ListValEmpty(cty.String), "tolist([])"},
		"an empty set":                           {cty.SetValEmpty(cty.String), "toset([])"},
		"an empty map":                           {cty.MapValEmpty(cty.String), "tomap({})"},
		"a list":                                 {cty.ListVal([]cty.Value{str("a"), cty.UnknownVal(cty.String)}), "tolist([\n  \"a\",\n  (known after apply),\n])"},
		"a set in a map":                         {cty.MapVal(map[string]cty.Value{"a b": cty.SetVal([]cty.Value{cty.Zero})}), "tomap({\n  \"a b\" = toset([\n    0,\n  ])\n})"},
		"several lines":                          {str("a\n  b"), "<<EOT\na\n  b\nEOT"},
		"several lines inside":                   {object(map[string]cty.Value{"a": cty.TupleVal([]cty.Value{str("b\n\nc")})}), "{\n  \"a\" = [\n    <<-EOT\n    b\n    \n    c\n    EOT,\n  ]\n}"},
		"several lines with the end marker":      {str("EOT\n EOT_ "), "<<EOT__\nEOT\n EOT_ \nEOT__"},
		"several lines with a control character": {str("a\n\x1b[31mb"), `"a\n\u001b[31mb"`},
		"a key with several lines":               {object(map[string]cty.Value{"a\nb": cty.Zero}), "{\n  \"a\\nb\" = 0\n}"},
		"a type":                                 {typeexpr.TypeConstraintVal(cty.List(cty.Set(cty.String))), "list(set(string))"},
		"the type of anything":                   {typeexpr.TypeConstraintVal(cty.DynamicPseudoType), "dynamic"},
		"the types of objects and tuples": {
			typeexpr.TypeConstraintVal(cty.Object(map[string]cty.Type{"b": cty.EmptyObject, "a": cty.Tuple([]cty.Type{cty.Number, cty.EmptyTuple})})),
			"object({\n    a: tuple([\n        number,\n        tuple([]),\n    ]),\n    b: object({}),\n})",
		},
		"the type of a list of objects": {typeexpr.TypeConstraintVal(cty.Map(cty.List(cty.Object(map[string]cty.Type{"a": cty.Bool})))), "map(list(\n    object({\n        a: bool,\n    }),\n))"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, Console(tt.value)); d != "" {
				t.Error("(-want +got)", d)
			}
		})
	}
}
