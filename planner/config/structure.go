package config

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/dstackai/dstack-planner/diag"
)

// structure explains what is wrong with brackets, quotes and signs in a text that does not parse. The parser says where it
// got lost; what a person needs to know is where the part begins that has no end.
type structure struct {
	source Source
	tokens hclsyntax.Tokens
}

func structureOf(s Source) *structure {
	tokens, _ := hclsyntax.LexConfig(s.Text, s.Path, hcl.InitialPos)
	return &structure{source: s, tokens: tokens}
}

// closers are the tokens that end what another one begins.
var closers = map[hclsyntax.TokenType]hclsyntax.TokenType{
	hclsyntax.TokenOBrace:          hclsyntax.TokenCBrace,
	hclsyntax.TokenOBrack:          hclsyntax.TokenCBrack,
	hclsyntax.TokenOParen:          hclsyntax.TokenCParen,
	hclsyntax.TokenOQuote:          hclsyntax.TokenCQuote,
	hclsyntax.TokenOHeredoc:        hclsyntax.TokenCHeredoc,
	hclsyntax.TokenTemplateInterp:  hclsyntax.TokenTemplateSeqEnd,
	hclsyntax.TokenTemplateControl: hclsyntax.TokenTemplateSeqEnd,
}

func isCloser(t hclsyntax.TokenType) bool {
	switch t {
	case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
		return true
	}
	return false
}

// openAt finds what is open at an offset: the innermost of it, -1 if there is nothing.
func (s *structure) openAt(offset int) int {
	var open []int
	for i, t := range s.tokens {
		if t.Range.Start.Byte >= offset {
			break
		}
		switch {
		case closers[t.Type] != 0:
			open = append(open, i)
		case isCloser(t.Type) && len(open) > 0 && closers[s.tokens[open[len(open)-1]].Type] == t.Type:
			open = open[:len(open)-1]
		}
	}
	if len(open) == 0 {
		return -1
	}
	return open[len(open)-1]
}

// at finds the token at an offset, or the first behind it.
func (s *structure) at(offset int) int {
	for i, t := range s.tokens {
		if t.Range.Start.Byte >= offset {
			return i
		}
	}
	return len(s.tokens) - 1
}

func (s *structure) kind(i int) hclsyntax.TokenType {
	if i < 0 || i >= len(s.tokens) {
		return hclsyntax.TokenEOF
	}
	return s.tokens[i].Type
}

// unclosedBrace finds the bracket that has no partner, as far as the indentation tells, and the line before which its
// partner is missing; 0 where that is the end of the file.
func (s *structure) unclosedBrace() (opener, before int) {
	type opened struct{ token, indent int }
	var open []opened
	line, indent := 0, 0
	for i, t := range s.tokens {
		first := t.Range.Start.Line != line && t.Type != hclsyntax.TokenNewline && t.Type != hclsyntax.TokenEOF
		if first {
			line, indent = t.Range.Start.Line, t.Range.Start.Column
		}
		if first && len(open) > 0 {
			top := open[len(open)-1]
			if isCloser(t.Type) && indent < top.indent || t.Type == hclsyntax.TokenIdent && indent <= top.indent && s.startsBlock(i) {
				return top.token, line
			}
		}
		switch {
		case closers[t.Type] != 0:
			open = append(open, opened{i, indent})
		case isCloser(t.Type) && len(open) > 0:
			open = open[:len(open)-1]
		}
		line = t.Range.End.Line
		if t.Type == hclsyntax.TokenNewline || t.Type == hclsyntax.TokenComment {
			line = 0 // what follows is the first of its line
		}
	}
	if len(open) == 0 {
		return -1, 0
	}
	return open[len(open)-1].token, 0
}

// startsBlock tells whether a name begins a block: names and texts, then a brace.
func (s *structure) startsBlock(i int) bool {
	for i++; i < len(s.tokens); i++ {
		switch s.tokens[i].Type {
		case hclsyntax.TokenIdent, hclsyntax.TokenOQuote, hclsyntax.TokenQuotedLit, hclsyntax.TokenCQuote:
		case hclsyntax.TokenOBrace:
			return true
		default:
			return false
		}
	}
	return false
}

// explain says what is wrong in other words than the parser's, if it can. final says that what follows in the file is not
// worth reading: the parser takes one thing for another from there on.
func (s *structure) explain(d *hcl.Diagnostic) (list diag.List, final bool) {
	if d.Subject == nil {
		return nil, false
	}
	at := min(d.Subject.Start.Byte, len(s.source.Text))
	i := s.at(at)
	switch d.Summary {
	case "Invalid multi-line string", "Unterminated template string", "Unterminated string literal":
		return s.unclosedText(at), true
	case "Unclosed configuration block", "Unclosed configuration body", "Unterminated object constructor expression",
		"Unterminated tuple constructor expression", "Unterminated function call":
		opener, before := s.unclosedBrace()
		return s.unclosed(opener, before), true
	case "Unclosed template interpolation sequence":
		return s.unclosed(s.openAt(at), 0), true
	case "Unbalanced parentheses", "Missing close bracket on index", "Missing closing parenthesis":
		return s.unclosed(s.openAt(at), d.Subject.Start.Line), true
	case "Missing item separator", "Missing argument separator", "Missing attribute separator":
		opener := s.openAt(at)
		if s.kind(i) == hclsyntax.TokenIdent && (s.kind(i+1) == hclsyntax.TokenEqual || s.startsBlock(i)) || isCloser(s.kind(i)) || s.kind(i) == hclsyntax.TokenEOF {
			if d.Summary != "Missing attribute separator" || s.kind(i) != hclsyntax.TokenIdent {
				return s.unclosed(opener, d.Subject.Start.Line), true
			}
		}
		return s.comma(d, opener), false
	case "Argument or block definition required", "Argument definition required":
		return s.sign(d, i, at)
	case "Missing newline after argument":
		return s.word(d, i), false
	}
	return nil, false
}

// unclosedText explains a text or a heredoc without its end.
func (s *structure) unclosedText(at int) diag.List {
	opener := s.openAt(at)
	for opener > 0 && s.kind(opener) != hclsyntax.TokenOQuote && s.kind(opener) != hclsyntax.TokenOHeredoc {
		opener = s.openAt(s.tokens[opener].Range.Start.Byte)
	}
	if opener < 0 {
		return nil
	}
	rng := s.tokens[opener].Range
	if s.kind(opener) == hclsyntax.TokenOHeredoc {
		mark := strings.TrimRight(string(s.tokens[opener].Bytes), "\r\n")
		rng = rangeOf(s.source, rng.Start.Byte, rng.Start.Byte+len(mark))
		word := strings.TrimLeft(mark, "<-")
		return diag.Errorf("Text is not closed", "The text that begins here ends with a line that holds %s alone, and there is none. The commas and brackets behind the text stand on the next line:\n  <<-%s\n    ...\n  %s", word, word, word).At(&rng)
	}
	end := rng.Start.Byte
	for end < len(s.source.Text) && s.source.Text[end] != '\n' && s.source.Text[end] != '\r' {
		end++
	}
	rng = rangeOf(s.source, rng.Start.Byte, end)
	return diag.Errorf("A quote is missing", "A text in quotes ends on the line on which it starts, with a second quote. For a text of several lines:\n  <<-EOT\n    ...\n  EOT").At(&rng)
}

// unclosed explains a bracket without its partner, which is missing before a line; 0 is the end of the file.
func (s *structure) unclosed(opener, before int) diag.List {
	if opener < 0 {
		return nil
	}
	t := s.tokens[opener]
	start := t.Range.Start.Byte
	where := "at the end of the file"
	if before > 0 && before != t.Range.Start.Line {
		where = fmt.Sprintf("before line %d", before)
	} else if before > 0 {
		where = "on the same line"
	}
	summary, what, closer := "Bracket is not closed", "The bracket that opens here", "]"
	switch t.Type {
	case hclsyntax.TokenOBrace:
		summary, what, closer = "Brace is not closed", "The brace that opens here", "}"
		if header := s.header(opener); header < opener {
			summary, start = "Block is not closed", s.tokens[header].Range.Start.Byte
			what = "The block that begins here"
		}
	case hclsyntax.TokenOParen:
		summary, what, closer = "Parenthesis is not closed", "The parenthesis that opens here", ")"
		if s.kind(opener-1) == hclsyntax.TokenIdent {
			summary, start = "Call is not closed", s.tokens[opener-1].Range.Start.Byte
			what = "The call that begins here"
		}
	case hclsyntax.TokenOBrack:
		summary, what = "List is not closed", "The list that begins here"
	case hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
		summary, what, closer = "Expression is not closed", "The expression that begins here", "}"
	case hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc:
		return s.unclosedText(len(s.source.Text))
	}
	rng := rangeOf(s.source, start, t.Range.End.Byte)
	hint := ""
	if before > 0 && t.Type == hclsyntax.TokenOBrace {
		hint = " That is how it looks by the indentation."
	}
	return diag.Errorf(summary, "%s has no end: a %s is missing %s.%s", what, closer, where, hint).At(&rng)
}

// header finds the first token of the header of a block whose brace is given; the brace itself if it is no block's.
func (s *structure) header(brace int) int {
	i := brace
	for i > 0 {
		switch s.tokens[i-1].Type {
		case hclsyntax.TokenIdent, hclsyntax.TokenOQuote, hclsyntax.TokenQuotedLit, hclsyntax.TokenCQuote:
			i--
			continue
		}
		break
	}
	if s.kind(i) != hclsyntax.TokenIdent {
		return brace
	}
	return i
}

// comma explains that one is missing between two elements.
func (s *structure) comma(d *hcl.Diagnostic, opener int) diag.List {
	what := "The elements of a list are"
	switch d.Summary {
	case "Missing argument separator":
		what = "The arguments of a function are"
	case "Missing attribute separator":
		return diag.Errorf("A comma is missing", "The attributes of an object are separated by commas, or stand on lines of their own.").At(d.Subject)
	}
	hint := ""
	if line := s.lineBefore(d.Subject.Start.Byte); line > 0 && line != d.Subject.Start.Line {
		hint = fmt.Sprintf(" Put one at the end of line %d.", line)
	}
	return diag.Errorf("A comma is missing", "%s separated by commas.%s", what, hint).At(d.Subject)
}

// lineBefore is the line on which the last token before an offset ends that is no line end and no comment.
func (s *structure) lineBefore(offset int) int {
	line := 0
	for _, t := range s.tokens {
		if t.Range.Start.Byte >= offset {
			break
		}
		if t.Type != hclsyntax.TokenNewline && t.Type != hclsyntax.TokenComment {
			line = t.Range.End.Line
		}
	}
	return line
}

// sign explains an argument without its equals sign: as YAML has it, or with nothing.
func (s *structure) sign(d *hcl.Diagnostic, i, at int) (diag.List, bool) {
	text := s.source.Text
	if at+1 < len(text) && text[at] == '/' && text[at+1] == '*' {
		return diag.Errorf("Comment is not closed", "The comment that begins with /* has no end: a */ is missing. A comment of one line begins with #.").At(&hcl.Range{Filename: s.source.Path, Start: d.Subject.Start, End: rangeOf(s.source, at, at+2).End}), true
	}
	if s.kind(i) != hclsyntax.TokenIdent {
		return nil, false
	}
	name := string(s.tokens[i].Bytes)
	if s.kind(i+1) == hclsyntax.TokenColon {
		if s.openAt(at) < 0 {
			return diag.Errorf("This is YAML", "%s: begins as a configuration of dstack in YAML does. Here a run is a block with a name, and its properties are arguments:\n  task \"train\" {\n    commands = [\"python train.py\"]\n  }", name).At(d.Subject), true
		}
		return diag.Errorf("An equals sign is missing", "%s: is how YAML says it. Here an argument is written with an equals sign:\n  %s = ...", name, name).At(d.Subject), false
	}
	switch s.kind(i + 1) {
	case hclsyntax.TokenNumberLit, hclsyntax.TokenOQuote, hclsyntax.TokenOBrack, hclsyntax.TokenIdent, hclsyntax.TokenMinus, hclsyntax.TokenOHeredoc:
		return diag.Errorf("An equals sign is missing", "An argument is written with an equals sign behind its name, and a block with a brace:\n  %s = ...", name).At(d.Subject), false
	}
	return nil, false
}

// word explains a word that stands where an operator belongs.
func (s *structure) word(d *hcl.Diagnostic, i int) diag.List {
	if s.kind(i) != hclsyntax.TokenIdent {
		return nil
	}
	word := string(s.tokens[i].Bytes)
	operator := map[string]string{"and": "&&", "or": "||", "not": "!", "is": "==", "mod": "%"}[word]
	if operator == "" {
		return nil
	}
	return diag.Errorf("A word is no operator", "%s means nothing between two expressions. Write %s.", word, operator).At(d.Subject)
}
