package jsonschema_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/internal/jsonschema"
)

const module = "github.com/dstackai/dstack-planner"

type inner struct {
	Again *inner `json:"again,omitempty"`
	Size  uint8  `json:"size,omitzero"`
}

type outer struct {
	Name   string           `json:"name"`
	At     time.Time        `json:"at"`
	Inner  inner            `json:"inner"`
	Many   []*inner         `json:"many,omitempty"`
	By     map[string]int64 `json:"by,omitempty"`
	Any    any              `json:"any,omitempty"`
	Rate   float64          `json:"rate,omitempty"`
	On     bool             `json:"on,omitempty"`
	Level  diag.Severity    `json:"level"`
	Hidden string           `json:"-"`
}

func TestDerive(t *testing.T) {
	s, err := jsonschema.Derive(reflect.TypeFor[outer](), jsonschema.Options{Root: "../..", Module: module})
	require.NoError(t, err)
	s.Dialect = ""
	got, err := jsonschema.Document(s)
	require.NoError(t, err)
	want := `{
  "type": "object",
  "properties": {
    "name": {
      "type": "string"
    },
    "at": {
      "type": "string",
      "format": "date-time"
    },
    "inner": {
      "$ref": "#/$defs/inner"
    },
    "many": {
      "type": "array",
      "items": {
        "$ref": "#/$defs/inner"
      }
    },
    "by": {
      "type": "object",
      "additionalProperties": {
        "type": "integer"
      }
    },
    "any": {},
    "rate": {
      "type": "number"
    },
    "on": {
      "type": "boolean"
    },
    "level": {
      "type": "string",
      "enum": [
        "error",
        "warning"
      ]
    }
  },
  "required": [
    "name",
    "at",
    "inner",
    "level"
  ],
  "$defs": {
    "inner": {
      "type": "object",
      "properties": {
        "again": {
          "$ref": "#/$defs/inner"
        },
        "size": {
          "type": "integer",
          "minimum": 0
        }
      }
    }
  }
}
`
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestCommentsBecomeDescriptions(t *testing.T) {
	s, err := jsonschema.Derive(reflect.TypeFor[diag.Diagnostic](), jsonschema.Options{Root: "../..", Module: module})
	require.NoError(t, err)
	require.Contains(t, s.Description, "Diagnostic is one thing to tell the user.")
	rule, ok := s.Properties.Get("rule")
	require.True(t, ok)
	require.Equal(t, "the rule that a finding of validate --lint breaks: unused-variable", rule.Description)
	_, ok = s.Properties.Get("rules")
	require.False(t, ok)
}

type itself struct{}

func (itself) MarshalJSON() ([]byte, error) { return []byte(`"x"`), nil }

func TestWhatCannotBeDerived(t *testing.T) {
	for name, tc := range map[string]struct {
		t    reflect.Type
		want string
	}{
		"a type that writes itself": {reflect.TypeFor[struct {
			A itself `json:"a"`
		}](), "writes its JSON itself"},
		"a field without a name": {reflect.TypeFor[struct{ A int }](), "A has no name in JSON"},
		"a function": {reflect.TypeFor[struct {
			A func() `json:"a"`
		}](), "has no JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := jsonschema.Derive(tc.t, jsonschema.Options{})
			require.ErrorContains(t, err, tc.want)
		})
	}
	known := jsonschema.Options{Known: map[reflect.Type]jsonschema.Schema{reflect.TypeFor[itself](): jsonschema.Words([]string{"x"}, []string{"x", "y"})}}
	s, err := jsonschema.Derive(reflect.TypeFor[struct {
		A itself `json:"a"`
	}](), known)
	require.NoError(t, err)
	got, ok := s.Properties.Get("a")
	require.True(t, ok)
	require.Len(t, got.OneOf, 2)
	require.Equal(t, 2, got.OneOf[1].MaxItems)
}
