package render_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"

	"github.com/dstackai/dstack-planner/internal/browser"
	"github.com/dstackai/dstack-planner/internal/golden"
	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/planner/render/rendertest"
)

// commentPage is a comment as a host of pull requests shows it, as far as its Markdown decides.
func commentPage(t *testing.T, markdown []byte) []byte {
	t.Helper()
	var page bytes.Buffer
	page.WriteString(`<!doctype html><meta charset="utf-8"><title>comment</title><style>body { width: 800px; font: 14px sans-serif } pre { overflow: auto }</style><body>`)
	md := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(html.WithUnsafe()))
	require.NoError(t, md.Convert(markdown, &page))
	return page.Bytes()
}

// TestCommentsAsReadersSeeThem shows twelve plans in a browser, folded as they come, and keeps what a reader sees of each:
// what no reader sees, and what is folded, is not in it.
func TestCommentsAsReadersSeeThem(t *testing.T) {
	b := browser.Start(t)
	var page *browser.Page
	for _, name := range []string{
		"night", "every-action", "destroy", "policies-denied", "only-drift", "nothing-to-do", "partial", "unknown-price", "spot-with-candidates", "secrets",
		"hostile", "500-resources",
	} {
		p := rendertest.Named(name)
		require.NotNil(t, p, name)
		shown := commentPage(t, render.Markdown(p, render.MarkdownOptions{Saved: "night.plan"}))
		if page == nil {
			page = b.Open(t, shown)
		} else {
			page.Load(shown)
		}
		seen := browser.Eval[string](page, `document.body.innerText`)
		require.NotContains(t, seen, "<!--", name)
		var lines []string
		for line := range strings.Lines(seen) {
			lines = append(lines, strings.TrimRight(line, " \t\n"))
		}
		golden.Assert(t, "testdata/comment/"+name+".txt", strings.TrimSpace(strings.Join(lines, "\n"))+"\n")
		require.Regexp(t, "^dstack [a-z ]+: ", seen, "%s begins with its verdict", name)
		require.Zero(t, browser.Eval[int](page, `[...document.querySelectorAll("details")].filter(d => d.open || !d.firstElementChild.checkVisibility()).length`), "%s: folds are closed, and can be opened", name)
		require.Zero(t, browser.Eval[int](page, `document.querySelectorAll("script, img, iframe, form, input, a:not([href^='https://'])").length`), name)
		picture, _ := page.Screenshot()
		require.NotEmpty(t, picture)
		require.Empty(t, page.Complaints(), name)
	}
}

// TestACommentOfTenThousandChanges is to be made in less than a second. How fast the machine is, is taken from writing the
// same plan as JSON, which needs about 0.1 s where the comment needs 0.25 s. Each has the best of several turns, since a
// machine may have much else to do in one of them.
func TestACommentOfTenThousandChanges(t *testing.T) {
	p := rendertest.Large(10_000, 2_000)
	comment, yardstick := time.Hour, time.Hour
	for turn := 0; turn < 20 && (turn < 3 || comment > 10*yardstick); turn++ {
		start := time.Now()
		text := render.Markdown(p, render.MarkdownOptions{})
		comment = min(comment, time.Since(start))
		require.LessOrEqual(t, len(text), render.CommentLimit)
		start = time.Now()
		_, err := render.JSON(p)
		require.NoError(t, err)
		yardstick = min(yardstick, time.Since(start))
	}
	require.LessOrEqual(t, comment, 10*yardstick, "JSON took %v", yardstick)
}
