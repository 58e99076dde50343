package diff

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/dstackai/dstack-planner/planner/plan"
)

const (
	longestInside = 256 << 10 // bytes of a text that is read as JSON or YAML
	deepestInside = 64        // how deep it may be nested
	mostInside    = 50        // differences that are kept; the rest is counted
)

var errNoStructure = errors.New("not to be compared by structure")

// Inside compares two texts, given as JSON strings, by what they mean where both are JSON, or both are YAML: objects and
// lists, since any text is a scalar of YAML. It is nil where either is anything else, too long or too deep, says a key
// twice, or uses what makes a text mean more than it says: several documents, anchors, types of its own.
//
// Neither text is a secret. A caller that has one must not ask.
func Inside(before, after json.RawMessage) *plan.Inside {
	if len(before) == 0 || len(after) == 0 || before[0] != '"' || after[0] != '"' || len(before) > 2*longestInside || len(after) > 2*longestInside {
		return nil
	}
	var old, new string
	if json.Unmarshal(before, &old) != nil || json.Unmarshal(after, &new) != nil || len(old) > longestInside || len(new) > longestInside {
		return nil
	}
	if a, ok := readJSON(old); ok {
		if b, ok := readJSON(new); ok {
			return inside(plan.InsideJSON, a, b, layoutOf(old) != layoutOf(new))
		}
	}
	if !perhapsYAML(old) || !perhapsYAML(new) {
		return nil
	}
	a, x, ok := readYAML(old)
	if !ok {
		return nil
	}
	b, y, ok := readYAML(new)
	if !ok {
		return nil
	}
	return inside(plan.InsideYAML, a, b, x != y)
}

func inside(format plan.InsideFormat, a, b any, layout bool) *plan.Inside {
	c := insideComparer{out: &plan.Inside{Format: format, Layout: layout}}
	_, object := a.(map[string]any)
	if _, same := b.(map[string]any); object != same {
		return nil
	}
	c.value(a, b, nil)
	c.out.Layout = layout || len(c.out.Diff) == 0
	return c.out
}

type insideComparer struct{ out *plan.Inside }

func (c *insideComparer) value(a, b any, path []byte) {
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			c.object(x, y, path)
			return
		}
	case []any:
		if y, ok := b.([]any); ok {
			c.list(x, y, path)
			return
		}
	}
	if x, y := written(a), written(b); !bytes.Equal(x, y) && !sameNumber(a, b) {
		c.differ(path, x, y)
	}
}

func (c *insideComparer) object(a, b map[string]any, path []byte) {
	keys := make([]string, 0, len(a)+len(b))
	for k := range a {
		keys = append(keys, k)
	}
	for k := range b {
		if _, both := a[k]; !both {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		x, had := a[k]
		y, has := b[k]
		at := appendName(path, k)
		switch {
		case !had:
			c.differ(at, nil, written(y))
		case !has:
			c.differ(at, written(x), nil)
		default:
			c.value(x, y, at)
		}
	}
}

// list compares as lists of a resource are: by longest common subsequence, then by place.
func (c *insideComparer) list(a, b []any, path []byte) {
	pairs := Align(texts(a), texts(b))
	for i := 0; i < len(pairs); {
		if pairs[i].Old >= 0 && pairs[i].New >= 0 {
			i++
			continue
		}
		var gapOld, gapNew []int
		for ; i < len(pairs) && (pairs[i].Old < 0 || pairs[i].New < 0); i++ {
			if pairs[i].Old >= 0 {
				gapOld = append(gapOld, pairs[i].Old)
			} else {
				gapNew = append(gapNew, pairs[i].New)
			}
		}
		for _, p := range byPlace(gapOld, gapNew) {
			switch {
			case p.New < 0:
				c.differ(appendIndex(path, p.Old), written(a[p.Old]), nil)
			case p.Old < 0:
				c.differ(appendIndex(path, p.New), nil, written(b[p.New]))
			default:
				c.value(a[p.Old], b[p.New], appendIndex(path, p.New))
			}
		}
	}
}

func (c *insideComparer) differ(path []byte, before, after json.RawMessage) {
	if len(c.out.Diff) == mostInside {
		c.out.More++
		return
	}
	c.out.Diff = append(c.out.Diff, plan.InsideDiff{Path: string(path), Before: before, After: after})
}

// appendName adds a key to a path: as an attribute where it could be one, else as a key of a map.
func appendName(b []byte, key string) []byte {
	for i, r := range key {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r != '-' && (r < '0' || r > '9')) {
			return appendKey(b, key)
		}
	}
	if key == "" {
		return appendKey(b, key)
	}
	return appendAttr(b, key)
}

func texts(list []any) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(written(v))
	}
	return out
}

// written is the JSON of a value, its keys sorted. It cannot fail: what is in it was read here.
func written(v any) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// sameNumber tells whether two numbers are one: 1 and 1.0. Long ones are what their digits say.
func sameNumber(a, b any) bool {
	x, ok := a.(json.Number)
	y, both := b.(json.Number)
	const exact = 15 // digits that a float64 holds
	if !ok || !both || len(x) > exact || len(y) > exact {
		return false
	}
	f, err := strconv.ParseFloat(string(x), 64)
	g, err2 := strconv.ParseFloat(string(y), 64)
	return err == nil && err2 == nil && f == g
}

// readJSON reads a JSON object or list of which no key stands twice.
func readJSON(text string) (any, bool) {
	if t := strings.TrimLeft(text, " \t\r\n"); t == "" || t[0] != '{' && t[0] != '[' {
		return nil, false
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	v, err := nextJSON(dec, 0)
	if err != nil {
		return nil, false
	}
	_, err = dec.Token()
	return v, err == io.EOF
}

func nextJSON(dec *json.Decoder, depth int) (any, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if depth == deepestInside {
		return nil, errNoStructure
	}
	if delim == '[' {
		list := []any{}
		for dec.More() {
			v, err := nextJSON(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	object := map[string]any{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := key.(string)
		if _, twice := object[name]; twice {
			return nil, errNoStructure
		}
		if object[name], err = nextJSON(dec, depth+1); err != nil {
			return nil, err
		}
	}
	_, err = dec.Token()
	return object, err
}

// layoutOf is how JSON is laid out, by its first blanks: those after the first bracket, and those after the first colon.
func layoutOf(text string) string {
	text = strings.TrimLeft(text, " \t\r\n")
	out := blanks(text[1:])
	inText := false
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && inText:
			i++
		case text[i] == '"':
			inText = !inText
		case text[i] == ':' && !inText:
			return out + ":" + blanks(text[i+1:])
		}
	}
	return out
}

func blanks(s string) string { return s[:len(s)-len(strings.TrimLeft(s, " \t\r\n"))] }
