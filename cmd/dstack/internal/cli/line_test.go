package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// words completes the word at the end with one of a fixed list.
type words []string

func (w words) Complete(text string) (int, []string) {
	from := strings.LastIndexAny(text, " (\n") + 1
	var out []string
	for _, word := range w {
		if strings.HasPrefix(word, text[from:]) {
			out = append(out, word)
		}
	}
	return from, out
}

// typed reads all lines that some keys give. An abandoned one is "^C", a pasted one begins with "paste:".
func typed(t *testing.T, keys string, c completer) (got []string, screen string) {
	t.Helper()
	var out bytes.Buffer
	raw := 0
	l := &lines{
		out: &out, complete: c, width: func() int { return 40 },
		raw: func() (func(), error) { raw++; return func() { raw-- }, nil },
	}
	l.edit(strings.NewReader(keys))
	for {
		text, pasted, err := l.read(t.Context(), "> ", "")
		require.Zero(t, raw, "the terminal is as it was")
		switch {
		case errors.Is(err, io.EOF):
			l.close()
			return got, out.String()
		case errors.Is(err, errAbandoned):
			got = append(got, "^C")
			continue
		}
		require.NoError(t, err)
		if pasted {
			text = "paste:" + text
		}
		got = append(got, text)
	}
}

func TestKeys(t *testing.T) {
	c := words{"var.sites", "var.size", "volume.data", "upper("}
	for name, tc := range map[string]struct {
		keys string
		want []string
	}{
		"lines":                                   {"1 + 1\r2\n3\r\n", []string{"1 + 1", "2", "3"}},
		"Ctrl-D ends, on a line with nothing":     {"1\r\x042\r", []string{"1"}},
		"Ctrl-D deletes in a line":                {"12\x01\x04\r", []string{"2"}},
		"Ctrl-C abandons a line":                  {"1 +\x032\r", []string{"^C", "2"}},
		"Ctrl-C after a line":                     {"1\r2\x03\x033\r", []string{"1", "^C", "^C", "3"}},
		"Ctrl-C with nothing":                     {"\x03\x04", []string{"^C"}},
		"up is the line before":                   {"1\r2\r\x1b[A\x1b[A\r", []string{"1", "2", "1"}},
		"what was abandoned is not remembered":    {"1\r2\x03\x1b[A\r", []string{"1", "^C", "1"}},
		"nothing is not remembered":               {"1\r  \r\x1b[A\r", []string{"1", "  ", "1"}},
		"Tab with one word":                       {"up\t1)\r", []string{"upper(1)"}},
		"Tab in the middle":                       {"1 + u + 2\x1b[D\x1b[D\x1b[D\x1b[D\t\r", []string{"1 + upper( + 2"}},
		"Tab with what is common":                 {"va\tz\t\r", []string{"var.size"}},
		"Tab with nothing that fits":              {"nope\t\t\r", []string{"nope"}},
		"pasted lines are told, and Tab is a Tab": {"\x1b[200~a\tb\rc\r\x1b[201~d\r", []string{"paste:a\tb", "paste:c", "d"}},
		"text that is no ASCII":                   {"grö\x7fö\r", []string{"grö"}},
		"a long paste is whole":                   {strings.Repeat("x", 1000) + "\r", []string{strings.Repeat("x", 1000)}},
		"the end within a line leaves it":         {"1\r2", []string{"1"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := typed(t, tc.keys, c)
			require.Empty(t, cmp.Diff(tc.want, got))
		})
	}
}

func TestASecondTabLists(t *testing.T) {
	_, screen := typed(t, "var.si\t\r", words{"var.sites", "var.size"})
	require.NotContains(t, screen, "sites")
	_, screen = typed(t, "var.si\t\t\r", words{"var.sites", "var.size"})
	require.Contains(t, screen, "var.sites  var.size\r\n")
	require.True(t, strings.HasPrefix(screen, "\x1b[?2004h"))
	require.True(t, strings.HasSuffix(strings.TrimRight(screen, "\n"), "\x1b[?2004l"))
}

func TestWordsSideBySide(t *testing.T) {
	require.Equal(t, "a      ccc    eeeee\nbb     dddd\n", columns([]string{"a", "bb", "ccc", "dddd", "eeeee"}, 21))
	require.Equal(t, "a\nbb\n", columns([]string{"a", "bb"}, 1))
	require.Equal(t, "a   bb\n", columns([]string{"a", "bb"}, 0))
}

func TestASignalEndsReading(t *testing.T) {
	in, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	l := &lines{out: io.Discard, width: func() int { return 0 }, raw: func() (func(), error) { cancel(); return func() {}, nil }}
	l.edit(in)
	_, _, err := l.read(ctx, "> ", "")
	require.ErrorIs(t, err, context.Canceled)
}

func TestHistoryIsBounded(t *testing.T) {
	h := &history{keys: &keys{}}
	for i := range mostHistory + 5 {
		h.Add(strings.Repeat("x", i%7+1))
	}
	require.Equal(t, mostHistory, h.Len())
	h.Add("last")
	h.Add("last")
	require.Equal(t, "last", h.At(0))
	require.NotEqual(t, "last", h.At(1))
}
