package console

import (
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/schema"
)

// Complete lists, in order, what could stand in the place of the word before the cursor: the text behind from becomes
// one of the words. Inside of a plain text, and where nothing fits, there are none.
func (s *Session) Complete(text string) (from int, words []string) {
	tokens, _ := hclsyntax.LexExpression([]byte(text), file, hcl.InitialPos)
	tokens = tokens[:max(len(tokens)-1, 0)] // without the end
	if ref, from, ok := keyAt(text, tokens); ok {
		for _, k := range s.keys(ref) {
			words = append(words, k+`"]`)
		}
		return from, matching(words, text[from:])
	}
	from = len(text)
	if inText(tokens) {
		return from, nil
	}
	from -= len(trailing(text, isWord))
	before, word := text[:from], text[from:]
	switch {
	case strings.HasSuffix(before, "."):
		words = s.members(path(before[:len(before)-1]))
	case word != "" && unicode.IsDigit(rune(word[0])):
		return from, nil
	default:
		words = slices.Concat(s.config.Roots(), []string{"true", "false", "null", "type("})
		for _, f := range s.config.FunctionNames() {
			words = append(words, f+"(")
		}
	}
	return from, matching(words, word)
}

// matching are the words that begin with what is written already, in order.
func matching(words []string, begin string) []string {
	words = slices.DeleteFunc(words, func(w string) bool { return !strings.HasPrefix(w, begin) })
	slices.Sort(words)
	return slices.Compact(words)
}

// Common is what all words begin with.
func Common(words []string) string {
	if len(words) == 0 {
		return ""
	}
	out := words[0]
	for _, w := range words[1:] {
		for !strings.HasPrefix(w, out) {
			out = out[:len(out)-1]
		}
	}
	return strings.ToValidUTF8(out, "")
}

// keyAt finds a key in quotes that is being written: what it is a key of, and where its text begins.
func keyAt(text string, tokens hclsyntax.Tokens) (ref string, from int, ok bool) {
	n := len(tokens)
	if n > 0 && tokens[n-1].Type == hclsyntax.TokenQuotedLit {
		n--
	}
	if n < 3 || tokens[n-1].Type != hclsyntax.TokenOQuote || tokens[n-2].Type != hclsyntax.TokenOBrack {
		return "", 0, false
	}
	ref = path(text[:tokens[n-2].Range.Start.Byte])
	return ref, tokens[n-1].Range.End.Byte, ref != ""
}

// inText tells whether the end of an expression lies in a text or a comment, where a name is no name.
func inText(tokens hclsyntax.Tokens) bool {
	if len(tokens) == 0 {
		return false
	}
	switch tokens[len(tokens)-1].Type {
	case hclsyntax.TokenOQuote, hclsyntax.TokenQuotedLit, hclsyntax.TokenOHeredoc, hclsyntax.TokenStringLit, hclsyntax.TokenComment:
		return true
	case hclsyntax.TokenTemplateSeqEnd: // behind the } of a text that goes on
		return true
	}
	return false
}

func isWord(r rune) bool { return r == '_' || r == '-' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// trailing is the part at the end of a text of which all runes satisfy is.
func trailing(text string, is func(rune) bool) string {
	return text[strings.LastIndexFunc(text, func(r rune) bool { return !is(r) })+1:]
}

// path is the reference at the end of a text: volume.data[0] of "1 + volume.data[0]"; "" if there is none.
func path(text string) string {
	rest := text
	for {
		for strings.HasSuffix(rest, "]") {
			open := strings.LastIndexByte(rest, '[')
			if open < 0 {
				return ""
			}
			rest = rest[:open]
		}
		word := trailing(rest, isWord)
		if word == "" {
			return ""
		}
		rest = rest[:len(rest)-len(word)]
		if !strings.HasSuffix(rest, ".") {
			return text[len(rest):]
		}
		rest = rest[:len(rest)-1]
	}
}

// members are the names that can follow a reference and a dot.
func (s *Session) members(ref string) []string {
	switch ref {
	case "":
		return nil
	case "path":
		return []string{"cwd", "module", "root"}
	}
	if names := s.declared(ref + "."); names != nil {
		return names
	}
	keys := s.keys(ref)
	if keys == nil {
		keys = s.promised(ref)
	}
	return slices.DeleteFunc(keys, func(k string) bool { return !hclsyntax.ValidIdentifier(k) })
}

// declared are what variables, locals and blocks of the root module are called behind the beginning of an address.
func (s *Session) declared(begin string) []string {
	var out []string
	add := func(address string) {
		if rest, ok := strings.CutPrefix(address, begin); ok {
			out = append(out, rest)
		}
	}
	for _, n := range s.config.Names() {
		if n.Module == addr.Root {
			add(n.Address)
		}
	}
	roots := s.config.Roots() // a block of another type has no value
	for _, b := range s.config.Blocks() {
		if b.Addr.Module == addr.Root && slices.Contains(roots, b.Addr.Type) {
			add(b.Addr.String())
		}
	}
	return out
}

// keys are the names of the parts of a value that is known.
func (s *Session) keys(ref string) []string {
	if ref == "" {
		return nil
	}
	v, list := s.config.Evaluate(file, ref, s.scope)
	if list.HasErrors() || v.IsMarked() || v.IsNull() {
		return nil
	}
	ty := v.Type()
	var out []string
	switch {
	case ty.IsObjectType():
		for name := range ty.AttributeTypes() {
			out = append(out, name)
		}
	case ty.IsMapType() && v.IsKnown():
		for it := v.ElementIterator(); it.Next(); {
			k, _ := it.Element()
			out = append(out, k.AsString())
		}
	}
	return out
}

// promised are the attributes that a block, or one of its instances or jobs, has once it is made.
func (s *Session) promised(ref string) []string {
	t, ds := hclsyntax.ParseTraversalAbs([]byte(ref), file, hcl.InitialPos)
	if ds.HasErrors() || len(t) < 2 {
		return nil
	}
	name, ok := t[1].(hcl.TraverseAttr)
	if !ok {
		return nil
	}
	b := s.config.Block(addr.Block{Type: t.RootName(), Name: name.Name})
	if b == nil {
		return nil
	}
	rest := t[2:]
	if b.Repeats() {
		if len(rest) == 0 {
			return nil
		}
		rest = rest[1:]
	}
	switch kind := b.Addr.Type; {
	case kind == "volume" || kind == "gateway":
		return below(rest, schema.KindObject(kind))
	case len(rest) == 0 && kind == "fleet":
		return []string{"address", "instance", "name"}
	case len(rest) == 0 && b.Type.Repeat:
		return []string{"address", "instance", "job", "name", "type"}
	case len(rest) == 2:
		if part, ok := rest[0].(hcl.TraverseAttr); ok && (part.Name == addr.KindInstance || part.Name == addr.KindJob) {
			return below(rest[2:], schema.KindObject(part.Name))
		}
	}
	return nil
}

// below are the attributes of a kind, and its address.
func below(rest hcl.Traversal, o *schema.Object) []string {
	if len(rest) > 0 {
		return nil
	}
	out := []string{"address"}
	for _, a := range o.Attrs {
		if a.Type != cty.NilType {
			out = append(out, a.Name)
		}
	}
	return out
}
