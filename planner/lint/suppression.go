package lint

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/schema"
)

// suppression is a comment that lets findings of one rule pass: on its own line, or if it stands alone, on the next line
// that is no comment.
type suppression struct {
	rule, reason string
	at           hcl.Range
	line         int // of the findings
	used         bool
}

// marker begins a comment that is a suppression.
const marker = "lint-ignore"

// suppress takes the findings away that a comment lets pass, and adds what is wrong with the comments.
func suppress(c *config.Config, list diag.List) diag.List {
	all := map[string][]*suppression{}
	for _, s := range c.Sources() {
		if !s.Personal && strings.HasSuffix(s.Path, ".hcl") {
			all[s.Path] = suppressions(s)
		}
	}
	var out diag.List
	for _, d := range list {
		if d.Range == nil {
			out = append(out, d)
			continue
		}
		passes := false
		for _, s := range all[d.Range.Filename] {
			if s.rule == d.Rule && s.line == d.Range.Start.Line {
				s.used, passes = true, true
			}
		}
		if !passes {
			out = append(out, d)
		}
	}
	for _, s := range c.Sources() {
		for _, p := range all[s.Path] {
			out = append(out, p.wrong()...)
		}
	}
	return out
}

// wrong says what is wrong with a suppression, once the findings are known.
func (s *suppression) wrong() diag.List {
	var known []string
	for _, r := range Rules() {
		if r.check != nil {
			known = append(known, r.ID)
		}
	}
	var list diag.List
	rule := wrongSuppression
	switch {
	case !slices.Contains(known, s.rule):
		list = diag.Warnf("There is no such rule", "A suppression names the rule that is let pass, and there is no rule %q that can be.%s Rules are %s.", s.rule, schema.DidYouMean(s.rule, known), strings.Join(known, ", "))
	case s.reason == "":
		list = diag.Warnf("A reason is missing", "Whoever reads the suppression must know why. Write:\n  # %s %s: why", marker, s.rule)
	case !s.used:
		rule = unusedSuppression
		list = diag.Warnf("Suppression is not used", "The rule %s finds nothing here. Remove the comment.", s.rule)
	}
	for _, d := range list.At(&s.at) {
		d.Rule = rule
	}
	return list
}

// suppressions finds the suppressions of one file.
func suppressions(s config.Source) []*suppression {
	tokens, _ := hclsyntax.LexConfig(s.Text, s.Path, hcl.InitialPos)
	var out, waiting []*suppression
	lastLine := 0 // of the code before
	for _, t := range tokens {
		switch {
		case t.Type == hclsyntax.TokenNewline || t.Type == hclsyntax.TokenEOF:
			continue
		case t.Type != hclsyntax.TokenComment:
			for _, w := range waiting {
				w.line = t.Range.Start.Line
			}
			waiting = nil
			lastLine = t.Range.End.Line
			continue
		}
		words, ok := strings.CutPrefix(comment(string(t.Bytes)), marker)
		if !ok || words != "" && !strings.HasPrefix(words, " ") {
			continue
		}
		rule, reason, _ := strings.Cut(words, ":")
		p := &suppression{rule: strings.TrimSpace(rule), reason: strings.TrimSpace(reason), at: trimmed(t), line: t.Range.Start.Line}
		out = append(out, p)
		if lastLine != t.Range.Start.Line {
			waiting = append(waiting, p)
		}
	}
	return out
}

// comment is the text of a comment.
func comment(text string) string {
	text = strings.TrimSpace(text)
	for _, begin := range []string{"#", "//", "/*"} {
		if rest, ok := strings.CutPrefix(text, begin); ok {
			return strings.TrimSpace(strings.TrimSuffix(rest, "*/"))
		}
	}
	return text
}

// trimmed is the range of a comment without the end of its line.
func trimmed(t hclsyntax.Token) hcl.Range {
	r := t.Range
	if text := strings.TrimRight(string(t.Bytes), "\r\n"); len(text) < len(t.Bytes) {
		r.End = hcl.Pos{Line: r.Start.Line, Column: r.Start.Column + len([]rune(text)), Byte: r.Start.Byte + len(text)}
	}
	return r
}
