package config

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/apparentlymart/go-textseg/v15/textseg"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/dstackai/dstack-planner/diag"
)

// deepest is how many brackets may be open at once, and how many operators may follow each other in one expression.
// The parser and the evaluator go one call deeper for each, and a stack that overflows cannot be caught.
const (
	deepest   = 500
	longestOp = 250_000
)

// checkDepth refuses a text that would overflow the parser's stack.
func checkDepth(s Source) diag.List {
	if len(s.Text) > largestFile {
		return diag.Errorf("File cannot be read", "%s has %d MB, and at most %d MB are read; split it.", s.Path, len(s.Text)>>20, largestFile>>20)
	}
	depth, round, ops, line, lineStart := 0, 0, 0, 1, 0
	for i, ch := range s.Text {
		switch ch {
		case '(', '[':
			round++
			depth++
		case '{':
			depth++
		case ')', ']':
			round = max(round-1, 0)
			depth = max(depth-1, 0)
		case '}':
			depth = max(depth-1, 0)
		case '!', '-', '+', '*', '/', '%', '&', '|', '?', '<', '>', '=':
			ops++
		case ',':
			ops = 0
		case '\n':
			line, lineStart = line+1, i+1
			if round == 0 {
				ops = 0
			}
		}
		if depth > deepest || ops > longestOp {
			at := hcl.Pos{Line: line, Column: i - lineStart + 1, Byte: i}
			end := hcl.Pos{Line: at.Line, Column: at.Column + 1, Byte: at.Byte + 1}
			return diag.Errorf("Expression is too deep", "So many brackets or operators within each other are taken for a mistake: at most %d brackets may be open, and at most %d operators follow each other. Give parts of it a name in locals.", deepest, longestOp).At(&hcl.Range{Filename: s.Path, Start: at, End: end})
		}
	}
	return nil
}

// blank is what stands in for a part of a text that was explained already.
type blank struct {
	start, end int
	summary    string
	detail     string
}

var (
	shellExpansion = regexp.MustCompile(`^(?:[A-Za-z_][A-Za-z0-9_]*(?::?[-=+?]|##?|%%?|//?|:|\^\^?|,,?|\[[@*]\])|[#!][A-Za-z_])`)
	dstackName     = regexp.MustCompile(`^\s*([a-z_]+)\.?([A-Za-z0-9_]*)`)
	numberUnit     = regexp.MustCompile(`^[0-9.]+$`)
)

// explainSyntax reports what is wrong with a text that does not parse. What comes from habits of dstack or of a shell
// is explained and taken out, and the rest is parsed again, so that one mistake gives one error.
func explainSyntax(s Source, ds hcl.Diagnostics) diag.List {
	if strings.HasSuffix(s.Path, ".json") {
		return explainJSON(s, ds)
	}
	var list diag.List
	blanks := habits(s)
	if len(blanks) > 0 {
		text := []byte(string(s.Text))
		for _, b := range blanks {
			rng := rangeOf(s, b.start, b.end)
			list = append(list, diag.Errorf(b.summary, "%s", b.detail).At(&rng)...)
			for i := b.start; i < b.end; i++ {
				if text[i] != '\n' {
					text[i] = '_'
				}
			}
		}
		_, ds = hclsyntax.ParseConfig(text, s.Path, hcl.InitialPos)
		s.Text = text
	}
	list = append(list, explainTokens(s, ds)...)
	return list
}

// mostSyntaxErrors is how many errors of one file are explained; whoever has more has the wrong file.
const mostSyntaxErrors = 20

// explainTokens reports what a parser found wrong, each line once: behind the first error of one the parser is lost, and
// what it says is noise.
func explainTokens(s Source, ds hcl.Diagnostics) diag.List {
	var list diag.List
	tokens := structureOf(s)
	seen := map[int]bool{}
	for _, d := range ds {
		if len(list) == mostSyntaxErrors {
			break
		}
		if d.Subject != nil {
			if seen[d.Subject.Start.Line] {
				continue
			}
			seen[d.Subject.Start.Line] = true
		}
		if d.Summary == "Invalid single-argument block definition" && d.Subject != nil {
			list = append(list, oneLineBlock(s, d)...)
			continue
		}
		if own := missingQuotes(s, d); own != nil {
			list = append(list, own...)
			continue
		}
		if own, final := tokens.explain(d); own != nil {
			list = append(list, own...)
			if final {
				break
			}
			continue
		}
		list = append(list, translate(hcl.Diagnostics{d})...)
	}
	return list
}

// habits finds dstack's ${{ }} and expansions of a shell.
func habits(s Source) []blank {
	tokens, _ := hclsyntax.LexConfig(s.Text, s.Path, hcl.InitialPos)
	var out []blank
	for i, t := range tokens {
		start := t.Range.Start.Byte
		if t.Type != hclsyntax.TokenTemplateInterp || len(out) > 0 && start < out[len(out)-1].end {
			continue
		}
		inner := start + len(t.Bytes)
		if i+1 < len(tokens) && tokens[i+1].Type == hclsyntax.TokenOBrace && tokens[i+1].Range.Start.Byte == inner {
			stop := strings.Index(string(s.Text[inner:]), "}}")
			if stop >= 0 && !strings.ContainsAny(string(s.Text[inner:inner+stop]), "=\n") {
				out = append(out, blank{start, inner + stop + 2, "dstack's ${{ }} is not used here", insteadOf(string(s.Text[inner+1 : inner+stop]))})
			}
			continue
		}
		stop := strings.IndexAny(string(s.Text[inner:]), "}\n")
		if stop < 0 || s.Text[inner+stop] != '}' {
			continue
		}
		if code := string(s.Text[inner : inner+stop]); shellExpansion.MatchString(code) {
			out = append(out, blank{start, inner + stop + 1, "A shell's expansion",
				fmt.Sprintf("${%s} is replaced here, before a shell sees it, and it is no expression. For the shell write $${%s}.", code, code)})
		}
	}
	return out
}

// insteadOf says what to write for a name of dstack's own interpolation.
func insteadOf(code string) string {
	m := dstackName.FindStringSubmatch(code)
	if m == nil {
		return "Write an expression between ${ and }."
	}
	written := strings.TrimSpace(code)
	name := cmp.Or(m[2], "name")
	switch m[1] {
	case "dstack":
		switch m[2] {
		case "node_rank", "job_num":
			return fmt.Sprintf("For ${{ %s }} write ${node.rank}.", written)
		case "nodes_num":
			return fmt.Sprintf("For ${{ %s }} write ${node.count}.", written)
		case "replica_num":
			return fmt.Sprintf("For ${{ %s }} write ${replica.index}.", written)
		}
		return fmt.Sprintf("For ${{ %s }} write ${node.rank}, ${node.count} or ${replica.index}.", written)
	case "env":
		return fmt.Sprintf("For ${{ %s }} write $${%s}, which the shell replaces, or ${var.%s} and declare a variable.", written, name, strings.ToLower(name))
	case "secrets":
		return fmt.Sprintf("For ${{ %s }} write ${var.%s} and declare the variable as sensitive:\n  variable %q {\n    sensitive = true\n  }", written, strings.ToLower(name), strings.ToLower(name))
	case "run":
		return fmt.Sprintf("For ${{ %s }} write ${var.%s} and give the variable a value with --var.", written, name)
	}
	return fmt.Sprintf("For ${{ %s }} write ${ } around an expression: ${var.name}, ${node.rank}, ${node.count}, ${replica.index}. dstack convert rewrites a whole file.", written)
}

// missingQuotes recognises a text that stands without its quotes: 500GB, 10.0.0.1, us-east-1a.
func missingQuotes(s Source, d *hcl.Diagnostic) diag.List {
	if d.Subject == nil || d.Summary != "Missing newline after argument" && d.Summary != "Invalid number literal" && d.Summary != "Invalid expression" && d.Summary != "Missing attribute separator" && d.Summary != "Missing item separator" {
		return nil
	}
	at := min(d.Subject.Start.Byte, len(s.Text))
	start, end := at, at
	for start > 0 && isWord(s.Text[start-1]) {
		start--
	}
	for end < len(s.Text) && isWord(s.Text[end]) {
		end++
	}
	word := string(s.Text[start:end])
	if start == at && !isWordStart(word) || len(word) < 2 || numberUnit.MatchString(word) && strings.Count(word, ".") < 2 || strings.Trim(word, "./:") == "" {
		return nil
	}
	rng := rangeOf(s, start, end)
	return diag.Errorf("Quotes are missing", "A text stands in quotes: %q.", word).At(&rng)
}

func isWord(b byte) bool {
	return b == '.' || b == '-' || b == '_' || b == ':' || b == '/' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

func isWordStart(w string) bool { return w != "" && (w[0] == '/' || w[0] == '.') }

// rangeOf makes a range of two offsets.
func rangeOf(s Source, start, end int) hcl.Range {
	return hcl.Range{Filename: s.Path, Start: positionOf(s.Text, start), End: positionOf(s.Text, end)}
}

func positionOf(text []byte, offset int) hcl.Pos {
	before := string(text[:offset])
	line := strings.Count(before, "\n")
	last := before[strings.LastIndexByte(before, '\n')+1:]
	return hcl.Pos{Line: line + 1, Column: graphemes(last) + 1, Byte: offset}
}

// graphemes counts what a person sees as characters, as columns of ranges do.
func graphemes(s string) int {
	n, err := textseg.TokenCount([]byte(s), textseg.ScanGraphemeClusters)
	if err != nil {
		return len(s)
	}
	return n
}
