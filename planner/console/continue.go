package console

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Continues tells whether an expression goes on in the next line: a bracket, a template or a heredoc is open, or an
// operator stands at the end. What is wrong in any case does not go on.
func Continues(text string) bool {
	tokens, _ := hclsyntax.LexExpression([]byte(text+"\n"), file, hcl.InitialPos)
	var open []hclsyntax.TokenType
	last := hclsyntax.TokenNil
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOParen, hclsyntax.TokenOBrack, hclsyntax.TokenOBrace, hclsyntax.TokenTemplateInterp, hclsyntax.TokenOHeredoc, hclsyntax.TokenOQuote:
			open = append(open, t.Type)
		case hclsyntax.TokenTemplateControl: // %{ ends as ${ does
			open = append(open, hclsyntax.TokenTemplateInterp)
		case hclsyntax.TokenCParen, hclsyntax.TokenCBrack, hclsyntax.TokenCBrace, hclsyntax.TokenTemplateSeqEnd, hclsyntax.TokenCHeredoc, hclsyntax.TokenCQuote:
			if len(open) == 0 || open[len(open)-1] != opener(t.Type) {
				return false
			}
			open = open[:len(open)-1]
		}
		if t.Type != hclsyntax.TokenNewline && t.Type != hclsyntax.TokenComment && t.Type != hclsyntax.TokenEOF {
			last = t.Type
		}
	}
	for i, t := range open {
		// A text in quotes ends on its line, unless what is in its ${ } goes on.
		if t == hclsyntax.TokenOQuote && i == len(open)-1 {
			return false
		}
	}
	return len(open) > 0 || isOperator(last)
}

// InHeredoc tells whether the next line would belong to a heredoc, where a line with nothing on it is a part of the text.
func InHeredoc(text string) bool {
	tokens, _ := hclsyntax.LexExpression([]byte(text), file, hcl.InitialPos)
	open := 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOHeredoc:
			open++
		case hclsyntax.TokenCHeredoc:
			open--
		}
	}
	return open > 0
}

// opener is what a closing token closes.
func opener(t hclsyntax.TokenType) hclsyntax.TokenType {
	switch t {
	case hclsyntax.TokenCParen:
		return hclsyntax.TokenOParen
	case hclsyntax.TokenCBrack:
		return hclsyntax.TokenOBrack
	case hclsyntax.TokenCBrace:
		return hclsyntax.TokenOBrace
	case hclsyntax.TokenCHeredoc:
		return hclsyntax.TokenOHeredoc
	case hclsyntax.TokenCQuote:
		return hclsyntax.TokenOQuote
	}
	return hclsyntax.TokenTemplateInterp
}

// isOperator tells whether an operand must follow.
func isOperator(t hclsyntax.TokenType) bool {
	switch t {
	case hclsyntax.TokenPlus, hclsyntax.TokenMinus, hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPercent, hclsyntax.TokenAnd, hclsyntax.TokenOr,
		hclsyntax.TokenBang, hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual, hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq, hclsyntax.TokenGreaterThan,
		hclsyntax.TokenGreaterThanEq, hclsyntax.TokenQuestion, hclsyntax.TokenColon:
		return true
	}
	return false
}
