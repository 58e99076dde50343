package layout

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

func sortEdits(edits []edit) {
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(a.start, b.start) })
}

// spaced takes out blank lines that part nothing: at the beginning and the end of the file and of everything in
// brackets, and those that follow another. The last line ends in a line feed.
func spaced(name string, text []byte) []byte {
	tokens, ds := hclsyntax.LexConfig(text, name, hcl.InitialPos)
	if ds.HasErrors() {
		return text
	}
	var edits []edit
	blanks := 0   // lines since the last one with something on it
	fresh := true // nothing stands on this line so far
	opened := true
	var pending []edit // a blank line whose fate is decided by what follows
	at := 0            // the end of the token before
	for _, t := range tokens {
		end := t.Range.End.Byte
		switch {
		case t.Type == hclsyntax.TokenNewline && fresh:
			blanks++
			e := edit{start: at, end: end}
			if opened || blanks > 1 {
				edits = append(edits, e)
			} else {
				pending = append(pending, e)
			}
		case t.Type == hclsyntax.TokenNewline:
			fresh = true
		default:
			if t.Type == hclsyntax.TokenEOF || fresh && closes(t.Type) {
				edits = append(edits, pending...)
			}
			pending, blanks = nil, 0
			opened = opens(t.Type)
			fresh = bytes.HasSuffix(t.Bytes, []byte("\n")) && t.Type == hclsyntax.TokenComment
		}
		at = end
	}
	out := apply(text, edits)
	if len(out) > 0 && out[len(out)-1] != '\n' {
		feed := "\n"
		if bytes.Contains(out, []byte("\r\n")) {
			feed = "\r\n"
		}
		out = append(slices.Clone(out), feed...)
	}
	return out
}

func opens(t hclsyntax.TokenType) bool {
	return t == hclsyntax.TokenOBrace || t == hclsyntax.TokenOBrack || t == hclsyntax.TokenOParen
}

func closes(t hclsyntax.TokenType) bool {
	return t == hclsyntax.TokenCBrace || t == hclsyntax.TokenCBrack || t == hclsyntax.TokenCParen
}
