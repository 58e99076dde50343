package console

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/render"
)

// file stands for the file in diagnostics.
const file = "<console>"

// Session evaluates expressions against one configuration.
type Session struct {
	config *config.Config
	scope  config.Scope
}

// New makes a Session. The scope says what blocks are worth; nil means that nothing is known of them.
func New(c *config.Config, scope config.Scope) *Session { return &Session{config: c, scope: scope} }

// Evaluate gives the value of an expression, which begins on the given line of what was read.
func (s *Session) Evaluate(line int, text string) (cty.Value, diag.List) {
	v, list := s.config.Evaluate(file, text, s.scope)
	for _, d := range list {
		if d.Range == nil || d.Range.Filename != file {
			continue
		}
		d.Range.Start.Line += line - 1
		d.Range.End.Line += line - 1
		if d.Snippet != nil {
			d.Snippet.StartLine = d.Range.Start.Line
		}
	}
	return v, list
}

// Print gives the text of a value as it is printed.
func Print(v cty.Value) string { return render.Console(v) }

// Help is printed for the line help.
const Help = `Type an expression to see its value: var.size, [for v in volume.data : v.id], upper("a").
References mean the configuration here, and what is recorded of its blocks; no cloud is asked.
An open bracket or heredoc goes on in the next line. Tab completes; exit or Ctrl-D ends.
`

// Blank tells whether there is nothing to evaluate: blanks and comments alone.
func Blank(text string) bool {
	tokens, _ := hclsyntax.LexExpression([]byte(text), file, hcl.InitialPos)
	return !slices.ContainsFunc(tokens, func(t hclsyntax.Token) bool {
		return t.Type != hclsyntax.TokenNewline && t.Type != hclsyntax.TokenComment && t.Type != hclsyntax.TokenEOF
	})
}
