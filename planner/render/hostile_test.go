package render

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render/rendertest"
)

// eachHostile runs a test with each text of the corpus in every place of a plan.
func eachHostile(t *testing.T, test func(t *testing.T, h rendertest.Text, p *plan.Plan)) {
	for _, h := range rendertest.Hostile() {
		if h.Long && testing.Short() {
			continue // seconds each with the race detector, of code that shares nothing
		}
		t.Run(h.Name, func(t *testing.T) { test(t, h, rendertest.With(h.Text)) })
	}
}

// inert checks what is true of all that is printed: nothing moves a cursor, turns a direction, is invisible, or is taken
// for a command by the log of a CI system.
func inert(t *testing.T, text string) {
	t.Helper()
	for i, r := range text {
		if r != '\n' && !printable(r) {
			t.Fatalf("%U is in the text: %q", r, text[max(0, i-40):min(len(text), i+40)])
		}
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "::") {
			t.Fatalf("a workflow command: %s", line)
		}
	}
	if at := logging.FindStringIndex(text); at != nil {
		t.Fatalf("a logging command: %s", text[at[0]:min(len(text), at[0]+80)])
	}
}

var logging = regexp.MustCompile(`##[A-Za-z]*\[`)

func TestHostileTextsInTerminals(t *testing.T) {
	for _, o := range []Options{{}, {Width: 60}, {Width: 1000}, {Verbose: true}} {
		want := headers(Text(rendertest.With(rendertest.Harmless), o))
		require.Greater(t, len(want), 15)
		eachHostile(t, func(t *testing.T, h rendertest.Text, p *plan.Plan) {
			if h.Long && o.Width > 0 {
				t.Skip("one width is enough for what takes seconds")
			}
			got := Text(p, o)
			inert(t, got)
			if d := cmp.Diff(want, headers(got)); d != "" {
				t.Fatalf("at %d columns other lines stand where those of ours begin (-want +got):\n%s\n%s", o.Width, d, limited(got, 5000))
			}
		})
	}
}

var number = regexp.MustCompile(`^ *\d+:`)

// headers are the first words of lines that stand where those of ours begin, in the order of words, since changes are
// ordered by addresses.
func headers(text string) map[string]int {
	out := map[string]int{}
	for line := range strings.Lines(text) {
		inner := strings.TrimLeft(line, " ")
		if len(line)-len(inner) >= 4 || inner == "\n" || number.MatchString(line) {
			continue
		}
		word, _, _ := strings.Cut(strings.TrimSpace(inner), " ")
		if len(line)-len(inner) == 2 && !strings.Contains("+-~?.>", word) {
			continue // what a diagnostic says, or a row of the bill
		}
		out[word]++
	}
	return out
}

// quickAction is a line of a comment that GitLab obeys, with the rights of who wrote the comment: "/merge".
var quickAction = regexp.MustCompile(`(?m)^/[a-z_]`)

func TestHostileTextsInMarkdown(t *testing.T) {
	o := MarkdownOptions{Saved: "night.plan", Files: "https://git.example.com/acme/gpu/blob/x"}
	want := formOf(Markdown(rendertest.With(rendertest.Harmless), o)).blocks
	require.Greater(t, len(want), 50)
	eachHostile(t, func(t *testing.T, h rendertest.Text, p *plan.Plan) {
		o := o
		o.Name, o.Commit = h.Text, h.Text
		got := Markdown(p, o)
		fits(t, got, CommentLimit)
		inert(t, string(got))
		if d := cmp.Diff(want, formOf(got).blocks); d != "" && !h.Long {
			t.Fatalf("the form is another (-want +got):\n%s\n%s", d, got)
		}
		require.True(t, strings.HasSuffix(string(got), "\n"+Marker(h.Text)+"\n"))
		require.Equal(t, 1, strings.Count(string(got), "\n<!--"), "markers at the beginning of a line")
		require.NotRegexp(t, quickAction, string(got))
	})
}

func TestOneLineOfAMegabyteInMarkdown(t *testing.T) {
	p := rendertest.One(plan.Change{Address: "task.a.job[0]", Kind: "job", Action: plan.Update, Reason: "commands change", Diff: []plan.AttrDiff{
		{Path: "commands[0]", Before: rendertest.JSON("a\nb"), After: rendertest.JSON("a\n" + strings.Repeat("x", 1<<20))},
		{Path: "image", Before: rendertest.JSON("a"), After: rendertest.JSON(strings.Repeat("`", 1<<20))},
	}})
	got := Markdown(p, MarkdownOptions{})
	fits(t, got, 4000)
	require.Contains(t, string(got), "(1,048,576 characters)", "of the line, which is cut")
}

var workflowLine = regexp.MustCompile(`^::(error|warning|notice) (file=[^:,]+,line=\d+,(endLine=\d+,)?)?title=[^:,]+::[^\n]+$`)

func TestHostileTextsInAnnotations(t *testing.T) {
	want := strings.Count(Annotations(rendertest.With(rendertest.Harmless), "infra"), "\n")
	eachHostile(t, func(t *testing.T, h rendertest.Text, p *plan.Plan) {
		got := Annotations(p, "infra")
		if h.Text != "../../../etc/passwd" { // whose place is outside of the repository
			require.Equal(t, want, strings.Count(got, "\n"), got)
		}
		for line := range strings.Lines(got) {
			require.Regexp(t, workflowLine, strings.TrimSuffix(line, "\n"))
			require.Less(t, len(line), 16_000)
			inert(t, strings.TrimPrefix(line, "::"))
		}
	})
}

func TestHostileTextsInJSON(t *testing.T) {
	eachHostile(t, func(t *testing.T, h rendertest.Text, p *plan.Plan) {
		if h.Long {
			t.Skip("JSON leaves nothing out, and nothing of it depends on the length")
		}
		got, err := JSON(p)
		require.NoError(t, err)
		inert(t, string(got))
		plain, err := json.Marshal(p)
		require.NoError(t, err)
		require.JSONEq(t, string(plain), string(got), "a reader gets what was written")
		line, err := JSONLine(p)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(line), "\n"))
		inert(t, string(line))
	})
}

func TestHostileTextsInOtherOutput(t *testing.T) {
	eachHostile(t, func(t *testing.T, h rendertest.Text, p *plan.Plan) {
		inert(t, Diagnostics(p.Diagnostics, Options{}))
		for _, r := range p.Policies {
			inert(t, PolicyText(r))
		}
		inert(t, Explain([]plan.Explanation{{Address: h.Text, Action: plan.Update, Reason: h.Text, Attributes: []plan.Explained{{
			Path: h.Text, Before: rendertest.JSON(h.Text), After: rendertest.JSON(h.Text + "x"), Why: h.Text,
			Chain: []plan.Link{{Name: h.Text, Text: h.Text, Place: h.Text, Value: h.Text, From: h.Text}},
		}}}}, Options{}))
	})
}
