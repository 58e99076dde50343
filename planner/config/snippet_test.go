package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/diag"
)

func TestLongLinesAreShortened(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for name, tt := range map[string]struct {
		code, marked string
		at           int
	}{
		"a mark in the middle":        {long + "MARK" + long, "MARK", 1000},
		"a mark at the start":         {"MARK" + long, "MARK", 0},
		"a mark at the end":           {long + "MARK", "MARK", 1000},
		"a mark on the second line":   {long + "\nMARK" + long + "\n" + long, "MARK", 1001},
		"a mark on the last line":     {long + "\n" + long + "\nMARK", "MARK", 2002},
		"characters of several bytes": {strings.Repeat("é", 500) + "MARK" + strings.Repeat("é", 500), "MARK", 1000},
	} {
		t.Run(name, func(t *testing.T) {
			s := &diag.Snippet{Code: tt.code, Start: tt.at, End: tt.at + len(tt.marked)}
			shorten(s)
			require.Equal(t, tt.marked, s.Code[s.Start:s.End])
			require.Equal(t, strings.Count(tt.code, "\n"), strings.Count(s.Code, "\n"))
			require.True(t, strings.ToValidUTF8(s.Code, "?") == s.Code)
			for line := range strings.SplitSeq(s.Code, "\n") {
				require.Less(t, len(line), widest+10)
			}
		})
	}
	s := &diag.Snippet{Code: long, Start: 0, End: 1000}
	shorten(s)
	require.Equal(t, widest, s.End, "of a long mark the beginning is shown")
}
