package joblog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
)

func writer(t *testing.T, dir string, limits api.LogLimits) *Writer {
	t.Helper()
	w, err := NewWriter(dir, limits, time.Now, func(int64) {})
	require.NoError(t, err)
	t.Cleanup(func() { w.Close() })
	return w
}

func read(t *testing.T, dir string, offset int64) []api.LogLine {
	t.Helper()
	r := NewReader(dir, offset)
	defer r.Close()
	var lines []api.LogLine
	for {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		require.NoError(t, err)
		lines = append(lines, line)
	}
}

func TestOutputBecomesLines(t *testing.T) {
	type line struct {
		text    string
		partial bool
	}
	long := strings.Repeat("x", maxText)
	cases := map[string]struct {
		output string
		want   []line
	}{
		"whole lines":                  {"a\nb\n", []line{{"a", false}, {"b", false}}},
		"an empty line is a line":      {"\na\n", []line{{"", false}, {"a", false}}},
		"a last line without an end":   {"a\nb", []line{{"a", false}, {"b", true}}},
		"a line of the longest size":   {long + "\n", []line{{long, false}}},
		"a line longer than a record":  {long + "y\n", []line{{long, true}, {"y", false}}},
		"bytes that are no text":       {"\xff\xfe\n", []line{{"\xff\xfe", false}}},
		"no output":                    {"", nil},
		"carriage returns are content": {"1%\r2%\r\n", []line{{"1%\r2%\r", false}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			w := writer(t, dir, api.LogLimits{})
			require.NoError(t, w.Copy("stdout", strings.NewReader(c.output)))
			var got []line
			var all string
			for _, l := range read(t, dir, 0) {
				b := l.Bytes()
				all += string(b)
				got = append(got, line{strings.TrimSuffix(string(b), "\n"), l.Partial})
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(line{})); diff != "" {
				t.Error(diff)
			}
			require.Equal(t, c.output, all)
		})
	}
}

func TestStartOfALineIsWrittenWhenItsWriterPauses(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := writer(t, dir, api.LogLimits{})
		r, out := io.Pipe()
		done := make(chan error)
		go func() { done <- w.Copy("stdout", r) }()
		io.WriteString(out, "Password: ")
		time.Sleep(2 * pause)
		lines := read(t, dir, 0)
		require.Len(t, lines, 1)
		require.True(t, lines[0].Partial)
		io.WriteString(out, "ok\n")
		out.Close()
		require.NoError(t, <-done)
	})
	lines := read(t, dir, 0)
	require.Len(t, lines, 2)
	require.Equal(t, "ok\n", string(lines[1].Bytes()))
}

func TestOldestIsDroppedAndSaid(t *testing.T) {
	dir := t.TempDir()
	w := writer(t, dir, api.LogLimits{SegmentBytes: 1000, TotalBytes: 3000})
	for i := range 200 {
		require.NoError(t, w.Write("stdout", fmt.Appendf(nil, "line %d", i), false))
	}
	var size int64
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		size += info.Size()
	}
	require.LessOrEqual(t, size, int64(3000))
	lines := read(t, dir, 0)
	require.Equal(t, api.StreamAgent, lines[0].Stream)
	require.Equal(t, fmt.Sprintf("%d lines (%d bytes) of older output were dropped: the log has reached its bound", 200-len(lines)+1, lines[0].Next), lines[0].Text)
	require.Equal(t, fmt.Sprintf("%d bytes of older output were dropped: the log has reached its bound", lines[0].Next-1), read(t, dir, 1)[0].Text,
		"lines before an offset that is there no more cannot be counted")
	require.Equal(t, "line 199", lines[len(lines)-1].Text)
	require.Equal(t, w.End(), lines[len(lines)-1].Next)
}

func TestResumingAtAnyLineGivesTheRest(t *testing.T) {
	dir := t.TempDir()
	w := writer(t, dir, api.LogLimits{SegmentBytes: 500})
	for i := range 50 {
		require.NoError(t, w.Write("stdout", fmt.Appendf(nil, "line %d", i), i%7 == 0))
	}
	all := read(t, dir, 0)
	require.Len(t, all, 50)
	for i, l := range all {
		if diff := cmp.Diff(all[i:], read(t, dir, l.Offset)); diff != "" {
			t.Fatalf("from offset %d: %s", l.Offset, diff)
		}
		if diff := cmp.Diff(all[i+1:], read(t, dir, l.Offset+1), cmp.Transformer("nil", func(l []api.LogLine) int { return len(l) })); diff != "" {
			t.Fatalf("from within line %d: %s", i, diff)
		}
	}
	require.Empty(t, read(t, dir, w.End()))
	require.Empty(t, read(t, dir, w.End()+1000), "an offset beyond the end waits there")
}

func TestTailCountsLines(t *testing.T) {
	dir := t.TempDir()
	w := writer(t, dir, api.LogLimits{SegmentBytes: 500})
	var begins []int64 // offsets of lines
	for i := range 50 {
		if i == 0 || (i-1)%7 != 0 {
			begins = append(begins, w.End())
		}
		require.NoError(t, w.Write("stdout", fmt.Appendf(nil, "line %d", i), i%7 == 0))
	}
	at, err := Tail(dir, 0)
	require.NoError(t, err)
	require.Equal(t, w.End(), at)
	for n := 1; n < 60; n++ {
		at, err := Tail(dir, n)
		require.NoError(t, err)
		require.Equal(t, begins[max(0, len(begins)-n)], at, "the last %d lines", n)
	}
}

func TestTailOfLongLines(t *testing.T) {
	dir := t.TempDir()
	w := writer(t, dir, api.LogLimits{})
	long := strings.Repeat("x", 100<<10)
	require.NoError(t, w.Copy("stdout", strings.NewReader("first\n"+long+"1\n"+long+"2\nlast\nopen")))
	for n, want := range []string{"", "open", "last\nopen", long + "2\nlast\nopen", long + "1\n" + long + "2\nlast\nopen", "first\n" + long + "1\n" + long + "2\nlast\nopen"} {
		at, err := Tail(dir, n)
		require.NoError(t, err)
		var got string
		for _, l := range read(t, dir, at) {
			got += string(l.Bytes())
		}
		require.True(t, want == got, "the last %d lines are %d bytes, want %d", n, len(got), len(want))
	}
}

func TestSinceLeavesOutOlderFiles(t *testing.T) {
	dir := t.TempDir()
	w := writer(t, dir, api.LogLimits{SegmentBytes: 100})
	for i := range 20 {
		require.NoError(t, w.Write("stdout", fmt.Appendf(nil, "line %d", i), false))
	}
	segs, err := segments(dir)
	require.NoError(t, err)
	base := time.Now().Add(-time.Hour)
	for i, s := range segs {
		at := base.Add(time.Duration(i) * time.Minute)
		require.NoError(t, os.Chtimes(s.path(dir), at, at))
	}
	for i, s := range segs {
		at, err := Since(dir, base.Add(time.Duration(i)*time.Minute))
		require.NoError(t, err)
		require.Equal(t, s.start, at)
	}
	at, err := Since(dir, time.Now())
	require.NoError(t, err)
	require.Equal(t, segs[len(segs)-1].start, at, "the last file may get more")
}

// A machine that loses its power may forget the end of a file while the next one is there.
func TestLostEndOfAFileIsSaid(t *testing.T) {
	dir := t.TempDir()
	w := writer(t, dir, api.LogLimits{SegmentBytes: 200})
	for i := range 20 {
		require.NoError(t, w.Write("stdout", fmt.Appendf(nil, "line %d", i), false))
	}
	segs, err := segments(dir)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(segs[1].path(dir), 70))
	lines := read(t, dir, 0)
	var lost []string
	for i, l := range lines {
		if l.Stream == api.StreamAgent {
			lost = append(lost, l.Text)
		}
		if i > 0 {
			require.Equal(t, lines[i-1].Next, l.Offset)
		}
	}
	require.Len(t, lost, 1)
	require.Contains(t, lost[0], "bytes of the log are lost")
	require.Equal(t, "line 19", lines[len(lines)-1].Text)
}

func TestTextOfSeveralLines(t *testing.T) {
	dir := t.TempDir()
	w := writer(t, dir, api.LogLimits{})
	require.NoError(t, w.Write("agent", []byte("interrupted:\nby somebody"), false))
	require.Error(t, w.Write("elsewhere", []byte("x"), false))
	require.Error(t, w.Copy("elsewhere", strings.NewReader("x")))
	lines := read(t, dir, 0)
	require.Len(t, lines, 2)
	require.Equal(t, []string{"interrupted:", "by somebody"}, []string{lines[0].Text, lines[1].Text})
	require.Empty(t, w.Last(), "what the agent says is no output")
}

func TestWhatIsNoRecordIsSaid(t *testing.T) {
	for _, damaged := range []string{"x", "12 o", "x o text", "12 z text", "12 otext", ""} {
		dir := t.TempDir()
		w := writer(t, dir, api.LogLimits{})
		require.NoError(t, w.Write("stdout", []byte("before"), false))
		f, err := os.OpenFile(w.seg.path(dir), os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		fmt.Fprintf(f, "%s\n", damaged)
		require.NoError(t, f.Close())
		require.NoError(t, Append(dir, "after", time.Now()))
		lines := read(t, dir, 0)
		require.Len(t, lines, 3)
		require.Contains(t, lines[1].Text, "bytes of the log cannot be read")
		require.Equal(t, "after", lines[2].Text)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte("1763930000123456789 o epoch 1\n"))
	f.Add([]byte("12 E \n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parse(data)
		if err != nil || bytes.ContainsRune(r.text, '\n') {
			return
		}
		letter, ok := letterOf(r.stream, r.partial)
		require.True(t, ok)
		var b batch
		b.add(r.nanos, letter, r.text)
		again, err := parse(b.data)
		require.NoError(t, err)
		require.Equal(t, r.stream, again.stream)
		require.Equal(t, r.text, again.text)
	})
}

func TestReaderGoesOnWhileTheWriterRotates(t *testing.T) {
	dir := t.TempDir()
	w := writer(t, dir, api.LogLimits{SegmentBytes: 300})
	r := NewReader(dir, 0)
	defer r.Close()
	next := 0
	drain := func() {
		for {
			line, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(next), line.Text)
			next++
		}
	}
	drain()
	for i := range 100 {
		require.NoError(t, w.Write("stdout", fmt.Append(nil, i), false))
		if i%3 == 0 {
			drain()
		}
	}
	drain()
	require.Equal(t, 100, next)
}

func TestTornRecordIsNotReadAndCutOff(t *testing.T) {
	dir := t.TempDir()
	w := writer(t, dir, api.LogLimits{})
	require.NoError(t, w.Write("stdout", []byte("whole"), false))
	require.NoError(t, w.Close())
	require.Error(t, w.Write("stdout", nil, false))
	path := segment{}.path(dir)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	f.WriteString("17639300001234")
	f.Close()
	require.Len(t, read(t, dir, 0), 1)
	require.NoError(t, Append(dir, "note", time.Unix(0, 0)))
	lines := read(t, dir, 0)
	require.Len(t, lines, 2)
	require.Equal(t, "note", lines[1].Text)
}

func TestLogThatIsNotThereIsEmpty(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "absent")
	require.Empty(t, read(t, dir, 100))
	at, err := Tail(dir, 5)
	require.NoError(t, err)
	require.Zero(t, at)
}
