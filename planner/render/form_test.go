package render

import (
	entity "html"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"

	"github.com/dstackai/dstack-planner/planner/plan"
)

// form is what a reader of Markdown makes of a text, apart from the words.
type form struct {
	blocks  []string // kinds of blocks in their order, tags of HTML
	codes   []string // texts in which nothing is read
	open    int      // folds that are open at the end
	foreign []string // what must not be there: links, images, tags, mentions and references in prose
}

var (
	tags = regexp.MustCompile(`</?[a-zA-Z][^>]*>|<!--.*?-->`)
	// What GitHub and GitLab make something of in prose: mentions, references, addresses, emoji, commits, formulas.
	meaning = regexp.MustCompile("@[0-9A-Za-z]|#[0-9]|(?i:gh-[0-9])|[!&%~^*_\\\\][0-9A-Za-z\"]|https?:|www\\.|\\b[0-9a-f]{7,40}\\b|:[a-z0-9_+-]+:|`|~~|\\$[^0-9]|\\$$|\\]\\(")
)

// formOf reads Markdown as GitHub does: with tables, strikethrough and bare addresses as links.
func formOf(md []byte) form {
	var f form
	doc := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(md))
	prose := func(s string) {
		if m := meaning.FindString(s); m != "" {
			f.foreign = append(f.foreign, "prose: "+strconv.Quote(s)+" for "+strconv.Quote(m))
		}
	}
	html := func(s string) {
		for _, tag := range tags.FindAllString(s, -1) {
			switch {
			case tag == "<details>":
				f.open++
			case tag == "</details>":
				f.open--
			case strings.HasPrefix(tag, "<!-- dstack plan"):
				tag = "marker"
			case tag == "<summary>", tag == "</summary>":
			case tag == "<code>", tag == "</code>":
				continue
			default:
				f.foreign = append(f.foreign, "tag: "+tag)
			}
			f.blocks = append(f.blocks, tag)
		}
		for code := range strings.SplitSeq(s, "<code>") {
			before, after, isCode := strings.Cut(code, "</code>")
			if isCode {
				f.codes = append(f.codes, entity.UnescapeString(before))
				before = after
			}
			prose(tags.ReplaceAllString(before, ""))
		}
	}
	var line strings.Builder // the prose of one block, with a blank in the place of code
	code, inCode := "", false
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if n.Type() == ast.TypeBlock {
			if own := line.String(); own != "!CAUTION" && own != "$/h" && own != "[!CAUTION]" {
				prose(own)
			}
			line.Reset()
		}
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.HTMLBlock:
			var b strings.Builder
			for i := range n.Lines().Len() {
				line := n.Lines().At(i)
				b.Write(line.Value(md))
			}
			html(b.String())
		case *ast.FencedCodeBlock:
			f.blocks = append(f.blocks, "fence "+string(n.Language(md)))
		case *ast.Heading:
			f.blocks = append(f.blocks, "heading "+strconv.Itoa(n.Level))
		case *ast.CodeSpan:
			line.WriteByte(' ')
			//lint:ignore SA1019 the whole text is wanted, and nothing else gives it
			f.codes = append(f.codes, strings.ReplaceAll(string(n.Text(md)), `\|`, "|"))
			return ast.WalkSkipChildren, nil
		case *ast.Link:
			if to := string(n.Destination); !strings.HasPrefix(to, "https://git.example.com/acme/gpu/") && !strings.HasPrefix(to, "https://ci.example.com/") {
				f.foreign = append(f.foreign, "link: "+to)
			}
			return ast.WalkSkipChildren, nil
		case *ast.Image, *ast.AutoLink, *extast.Strikethrough, *extast.TaskCheckBox, *ast.ThematicBreak, *ast.CodeBlock:
			f.foreign = append(f.foreign, n.Kind().String())
		case *ast.Emphasis:
			if n.Level != 2 {
				f.foreign = append(f.foreign, "emphasis")
			}
		case *ast.RawHTML:
			switch tag := string(n.Segments.Value(md)); tag {
			case "<code>":
				code, inCode = "", true
			case "</code>":
				f.codes = append(f.codes, entity.UnescapeString(code))
				inCode = false
			default:
				f.foreign = append(f.foreign, "inline tag: "+tag)
			}
		case *ast.Text:
			if inCode {
				code += string(n.Value(md))
			} else {
				line.Write(n.Value(md))
			}
		case *ast.Document, *ast.TextBlock:
		default:
			if n.Type() == ast.TypeBlock {
				f.blocks = append(f.blocks, n.Kind().String())
			}
		}
		return ast.WalkContinue, nil
	})
	return f
}

var rangeOf = regexp.MustCompile(`^\[(\d+)-(\d+)\]$`)

// unnamed are the addresses of what a plan destroys, replaces or forgets that no code in the Markdown names.
func unnamed(md []byte, p *plan.Plan) []string {
	type span struct{ from, to int }
	exact, spans := map[string]bool{}, map[string][]span{}
	for _, c := range formOf(md).codes {
		exact[c] = true
		base := ""
		for i, part := range strings.Split(c, ", ") {
			b, key := splitAddress(part)
			if i == 0 {
				base = b
			} else if b != "" {
				continue
			}
			exact[base+"["+key+"]"] = true
			if m := rangeOf.FindStringSubmatch("[" + key + "]"); m != nil {
				from, _ := strconv.Atoi(m[1])
				to, _ := strconv.Atoi(m[2])
				spans[base] = append(spans[base], span{from, to})
			}
		}
	}
	var out []string
	for _, c := range p.Changes {
		if !shownOf(c).goes() || c.Kind == "support" || exact[clean(c.Address)] {
			continue
		}
		base, key := splitAddress(c.Address)
		n, err := strconv.Atoi(key)
		if err != nil || !slices.ContainsFunc(spans[base], func(s span) bool { return s.from <= n && n <= s.to }) {
			out = append(out, c.Address)
		}
	}
	return out
}
