package render

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema"
)

// Console writes a value as `dstack console` prints it: as it could stand in a configuration, an element a line, with
// the conversion that makes a list, set or map of it. A sensitive value is not shown. A type, which the console's
// function type gives, is written as it stands in a variable's type constraint, an attribute a line. The text has no
// line feed at its end.
func Console(v cty.Value) string {
	var b strings.Builder
	writeConsole(&b, v, 0)
	return b.String()
}

// writeConsole writes a value whose lines after the first begin with indent blanks.
func writeConsole(b *strings.Builder, v cty.Value, indent int) {
	bare, marks := v.Unmark()
	ty := bare.Type()
	switch {
	case !bare.IsKnown():
		b.WriteString(known)
	case v.HasMark(schema.EphemeralMark):
		b.WriteString("(ephemeral value)")
	case len(marks) > 0:
		b.WriteString("(sensitive value)")
	case bare.IsNull():
		b.WriteString(nullText(ty))
	case ty == cty.String:
		writeText(b, bare.AsString(), indent)
	case ty == cty.Number:
		b.WriteString(bare.AsBigFloat().Text('f', -1))
	case ty == cty.Bool && bare.True():
		b.WriteString("true")
	case ty == cty.Bool:
		b.WriteString("false")
	case ty.IsListType():
		writeElements(b, bare, "tolist([", "])", indent)
	case ty.IsSetType():
		writeElements(b, bare, "toset([", "])", indent)
	case ty.IsTupleType():
		writeElements(b, bare, "[", "]", indent)
	case ty.IsMapType():
		writePairs(b, bare, "tomap({", "})", indent)
	case ty.IsObjectType():
		writePairs(b, bare, "{", "}", indent)
	case ty == typeexpr.TypeConstraintType:
		writeType(b, typeexpr.TypeConstraintFromVal(bare), indent)
	default:
		b.WriteString(clean(ty.FriendlyName()))
	}
}

// nullText is null with the type that it has.
func nullText(ty cty.Type) string {
	switch {
	case ty == cty.String:
		return "tostring(null)"
	case ty == cty.Number:
		return "tonumber(null)"
	case ty == cty.Bool:
		return "tobool(null)"
	case ty.IsListType():
		return "tolist(null) /* of " + ty.ElementType().FriendlyName() + " */"
	case ty.IsSetType():
		return "toset(null) /* of " + ty.ElementType().FriendlyName() + " */"
	case ty.IsMapType():
		return "tomap(null) /* of " + ty.ElementType().FriendlyName() + " */"
	case ty.IsObjectType():
		return "null /* object */"
	case ty.IsTupleType():
		return "null /* tuple */"
	}
	return "null"
}

// writeText writes a text with several lines as a heredoc and any other between quotes. So is one with a control
// character, which as it is could move the cursor or hide what is beside it.
func writeText(b *strings.Builder, s string, indent int) {
	if !strings.Contains(s, "\n") || !isClean(strings.NewReplacer("\n", "", "\t", "").Replace(s)) {
		b.WriteString(quote(s))
		return
	}
	lines := strings.Split(s, "\n")
	end := "EOT"
	for slices.ContainsFunc(lines, func(line string) bool { return strings.TrimSpace(line) == end }) {
		end += "_"
	}
	b.WriteString("<<")
	if indent > 0 {
		b.WriteByte('-')
	}
	b.WriteString(end)
	for _, line := range append(lines, end) {
		newLine(b, indent)
		b.WriteString(line)
	}
}

func writeElements(b *strings.Builder, v cty.Value, open, end string, indent int) {
	b.WriteString(open)
	if v.LengthInt() > 0 {
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			newLine(b, indent+2)
			writeConsole(b, e, indent+2)
			b.WriteByte(',')
		}
		newLine(b, indent)
	}
	b.WriteString(end)
}

func writePairs(b *strings.Builder, v cty.Value, open, end string, indent int) {
	b.WriteString(open)
	if v.LengthInt() > 0 {
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			newLine(b, indent+2)
			b.WriteString(quote(k.AsString()))
			b.WriteString(" = ")
			writeConsole(b, e, indent+2)
		}
		newLine(b, indent)
	}
	b.WriteString(end)
}

// writeType writes a type, an attribute or element of an object or tuple a line.
func writeType(b *strings.Builder, ty cty.Type, indent int) {
	switch {
	case ty.IsObjectType() && len(ty.AttributeTypes()) == 0:
		b.WriteString("object({})")
	case ty.IsObjectType():
		b.WriteString("object({")
		attrs := ty.AttributeTypes()
		for _, name := range slices.Sorted(maps.Keys(attrs)) {
			newLine(b, indent+4)
			b.WriteString(clean(name))
			b.WriteString(": ")
			writeType(b, attrs[name], indent+4)
			b.WriteByte(',')
		}
		newLine(b, indent)
		b.WriteString("})")
	case ty.IsTupleType() && ty.Length() == 0:
		b.WriteString("tuple([])")
	case ty.IsTupleType():
		b.WriteString("tuple([")
		for _, e := range ty.TupleElementTypes() {
			newLine(b, indent+4)
			writeType(b, e, indent+4)
			b.WriteByte(',')
		}
		newLine(b, indent)
		b.WriteString("])")
	case ty.IsCollectionType():
		writeCollectionType(b, ty, indent)
	case ty == typeexpr.TypeConstraintType:
		b.WriteString("type")
	default:
		b.WriteString(ty.FriendlyName())
	}
}

// writeCollectionType keeps list(string) on one line, and gives what takes several lines a place of its own.
func writeCollectionType(b *strings.Builder, ty cty.Type, indent int) {
	switch {
	case ty.IsListType():
		b.WriteString("list(")
	case ty.IsSetType():
		b.WriteString("set(")
	default:
		b.WriteString("map(")
	}
	e := ty.ElementType()
	if e.IsPrimitiveType() || e.IsCollectionType() || e == cty.DynamicPseudoType {
		writeType(b, e, indent)
	} else {
		newLine(b, indent+4)
		writeType(b, e, indent+4)
		b.WriteByte(',')
		newLine(b, indent)
	}
	b.WriteByte(')')
}

func newLine(b *strings.Builder, indent int) {
	b.WriteByte('\n')
	for range indent {
		b.WriteByte(' ')
	}
}
