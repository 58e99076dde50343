package jsonschema_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/internal/jsonschema"
)

func TestClosed(t *testing.T) {
	c, err := jsonschema.Closed([]byte(`{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["a"],
		"properties": {"a": {"$ref": "#/$defs/one", "description": "x"}, "properties": {"type": "string"}, "free": {"type": "object"}, "at": {"type": "string", "format": "date-time"}},
		"$defs": {"one": {"type": "object", "properties": {"b": {"type": "array", "items": {"type": "object", "properties": {"c": {}}}}}}}
	}`))
	require.NoError(t, err)
	for name, tc := range map[string]struct{ document, want string }{
		"what the schema names":             {`{"a": {"b": [{"c": 1}]}, "properties": "x", "free": {"any": 1}, "at": "2026-03-04T12:00:00Z"}`, ""},
		"a key more":                        {`{"a": {}, "z": 1}`, "'z'"},
		"a key more below":                  {`{"a": {"b": [{"d": 1}]}}`, "'d'"},
		"a key less":                        {`{}`, "'a'"},
		"another type":                      {`{"a": {"b": {}}}`, "/a/b"},
		"a time that is none":               {`{"a": {}, "at": "noon"}`, "date-time"},
		"no JSON":                           {`{`, "read a document"},
		"an object for a text of that name": {`{"a": {}, "properties": {}}`, "/properties"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.Check([]byte(tc.document))
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.want)
		})
	}
	for _, bad := range []string{`{`, `{"type": "thing"}`, `{"$ref": "#/$defs/nothing"}`} {
		_, err := jsonschema.Closed([]byte(bad))
		require.ErrorContains(t, err, "read a schema", bad)
	}
}
