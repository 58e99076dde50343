package diag

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFromMakesSentences(t *testing.T) {
	for name, tc := range map[string]struct{ err, want string }{
		"capital and stop":             {"open the store: denied", "Open the store: denied."},
		"an address keeps its letters": {"task.train.job[0] needs a volume", "task.train.job[0] needs a volume."},
		"a stop that is there":         {"it is so.", "It is so."},
		"several lines end as written": {"do this:\n  dstack init", "Do this:\n  dstack init"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, From(errors.New(tc.err), "s")[0].Detail)
		})
	}
}

func TestAListSurvivesBeingAnError(t *testing.T) {
	list := append(Warnf("w", "careful"), Errorf("e", "no %d", 1)...)
	err := fmt.Errorf("deeper: %w", list.Err())
	require.Equal(t, list, From(err, "other"))
	require.NoError(t, Warnf("w", "careful").Err())
	require.Nil(t, From(nil, "s"))
	require.Len(t, list.Errors(), 1)
	require.Len(t, list.Warnings(), 1)
}

func TestSortIsByPlace(t *testing.T) {
	at := func(file string, b int) *Diagnostic {
		return &Diagnostic{Summary: file, Range: &Range{Filename: file, Start: Pos{Byte: b}}}
	}
	none := &Diagnostic{Summary: "none"}
	l := List{none, at("b", 1), at("a", 9), at("a", 2)}
	l.Sort()
	require.Equal(t, []int{2, 9, 1}, []int{l[0].Range.Start.Byte, l[1].Range.Start.Byte, l[2].Range.Start.Byte})
	require.Same(t, none, l[3])
}
