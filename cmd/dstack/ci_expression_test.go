package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var expression = regexp.MustCompile(`\$\{\{ (.*?) \}\}`)

// expand puts values in the place of GitHub's expressions. A text that is nothing but one has its value.
func expand(t *testing.T, text string, in map[string]any) any {
	t.Helper()
	if m := expression.FindStringSubmatch(text); m != nil && m[0] == text {
		return evaluate(t, m[1], in)
	}
	return expression.ReplaceAllStringFunc(text, func(s string) string {
		return fmt.Sprint(evaluate(t, expression.FindStringSubmatch(s)[1], in))
	})
}

// evaluate gives the value of an expression of names, texts, ==, !=, && and ||, as GitHub does: && and || give one of
// their sides, and a name that is not there is empty.
func evaluate(t *testing.T, text string, in map[string]any) any {
	t.Helper()
	if l, r, ok := strings.Cut(text, "||"); ok {
		if v := evaluate(t, l, in); truthy(v) {
			return v
		}
		return evaluate(t, r, in)
	}
	if l, r, ok := strings.Cut(text, "&&"); ok {
		if v := evaluate(t, l, in); !truthy(v) {
			return v
		}
		return evaluate(t, r, in)
	}
	for op, want := range map[string]bool{"==": true, "!=": false} {
		if l, r, ok := strings.Cut(text, op); ok {
			return (fmt.Sprint(evaluate(t, l, in)) == fmt.Sprint(evaluate(t, r, in))) == want
		}
	}
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "'") {
		return strings.Trim(text, "'")
	}
	require.Regexp(t, `^[a-z][a-zA-Z0-9_.-]*$`, text)
	var v any = in
	for name := range strings.SplitSeq(text, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		if v, ok = m[name]; !ok {
			return ""
		}
	}
	return v
}

func truthy(v any) bool { return v != nil && v != "" && v != false }

func TestExpressionsAreThoseOfGitHub(t *testing.T) {
	in := map[string]any{"a": map[string]any{"b": "x", "n": 12}, "empty": ""}
	for text, want := range map[string]any{
		"a.b": "x", "a.c": "", "q.b": "", "a.b == 'x'": true, "a.b != 'x'": false,
		"a.b == 'y' && a.b || 'z'": "z", "a.b == 'x' && empty || 'z'": "z", "a.b == 'x' && 'w' || 'z'": "w",
	} {
		require.Equal(t, want, evaluate(t, text, in), text)
	}
	require.Equal(t, "p-x-12", expand(t, "p-${{ a.b }}-${{ a.n }}", in))
	require.Equal(t, false, expand(t, "${{ a.b == 'y' }}", in))
}
