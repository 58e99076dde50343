package render

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dstackai/dstack-planner/internal/golden"
	"github.com/dstackai/dstack-planner/internal/law"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render/rendertest"
)

func TestMarkdownOfSituations(t *testing.T) {
	for _, s := range rendertest.Situations() {
		t.Run(s.Name, func(t *testing.T) {
			got := Markdown(s.Plan, MarkdownOptions{Saved: "night.plan"})
			golden.Assert(t, "testdata/markdown/"+s.Name+".md", string(got))
			fits(t, got, CommentLimit)
		})
	}
}

func TestMarkdownOfARepository(t *testing.T) {
	got := Markdown(rendertest.Night(), MarkdownOptions{
		Name: "infra/research", Saved: "night.plan", Commit: "main@4be1d02", Full: "https://git.example.com/acme/gpu/actions/runs/7",
		Files: "https://git.example.com/acme/gpu/blob/4be1d02/", Folder: "infra/research",
	})
	golden.Assert(t, "testdata/markdown/repository.golden", string(got))
	fits(t, got, CommentLimit)
	require.True(t, strings.HasSuffix(string(got), "\n"+Marker("infra/research")+"\n"), "the marker is the last line")
}

// TestMarkdownOfManyDestroys is what the issue asks for: a comment with all that is destroyed in it.
func TestMarkdownOfManyDestroys(t *testing.T) {
	p := rendertest.Large(2000, 300)
	got := Markdown(p, MarkdownOptions{})
	fits(t, got, 65_536)
	require.Empty(t, unnamed(got, p))
	first, _, _ := strings.Cut(string(got), "\n")
	require.Contains(t, first, "1,700 create, 300 destroy")
	require.Regexp(t, `[\d,]+ changes without differences here: `+"`dstack plan` shows them$", first)
	require.NotContains(t, first, "without a name")
}

func TestMarkdownThatCannotNameAll(t *testing.T) {
	p := rendertest.Large(10_000, 10_000)
	got := Markdown(p, MarkdownOptions{Full: "https://ci.example.com/7"})
	fits(t, got, CommentLimit)
	first, _, _ := strings.Cut(string(got), "\n")
	require.Contains(t, first, fmt.Sprintf("%s destroyed or replaced without a name here", grouped(len(unnamed(got, p)))))
	require.Contains(t, first, "[all of it](https://ci.example.com/7)")
	require.Greater(t, len(got), CommentLimit*9/10, "the room is used")
}

// TestMarkdownKeepsItsLimits has plans and limits of all sizes: never too large, always whole, and with all names from the
// limit on that the names need.
func TestMarkdownKeepsItsLimits(t *testing.T) {
	actions := []plan.Action{plan.Create, plan.Update, plan.Delete, plan.DeleteThenCreate, plan.CreateThenDelete, plan.Forget}
	law.Check(t, 100, func(t *rapid.T) {
		p := rendertest.Night()
		limit := rapid.IntRange(2000, 70_000).Draw(t, "limit")
		text := rapid.SampledFrom([]string{"x", "日本", "a|b`c", strings.Repeat("long ", 50), strings.Repeat("y", 3000)}).Draw(t, "text")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		for i := range rapid.IntRange(0, 400).Draw(t, "changes") {
			action := actions[r.IntN(len(actions))]
			c := &plan.Change{Address: fmt.Sprintf("volume.v%d[%d]", r.IntN(20), i), Kind: "volume", Backend: "aws", Action: action, Reason: "a reason"}
			if r.IntN(3) == 0 {
				c.Address = fmt.Sprintf(`volume.%d["%s"]`, i, text)
			}
			if action == plan.Update || action.IsReplace() {
				c.Diff = []plan.AttrDiff{{Path: "size", Before: rendertest.JSON(text), After: rendertest.JSON(text + "\n" + strings.Repeat("line\n", r.IntN(200)))}}
			}
			if r.IntN(4) == 0 {
				c.Reason, c.DataAtRisk = text, "100GB of data"
			}
			p.Changes = append(p.Changes, c)
		}
		got := Markdown(p, MarkdownOptions{Limit: limit, Name: "a/b", Saved: "x.plan"})
		fits(t, got, limit)
		require.Equal(t, got, Markdown(p, MarkdownOptions{Limit: limit, Name: "a/b", Saved: "x.plan"}), "the same plan gives the same text")
		missing := unnamed(got, p)
		first, _, _ := strings.Cut(string(got), "\n")
		if len(missing) == 0 {
			require.NotContains(t, first, "without a name")
		} else {
			require.Contains(t, first, grouped(len(missing))+" destroyed or replaced without a name here")
			names := 0
			for _, c := range p.Changes {
				if shownOf(c).goes() && c.Kind != "support" {
					names += len(c.Address) + 12
				}
			}
			require.Greater(t, names+leastLimit, limit, "the names would fit")
		}
	})
}

// TestMarkdownAtEveryLimit has one plan at all limits around those at which its table stops fitting.
func TestMarkdownAtEveryLimit(t *testing.T) {
	p := rendertest.Night()
	for i := range 20 {
		p.Changes = append(p.Changes, &plan.Change{Address: fmt.Sprintf("volume.v%d", i), Kind: "volume", Backend: "aws", Action: plan.Delete, Reason: "a reason"})
	}
	rows := 0
	for limit := 2000; limit < 2400; limit++ {
		got := Markdown(p, MarkdownOptions{Limit: limit})
		require.LessOrEqual(t, len(got), limit)
		if !strings.Contains(string(got), "\n- destroy ") {
			rows++
		}
		first, _, _ := strings.Cut(string(got), "\n")
		if missing := len(unnamed(got, p)); missing > 0 {
			require.Contains(t, first, fmt.Sprintf("%d destroyed or replaced without a name here", missing), "limit %d", limit)
		} else {
			require.NotContains(t, first, "without a name", "limit %d", limit)
		}
	}
	require.True(t, 0 < rows && rows < 400, "the limits have the one at which the rows fit: %d", rows)
}

// fits checks what is true of any Markdown: its size in every unit, and its form.
func fits(t require.TestingT, md []byte, limit int) {
	text := string(md)
	require.LessOrEqual(t, len(text), limit, "bytes")
	require.LessOrEqual(t, len(utf16.Encode([]rune(text))), limit, "UTF-16 units")
	require.True(t, utf8.ValidString(text))
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		require.Equal(t, strings.TrimRight(line, " \t"), line, "no blanks at the end of a line")
	}
	require.True(t, strings.HasPrefix(text, "### dstack "))
	for _, r := range text {
		require.True(t, r == '\n' || printable(r), "%U", r)
	}
	form := formOf(md)
	require.Equal(t, 0, form.open, "every fold is closed:\n%s", text)
	require.Empty(t, form.foreign, "what no renderer of ours writes:\n%s", text)
}

func TestMarkers(t *testing.T) {
	require.Equal(t, "<!-- dstack plan -->", Marker(""))
	require.Equal(t, "<!-- dstack plan infra/research -->", Marker("infra/research"))
	require.Equal(t, "<!-- dstack plan a-%2D%3E%0A -->", Marker("a-->\n"))
	require.NotEqual(t, Marker("a b"), Marker("a-b"))
}
