package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema/value"
)

// known is what stands where a value comes with the apply.
const known = "(known after apply)"

// label is the name of a path in a change: attributes of resources go by their last word, and long names by a short one.
func label(path string) string {
	path = strings.TrimPrefix(path, "resources.")
	switch path {
	case "instance_type":
		return "type"
	case "availability_zone":
		return "zone"
	}
	return clean(strings.TrimSuffix(path, "_mib"))
}

// valueText writes a JSON value on one line as it would stand in a configuration. Texts that placement or a provider
// decided are bare, because nobody wrote the quotes.
func valueText(path string, raw json.RawMessage, bare bool) string {
	if len(raw) == 0 {
		return "null"
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return clean(string(raw))
	}
	if text, ok := unitText(path, v); ok {
		return text
	}
	if s, ok := v.(string); ok && bare {
		return clean(s)
	}
	var b strings.Builder
	writeValue(&b, v)
	return b.String()
}

// unitText writes numbers that have a unit by their attribute's name.
func unitText(path string, v any) (string, bool) {
	name := path[strings.LastIndexByte(path, '.')+1:]
	switch v := v.(type) {
	case json.Number:
		switch {
		case name == "price" || name == "max_price":
			if f, err := v.Float64(); err == nil {
				return value.MoneyOf(f).Hourly(), true
			}
		case strings.HasSuffix(name, "_mib"):
			if n, err := v.Int64(); err == nil {
				return Size(n), true
			}
		}
	case string:
		if name == "max_price" {
			if p, err := value.ParsePrice(v); err == nil {
				return p.Money().Hourly(), true
			}
		}
	}
	return "", false
}

func writeValue(b *strings.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case string:
		b.WriteString(quote(v))
	case json.Number:
		b.WriteString(v.String())
	case bool:
		fmt.Fprintf(b, "%t", v)
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			writeValue(b, e)
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteByte('{')
		for i, k := range sortedKeys(v) {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteByte(' ')
			if isName(k) {
				b.WriteString(k)
			} else {
				b.WriteString(quote(k))
			}
			b.WriteString(" = ")
			writeValue(b, v[k])
		}
		b.WriteString(" }")
	}
}

func isName(s string) bool {
	for i, r := range s {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r != '-' && (r < '0' || r > '9')) {
			return false
		}
	}
	return s != ""
}

// diffLines are the lines of one difference, each of which may still be wrapped. room is how wide a line may be.
func diffLines(d plan.AttrDiff, bare bool, room int) []string {
	switch {
	case d.Sensitive && d.Unknown:
		return []string{"(sensitive, known after apply)"}
	case d.Sensitive && d.Before != nil && d.After != nil:
		return []string{"(sensitive, changed)"}
	case d.Sensitive:
		return []string{"(sensitive)"}
	case d.Unknown && len(d.Before) == 0:
		return []string{known}
	case d.Unknown && !isText(d.Before):
		return arrow(brief(d.Before), known, room)
	case d.Unknown:
		return arrow(cut(valueText(d.Path, d.Before, bare), room, 0), known, room)
	}
	if lines, ok := textLines(d, room); ok {
		return lines
	}
	switch {
	case d.Before == nil:
		return []string{shorten(valueText(d.Path, d.After, bare), room, 0)}
	case d.After == nil:
		return []string{shorten(valueText(d.Path, d.Before, bare), room, 0)}
	}
	before, after := valuePair(d, bare, room)
	return arrow(before, after, room)
}

// valuePair are the two values of a difference, each cut where it is long so that what differs stays.
func valuePair(d plan.AttrDiff, bare bool, room int) (before, after string) {
	before, after = valueText(d.Path, d.Before, bare), valueText(d.Path, d.After, bare)
	at := differAt(before, after)
	return shorten(before, room, at), shorten(after, room, at)
}

// shorten cuts a value to two lines where it can wrap, else to one with room for an arrow.
func shorten(s string, room, at int) string {
	for word := range strings.FieldsSeq(s) {
		if displayWidth(word) > room {
			return cut(s, room-len("-> "), at)
		}
	}
	return cut(s, 2*room, at)
}

// arrow writes a change on one line, or on two where it does not fit.
func arrow(before, after string, room int) []string {
	if displayWidth(before)+4+displayWidth(after) <= room {
		return []string{before + " -> " + after}
	}
	return []string{before, "-> " + after}
}

// brief says how much there is in an object or a list, where what is in it is of no use to a reader: it goes, and nobody
// knows yet what comes.
func brief(raw json.RawMessage) string {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil {
		if len(list) == 0 {
			return "[]"
		}
		return "[" + Count(len(list), "element") + "]"
	}
	var attrs map[string]json.RawMessage
	if json.Unmarshal(raw, &attrs) == nil {
		if len(attrs) == 0 {
			return "{}"
		}
		return "{" + Count(len(attrs), "value") + "}"
	}
	return clean(string(raw))
}

func isText(raw json.RawMessage) bool {
	return len(raw) > 0 && raw[0] != '[' && raw[0] != '{'
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
