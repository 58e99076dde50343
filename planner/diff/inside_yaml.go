package diff

import (
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// perhapsYAML tells whether a text could be an object or a list of YAML, before a parser is troubled with it.
func perhapsYAML(text string) bool {
	return strings.Contains(text, "\n") && (strings.Contains(text, ": ") || strings.Contains(text, ":\n"))
}

// readYAML reads one document of YAML that is an object or a list of objects, and how it is laid out. Anything that a
// program or a sentence could be by chance is none.
func readYAML(text string) (any, string, bool) {
	dec := yaml.NewDecoder(strings.NewReader(text))
	var doc, second yaml.Node
	if dec.Decode(&doc) != nil || dec.Decode(&second) != io.EOF || len(doc.Content) != 1 {
		return nil, "", false
	}
	var layout strings.Builder
	comments(&layout, &doc)
	r := yamlReader{layout: &layout}
	v, err := r.value(doc.Content[0], 0)
	if err != nil {
		return nil, "", false
	}
	switch v := v.(type) {
	case map[string]any:
		return v, layout.String(), len(v) > 0
	case []any:
		for _, e := range v {
			if _, object := e.(map[string]any); !object {
				return nil, "", false
			}
		}
		return v, layout.String(), len(v) > 0
	}
	return nil, "", false
}

type yamlReader struct {
	layout *strings.Builder
	column int // of the first thing that is inside another
}

func (r *yamlReader) value(n *yaml.Node, depth int) (any, error) {
	if depth > deepestInside || n.Anchor != "" {
		return nil, errNoStructure
	}
	comments(r.layout, n)
	if depth == 1 && r.column == 0 && n.Kind != yaml.ScalarNode {
		r.column = n.Column
		r.layout.WriteString(strconv.Itoa(r.column) + " " + strconv.Itoa(int(n.Style&yaml.FlowStyle)) + "\n")
	}
	switch {
	case n.Kind == yaml.MappingNode && n.ShortTag() == "!!map":
		out := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			_, twice := out[key.Value]
			if key.Kind != yaml.ScalarNode || key.Anchor != "" || key.ShortTag() == "!!merge" || twice || strings.ContainsAny(key.Value, " (") {
				return nil, errNoStructure // a key with a blank is rather a line of a program: if x:
			}
			comments(r.layout, key)
			v, err := r.value(n.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			out[key.Value] = v
		}
		return out, nil
	case n.Kind == yaml.SequenceNode && n.ShortTag() == "!!seq":
		out := make([]any, len(n.Content))
		for i, e := range n.Content {
			v, err := r.value(e, depth+1)
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	case n.Kind == yaml.ScalarNode:
		return scalarOf(n)
	}
	return nil, errNoStructure // an alias, or a type of its own
}

// scalarOf is a scalar as JSON has it. Numbers that JSON writes otherwise, and times, are what stands there.
func scalarOf(n *yaml.Node) (any, error) {
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true"), nil
	case "!!int", "!!float":
		if number := json.Number(n.Value); json.Valid([]byte(number)) {
			return number, nil
		}
		return n.Value, nil
	case "!!str", "!!timestamp":
		return n.Value, nil
	}
	return nil, errNoStructure
}

func comments(out *strings.Builder, n *yaml.Node) {
	for _, c := range []string{n.HeadComment, n.LineComment, n.FootComment} {
		if c != "" {
			out.WriteString(c + "\n")
		}
	}
}
