package render

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dstackai/dstack-planner/internal/law"
	"github.com/dstackai/dstack-planner/planner/render/rendertest"
)

func TestAddressesFold(t *testing.T) {
	for name, c := range map[string]struct {
		in   []string
		want string
	}{
		"one":               {[]string{"volume.a"}, "volume.a"},
		"two":               {[]string{"volume.a[1]", "volume.a[0]"}, "volume.a[0] and [1]"},
		"a range by number": {[]string{"v.a[10]", "v.a[9]", "v.a[8]"}, "v.a[8-10]"},
		"a gap":             {[]string{"v.a[0]", "v.a[1]", "v.a[2]", "v.a[7]"}, "v.a[0-2] and [7]"},
		"texts":             {[]string{`f.l.instance["b"]`, `f.l.instance["a"]`, `f.l.instance["c"]`}, `f.l.instance["a"], ["b"], ["c"]`},
		"two blocks":        {[]string{"v.b", "v.a[0]"}, "v.a[0], v.b"},
		"a bracket in keys": {[]string{`v.a["x[1]"]`}, `v.a["x[1]"]`},
		"none":              {nil, ""},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, addresses(c.in)) })
	}
}

func TestBlocksOfAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"task.a.job[1]": "task.a", `fleet.a["eu"].instance["x.job"]`: `fleet.a["eu"]`, "volume.a[1]": "volume.a[1]", "gateway.g": "gateway.g",
		`service.s.support["route/0"]`: "service.s", `fleet.a.instance[0].support["attachment/volume.v[0]"]`: "fleet.a",
	} {
		require.Equal(t, want, blockOf(in))
	}
}

func TestCutKeepsWhatDiffers(t *testing.T) {
	long := strings.Repeat("x", 300)
	require.Equal(t, "short", cut("short", 10, 0))
	got := cut(long[:150]+"HERE"+long[:150], 60, 150)
	require.Contains(t, got, "HERE")
	require.Contains(t, got, "(304 characters)")
	require.LessOrEqual(t, len(got), 62)
	require.Contains(t, cut(long+"END", 60, 302), "END")
}

func TestCleanIsPrintableAndIdempotent(t *testing.T) {
	law.Check(t, 100, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) + rapid.String().Draw(t, "text")
		got := clean(s)
		for _, r := range got {
			require.True(t, printable(r), "%U", r)
		}
		require.Equal(t, got, clean(got))
		require.Equal(t, isClean(s), got == s)
	})
}

func TestWrapLosesNothing(t *testing.T) {
	law.Check(t, 100, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[a-z日]{1,12}`), 1, 30).Draw(t, "words")
		width := rapid.IntRange(5, 60).Draw(t, "width")
		var colored []string
		for i, w := range words {
			if i%3 == 0 {
				w = "\x1b[31m" + w + reset
			}
			colored = append(colored, w)
		}
		lines := wrap(strings.Join(colored, " "), width)
		require.Equal(t, strings.Join(words, " "), stripColor(strings.Join(lines, " ")))
		for _, l := range lines {
			if strings.Contains(stripColor(l), " ") {
				require.LessOrEqual(t, displayWidth(l), width)
			}
		}
	})
}

func TestLineDifferences(t *testing.T) {
	var old, changed []string
	for i := range 500 {
		old = append(old, "line "+strings.Repeat("x", i%7))
	}
	changed = append(changed, old...)
	changed[250] = "other"
	got, ok := textDiff(rendertest.JSON(strings.Join(old, "\n")), rendertest.JSON(strings.Join(changed, "\n")))
	require.True(t, ok)
	require.LessOrEqual(t, len(got), 9, "500 lines, one changed")

	_, ok = textDiff(rendertest.JSON("one"), rendertest.JSON("two"))
	require.False(t, ok, "texts of one line")
	_, ok = textDiff(rendertest.JSON(1), rendertest.JSON("a\nb"))
	require.False(t, ok, "a number is no text")

	got, _ = textDiff(rendertest.JSON("a\nb\n"), rendertest.JSON("a\nb"))
	require.Equal(t, []string{"  a", "- b", "+ b (no end of line)"}, got, "the end of the last line alone")
	got, _ = textDiff(rendertest.JSON("a\n\tb\n"), rendertest.JSON("a\n    b\n"))
	require.Equal(t, []string{"  a", "- →b", "+ ····b"}, got, "blanks alone")
}
