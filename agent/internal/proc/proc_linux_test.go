package proc

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestRemainsByEnvironment(t *testing.T) {
	cmd := start(t, "setsid sleep 60 & echo; wait", "MARK=this")
	left, err := Remains(0, 0, "MARK=this")
	require.NoError(t, err)
	require.NotEmpty(t, left)
	require.Equal(t, cmd.Process.Pid, left[0].PID)
	Kill(left)
}

func TestStat(t *testing.T) {
	tail := " 4 5 6 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 1 1"
	cases := map[string]struct {
		line string
		want Process
		ok   bool
	}{
		"a plain name":                 {"9 (sh) S" + tail, Process{PID: 9, Parent: 4, Session: 6, Start: 777}, true},
		"a name made to mislead":       {"9 (a) R 1 1 1 (b)) S" + tail, Process{PID: 9, Parent: 4, Session: 6, Start: 777}, true},
		"a zombie":                     {"9 (sh) Z" + tail, Process{PID: 9, Parent: 4, Session: 6, Start: 777, Zombie: true}, true},
		"cut off":                      {"9 (sh) S 4 5", Process{}, false},
		"without a name":               {"9 sh S" + tail, Process{}, false},
		"empty, as while it goes":      {"", Process{}, false},
		"letters where numbers belong": {"9 (sh) S x 5 6 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 1", Process{}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, ok := parseStat(9, []byte(c.line))
			require.Equal(t, c.ok, ok)
			if ok {
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}
