package render

import (
	"html"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render/rendertest"
)

// people are the renderings that people read, by name.
func people(t *testing.T, p *plan.Plan) map[string]string {
	t.Helper()
	page, err := HTML(p, HTMLOptions{})
	require.NoError(t, err)
	return map[string]string{"text": Text(p, Options{Width: 120}), "markdown": string(Markdown(p, MarkdownOptions{})), "html": html.UnescapeString(string(page))}
}

func TestWhatMovesIsSaidOnceInEveryRendering(t *testing.T) {
	for name, text := range people(t, rendertest.Named("renamed-key")) {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, text, `env["OLD"]   is now env["NEW"], with the same value`)
			require.Contains(t, text, `commands[2]  is now commands[0]: "setup"`)
			require.NotContains(t, text, `env["NEW"]  `, "what comes has no line of its own")
		})
	}
	drift := &plan.Plan{Drift: []*plan.Drift{{Address: "gateway.g", Kind: "support", Class: plan.DriftInformational, Diff: []plan.AttrDiff{
		{Path: `data["a"]`, Before: rendertest.JSON("x"), MovedTo: `data["b"]`}, {Path: `data["b"]`, After: rendertest.JSON("x"), MovedFrom: `data["a"]`},
	}}}}
	require.Contains(t, Text(drift, Options{Width: 120}), `gateway.g: data["a"] is now data["b"], with the same value; nothing depends on it`)
}

func TestWhatIsKnownLaterIsShortBefore(t *testing.T) {
	for name, text := range people(t, rendertest.Named("unknowns")) {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, text, "[8 elements] -> (known after apply)", "a list of objects")
			require.Contains(t, text, "{2 values} -> (known after apply)", "an object with another in it")
			require.Contains(t, text, "[] -> (known after apply)", "nothing is not counted")
			require.NotContains(t, text, "A100", "what is in it is not shown")
		})
	}
	long := plan.AttrDiff{Path: "location", Before: rendertest.JSON(strings.Repeat("x", 2000)), Unknown: true}
	require.LessOrEqual(t, displayWidth(strings.Join(diffLines(long, true, 60), "")), 2*60, "a long text is cut")
	object := plan.AttrDiff{Path: "data", Before: rendertest.JSON(rendertest.Object{"one": strings.Repeat("x", 2000)}), Unknown: true}
	require.Equal(t, []string{"{1 value} -> (known after apply)"}, diffLines(object, true, 60))
	require.Equal(t, []string{"(sensitive, known after apply)"}, diffLines(plan.AttrDiff{Path: "data", Before: rendertest.JSON(nil), Sensitive: true, Unknown: true}, true, 60))
}

func TestTextsAreShownByWhatTheyMean(t *testing.T) {
	for name, text := range people(t, rendertest.Named("inside")) {
		t.Run(name, func(t *testing.T) {
			for _, want := range []string{
				"@@ as JSON, 3 values differ", "train_batch_size  32", "@@ the same JSON, written otherwise",
				"@@ as YAML, 2 values differ; it is written otherwise, too", "@@ the same YAML, written otherwise", "#cloud-config", "... 60 more values",
			} {
				require.Contains(t, text, want)
			}
			require.NotContains(t, text, "Adam", "what stays is not shown")
		})
	}
}

func TestLongTextsAreBounded(t *testing.T) {
	lines := func(n int, of string) string { return strings.Repeat(of+"\n", n) }
	got, ok := textDiff(rendertest.JSON(lines(5000, "a")), rendertest.JSON(lines(4000, "b")))
	require.True(t, ok)
	require.Len(t, got, linesShown+1)
	require.Equal(t, "... 8,920 more lines", got[linesShown])

	long := strings.Repeat("x", 5000)
	got, ok = textDiff(rendertest.JSON("one\n"+long+"HERE"+long+"\n"), rendertest.JSON("one\n"+long+"THERE"+long+"\n"))
	require.True(t, ok)
	require.Len(t, got, 3)
	for i, want := range map[int]string{1: "HERE", 2: "THERE"} {
		require.Contains(t, got[i], want, "a long line is cut around what differs")
		require.LessOrEqual(t, displayWidth(got[i]), longestLine)
	}
}

func TestWhoNeedsTheNewOneFirst(t *testing.T) {
	for name, text := range people(t, rendertest.Named("inherited")) {
		t.Run(name, func(t *testing.T) {
			text = strings.NewReplacer("`", "", "<code>", "", "</code>", "").Replace(text)
			require.Contains(t, text, "must be replaced, new one first, because volume.top needs it")
		})
	}
}
