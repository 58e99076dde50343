package jsonschema

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Dialect is the version of JSON Schema that documents are written in.
const Dialect = "https://json-schema.org/draft/2020-12/schema"

// Schema describes values. The zero value describes all of them.
type Schema struct {
	Dialect     string     `json:"$schema,omitempty"`
	ID          string     `json:"$id,omitempty"`
	Title       string     `json:"title,omitempty"`
	Description string     `json:"description,omitempty"`
	Ref         string     `json:"$ref,omitempty"`
	Type        string     `json:"type,omitempty"`
	Format      string     `json:"format,omitempty"`
	Pattern     string     `json:"pattern,omitempty"`
	Enum        []string   `json:"enum,omitempty"`
	Minimum     *int       `json:"minimum,omitempty"`
	OneOf       []Schema   `json:"oneOf,omitempty"`
	PrefixItems []Schema   `json:"prefixItems,omitempty"`
	Items       *Schema    `json:"items,omitempty"`
	MinItems    int        `json:"minItems,omitempty"`
	MaxItems    int        `json:"maxItems,omitempty"`
	Properties  Properties `json:"properties,omitempty"`
	Values      *Schema    `json:"additionalProperties,omitempty"`
	Required    []string   `json:"required,omitempty"`
	Definitions Properties `json:"$defs,omitempty"`
}

// Property is a schema with its name.
type Property struct {
	Name   string
	Schema Schema
}

// Properties are an object in JSON that keeps its order.
type Properties []Property

// MarshalJSON writes an object.
func (p Properties) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, one := range p {
		if i > 0 {
			out.WriteByte(',')
		}
		name, err := json.Marshal(one.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(one.Schema)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", one.Name, err)
		}
		out.Write(name)
		out.WriteByte(':')
		out.Write(value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// Get is a property by name.
func (p Properties) Get(name string) (Schema, bool) {
	for _, one := range p {
		if one.Name == name {
			return one.Schema, true
		}
	}
	return Schema{}, false
}

// Document writes a schema as a file.
func Document(s Schema) (string, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		return "", fmt.Errorf("write a schema: %w", err)
	}
	return out.String(), nil
}

// Words is the schema of an array that is one of some lists of words, such as the actions of a plan.
func Words(lists ...[]string) Schema {
	var out Schema
	for _, list := range lists {
		one := Schema{Type: "array", MinItems: len(list), MaxItems: len(list)}
		for _, word := range list {
			one.PrefixItems = append(one.PrefixItems, Schema{Enum: []string{word}})
		}
		out.OneOf = append(out.OneOf, one)
	}
	return out
}
