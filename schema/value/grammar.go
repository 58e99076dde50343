package value

import (
	"encoding"
	"fmt"

	"github.com/zclconf/go-cty/cty"
)

// Value is what all grammars have in common. A pointer to each type of this package implements it.
type Value interface {
	// String is the text as its author wrote it, or the canonical text if the value was no text. It is empty
	// for the zero value.
	fmt.Stringer
	// Canonical is the one text that all equal values share. Reading it gives an equal value.
	Canonical() string
	// IsZero reports whether the value is unset.
	IsZero() bool
	// MarshalText gives String, so that a stored value is what its author wrote.
	encoding.TextMarshaler
	// UnmarshalText reads what MarshalText gives, and every text that the grammar accepts. An empty text gives
	// the zero value.
	encoding.TextUnmarshaler
	// UnmarshalCty reads any form that the configuration language accepts. A value that is null, unknown or
	// marked is an error: the caller knows better what to make of it.
	UnmarshalCty(v cty.Value) error
	// Grammar describes the accepted forms for people and editors.
	Grammar() Grammar
}

// Grammar describes what a type accepts.
type Grammar struct {
	// Name is the name of the grammar, as the reference pages head it: "Memory range".
	Name string
	// Summary is one sentence about what a value says.
	Summary string
	// Forms are the accepted forms with an example of each.
	Forms []Form
	// Schema is a fragment of JSON Schema that editors can check values by. It accepts everything that the
	// grammar accepts; a few mistakes, such as a minimum above the maximum, are beyond it.
	Schema Schema
}

// Form is one way to write a value.
type Form struct {
	// Example is the form in the configuration language: `"16GB.."`, `8`, `{ min = 1, max = 4 }`.
	Example string
	// Meaning says what the example means.
	Meaning string
}

// Schema is a fragment of JSON Schema, ready for encoding/json.
type Schema map[string]any

// Kind is a grammar and the way to make an unset value of it.
type Kind struct {
	Grammar Grammar
	New     func() Value
}

// All lists every grammar of this package in the order of the reference pages.
func All() []Kind {
	return []Kind{
		kind[Duration](), kind[OffDuration](), kind[IdleDuration](),
		kind[Memory](), kind[MemoryRange](), kind[IntRange](), kind[DiskSize](),
		kind[GPU](), kind[ComputeCapability](),
		kind[PortMapping](), kind[ServicePort](), kind[Env](), kind[Mount](), kind[UnixUser](),
		kind[SpotPolicy](), kind[RetryPolicy](), kind[CreationPolicy](), kind[Placement](),
		kind[ReplicaRange](), kind[Blocks](), kind[Name](), kind[Price](),
	}
}

func kind[T any, P interface {
	*T
	Value
}]() Kind {
	return Kind{Grammar: P(new(T)).Grammar(), New: func() Value { return P(new(T)) }}
}

// Must returns v, and panics if there is an error. It is for values that are written in a program.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func textSchema(pattern string) Schema { return Schema{"type": "string", "pattern": pattern} }

func anyOf(schemas ...Schema) Schema { return Schema{"anyOf": schemas} }

func objectSchema(required []string, properties map[string]Schema) Schema {
	s := Schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func listSchema(items Schema) Schema { return Schema{"type": "array", "items": items} }
