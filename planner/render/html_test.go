package render_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/planner/render/rendertest"
)

// read parses a page as a browser does.
func read(t *testing.T, p *plan.Plan) *html.Node {
	t.Helper()
	out, err := render.HTML(p, render.HTMLOptions{Name: "infra/<research>", Saved: "night.plan"})
	require.NoError(t, err)
	doc, err := html.Parse(bytes.NewReader(out))
	require.NoError(t, err)
	return doc
}

// elements lists the elements of a page, or those of one name.
func elements(n *html.Node, name string) []*html.Node {
	var out []*html.Node
	for c := range n.Descendants() {
		if c.Type == html.ElementNode && (name == "" || c.Data == name) {
			out = append(out, c)
		}
	}
	return out
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode && c.Parent.Data != "script" && c.Parent.Data != "style" {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}

func TestPagesSayWhatTheTextSays(t *testing.T) {
	for _, s := range rendertest.Situations() {
		t.Run(s.Name, func(t *testing.T) {
			doc := read(t, s.Plan)
			first, _, _ := strings.Cut(render.Text(s.Plan, render.Options{Width: 1000}), "\n")
			first, _, _ = strings.Cut(first, " (checked")
			require.Contains(t, textOf(elements(doc, "h1")[0]), strings.TrimSuffix(first, "."))
			var classes []string
			for _, c := range elements(doc, "details") {
				classes = append(classes, attribute(c, "data-class"))
				require.NotEmpty(t, attribute(c, "data-address"))
				require.NotEmpty(t, textOf(elements(c, "summary")[0]))
			}
			for _, f := range elements(doc, "input") {
				if class := attribute(f, "data-filter"); class != "" {
					require.Contains(t, classes, class, "a filter that hides nothing")
				}
			}
			ids := map[string]bool{}
			for _, e := range elements(doc, "") {
				if id := attribute(e, "id"); id != "" {
					require.False(t, ids[id], "the id %s stands twice", id)
					ids[id] = true
				}
			}
			for _, g := range elements(doc, "g") {
				if target := attribute(g, "data-target"); target != "" {
					require.True(t, ids[target], "the graph leads to %s, which is nowhere", target)
				}
			}
			again, err := render.HTML(s.Plan, render.HTMLOptions{Name: "infra/<research>", Saved: "night.plan"})
			require.NoError(t, err)
			once, err := render.HTML(s.Plan, render.HTMLOptions{Name: "infra/<research>", Saved: "night.plan"})
			require.NoError(t, err)
			require.Equal(t, string(once), string(again))
		})
	}
}

func TestPagesNeedNothingButThemselves(t *testing.T) {
	doc := read(t, rendertest.Night())
	for _, e := range elements(doc, "") {
		for _, a := range e.Attr {
			require.NotContains(t, []string{"src", "srcset", "action", "data", "poster"}, a.Key)
			if a.Key == "href" {
				require.True(t, strings.HasPrefix(a.Val, "#"), a.Val)
			}
		}
	}
	require.Empty(t, elements(doc, "link"))
	require.Len(t, elements(doc, "script"), 1)
	var policy string
	for _, m := range elements(doc, "meta") {
		if attribute(m, "http-equiv") == "Content-Security-Policy" {
			policy = attribute(m, "content")
		}
	}
	require.Contains(t, policy, "default-src 'none'")
	require.Contains(t, policy, "script-src 'sha256-")
	require.NotEmpty(t, elements(doc, "svg"))
	require.NotEmpty(t, elements(doc, "path"))
}

func TestPagesAreSafeFromValues(t *testing.T) {
	known := map[string]bool{}
	for _, e := range elements(read(t, rendertest.With("plain")), "") {
		known[e.Data] = true
	}
	for _, h := range rendertest.Hostile() {
		t.Run(h.Name, func(t *testing.T) {
			doc := read(t, rendertest.With(h.Text))
			require.Len(t, elements(doc, "script"), 1)
			require.Len(t, elements(doc, "style"), 1)
			for _, e := range elements(doc, "") {
				require.True(t, known[e.Data], "an element %s that no plan has", e.Data)
				for _, a := range e.Attr {
					require.False(t, strings.HasPrefix(a.Key, "on"), "%s=%s", a.Key, a.Val)
				}
			}
			for _, r := range textOf(doc) {
				require.False(t, r < ' ' && r != '\n' && r != '\t' || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069, "the character %U", r)
			}
		})
	}
}
