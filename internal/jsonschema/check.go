package jsonschema

import (
	"bytes"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Checker holds documents against a schema.
type Checker struct{ schema *jsonschema.Schema }

// Closed reads a schema for the tests of who writes the documents: an object has nothing that the schema does not name,
// and a text is of the format that it names. Readers are told to be more patient.
func Closed(schema []byte) (*Checker, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, fmt.Errorf("read a schema: %w", err)
	}
	closeObjects(doc)
	const name = "schema.json"
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(name, doc); err != nil {
		return nil, fmt.Errorf("read a schema: %w", err)
	}
	s, err := c.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("read a schema: %w", err)
	}
	return &Checker{s}, nil
}

// Check says what is wrong with a document.
func (c *Checker) Check(document []byte) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return fmt.Errorf("read a document: %w", err)
	}
	return c.schema.Validate(doc)
}

// closeObjects lets no object have more than its properties. What stands under $defs and properties are names, not words
// of JSON Schema.
func closeObjects(schema any) {
	switch schema := schema.(type) {
	case map[string]any:
		for word, v := range schema {
			if names, ok := v.(map[string]any); ok && (word == "properties" || word == "$defs") {
				for _, one := range names {
					closeObjects(one)
				}
				continue
			}
			closeObjects(v)
		}
		if _, ok := schema["properties"]; ok {
			schema["additionalProperties"] = false
		}
	case []any:
		for _, v := range schema {
			closeObjects(v)
		}
	}
}
