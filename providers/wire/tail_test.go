package wire

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestTailKeepsWhatMatters(t *testing.T) {
	numbered := func(from, to int) (out []string) {
		for i := from; i < to; i++ {
			out = append(out, fmt.Sprintf("line %d", i))
		}
		return out
	}
	for name, c := range map[string]struct{ lines, want []string }{
		"nothing":                  {nil, []string{}},
		"few lines":                {numbered(0, 3), numbered(0, 3)},
		"the last of many":         {numbered(0, 95), numbered(75, 95)},
		"empty lines are no lines": {[]string{"a", "", " \t", "b"}, []string{"a", "b"}},
		"a long line is cut":       {[]string{strings.Repeat("x", 1000)}, []string{strings.Repeat("x", tailWidth) + "..."}},
		"a crash keeps its beginning": {
			append(append([]string{"before", "panic: boom", ""}, numbered(0, 30)...), "exit status 2"),
			append(append([]string{"before", "panic: boom"}, numbered(0, 11)...), "... 20 more lines"),
		},
		"a signal is a crash": {append([]string{"SIGSEGV: segmentation violation"}, numbered(0, 12)...), append(append([]string{"SIGSEGV: segmentation violation"}, numbered(0, 11)...), "... 1 more lines")},
	} {
		t.Run(name, func(t *testing.T) {
			var kept tail
			for _, l := range c.lines {
				kept.add(l)
			}
			require.Empty(t, cmp.Diff(c.want, kept.lines()))
		})
	}
}

func TestLinesAreCutWhereTheyEnd(t *testing.T) {
	var got []string
	w := &lines{take: func(l string) { got = append(got, l) }}
	for _, s := range []string{"a", "b\nc\r\n", "\n", strings.Repeat("x", maxLine+1), "y\nrest"} {
		n, err := w.Write([]byte(s))
		require.NoError(t, err)
		require.Equal(t, len(s), n)
	}
	w.Flush()
	w.Flush()
	require.Equal(t, []string{"ab", "c", "", strings.Repeat("x", maxLine+1), "y", "rest"}, got)
}

func TestWhatTheLoggerWritesIsReadBack(t *testing.T) {
	t.Setenv("DSTACK_LOG", "trace")
	for _, level := range []slog.Level{LevelTrace, slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		var out bytes.Buffer
		Logger(&out).With("addr", "volume.a").Log(t.Context(), level, "making it", "n", 3, "level", "mine")
		r := parseRecord(strings.TrimSpace(out.String()))
		require.Equal(t, level, r.level)
		require.Equal(t, "making it addr=volume.a n=3", strings.ReplaceAll(r.String(), " level=mine", ""))
	}
	t.Setenv("DSTACK_LOG", "error")
	var out bytes.Buffer
	Logger(&out).Warn("not shown")
	require.Empty(t, out.String())
}

func TestAnyLineIsALogLine(t *testing.T) {
	for _, line := range []string{"", "text", "{", `{"@message": 1}`, `{"@message": {"a": []}, "@level": 7}`, `[]`, `null`, `{"@level":"info"}`} {
		r := parseRecord(line)
		require.Equal(t, record{level: slog.LevelDebug, message: line}, r)
	}
	require.Equal(t, slog.LevelDebug, parseRecord(`{"@message":"m","@level":{},"@timestamp":5}`).level)
}
