package layout

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
)

// Formats tells whether files of that name are laid out: *.dstack.hcl and *.dstackvars, not their JSON twins.
func Formats(name string) bool {
	return strings.HasSuffix(name, ".dstack.hcl") || strings.HasSuffix(name, ".dstackvars")
}

// mostRounds is how often a text is laid out before it must stay as it is. One round is enough for nearly all, two
// where a change of one line moves its neighbours.
const mostRounds = 12

// Format lays a text out. The name stands for the file in diagnostics. With errors the text is what was given: it is no
// HCL, or it cannot be laid out without a change of what it says.
func Format(name string, text []byte) ([]byte, diag.List) {
	if list := config.CheckSyntax(config.Source{Path: name, Text: text}); list.HasErrors() {
		return text, list
	}
	out := text
	for range mostRounds {
		next := round(name, out)
		if bytes.Equal(next, out) {
			if !same(name, text, out) {
				return text, refused(name)
			}
			return out, nil
		}
		out = next
	}
	return text, refused(name)
}

func refused(name string) diag.List {
	return diag.Errorf("File is left as it is", "%s cannot be laid out without a change of what it says. That is a defect of dstack fmt; the file itself may be right.", name)
}

// round does everything once.
func round(name string, text []byte) []byte {
	return spaced(name, hclwrite.Format(plain(name, text)))
}

// edit replaces a part of a text.
type edit struct {
	start, end int
	text       string
}

// plain writes labels in quotes, and takes the template off around what is no text with something in it: of "${x}" it
// makes x, which is the same value.
func plain(name string, text []byte) []byte {
	f, ds := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
	if ds.HasErrors() {
		return text // reported by whoever calls, or found by the comparison
	}
	var edits []edit
	var walk func(b *hclsyntax.Body)
	walk = func(b *hclsyntax.Body) {
		for _, a := range b.Attributes {
			if w, ok := a.Expr.(*hclsyntax.TemplateWrapExpr); ok {
				if e, ok := unwrap(text, w); ok {
					edits = append(edits, e)
				}
			}
		}
		for _, blk := range b.Blocks {
			for i, r := range blk.LabelRanges {
				if text[r.Start.Byte] != '"' {
					edits = append(edits, edit{r.Start.Byte, r.End.Byte, strconv.Quote(blk.Labels[i])})
				}
			}
			walk(blk.Body)
		}
	}
	walk(f.Body.(*hclsyntax.Body))
	return apply(text, edits)
}

// unwrap finds what stands between "${ and }". What needs several lines is put in parentheses, which carry it on.
func unwrap(text []byte, w *hclsyntax.TemplateWrapExpr) (edit, bool) {
	start, end := w.SrcRange.Start.Byte, w.SrcRange.End.Byte
	inner, opened := strings.CutPrefix(string(text[start:end]), `"${`)
	inner, closed := strings.CutSuffix(inner, `}"`)
	if !opened || !closed {
		return edit{}, false
	}
	inner = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(inner, "~"), "~"))
	forms := []string{inner, "(" + inner + ")", "(\n" + inner + "\n)"}
	if endsInComment(inner) {
		forms = forms[2:] // else what follows on the line would become a part of it
	}
	for _, try := range forms {
		f, ds := hclsyntax.ParseConfig([]byte("a = "+try+"\n"), "", hcl.InitialPos)
		if ds.HasErrors() {
			continue
		}
		body := f.Body.(*hclsyntax.Body)
		if a := body.Attributes["a"]; a != nil && len(body.Attributes) == 1 && len(body.Blocks) == 0 && sketch(bare(a.Expr)) == sketch(bare(w)) {
			return edit{start, end, try}, true
		}
	}
	return edit{}, false
}

// endsInComment tells whether the rest of the line belongs to a comment.
func endsInComment(expr string) bool {
	tokens, _ := hclsyntax.LexExpression([]byte(expr), "", hcl.InitialPos)
	if len(tokens) < 2 {
		return false
	}
	last := tokens[len(tokens)-2] // before the end
	return last.Type == hclsyntax.TokenComment && !bytes.HasPrefix(last.Bytes, []byte("/*"))
}

// apply makes the edits, which do not overlap.
func apply(text []byte, edits []edit) []byte {
	if len(edits) == 0 {
		return text
	}
	sortEdits(edits)
	var out bytes.Buffer
	last := 0
	for _, e := range edits {
		out.Write(text[last:e.start])
		out.WriteString(e.text)
		last = e.end
	}
	out.Write(text[last:])
	return out.Bytes()
}
