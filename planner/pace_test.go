package planner

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

var errSlow = errors.New("slow down")

// TestPaceAdapts replays what a backend says, and holds the number of reads at a time against what is written.
func TestPaceAdapts(t *testing.T) {
	for name, tc := range map[string]struct {
		most  int
		turns string // of each read in turn: a answered, r refused, R refused together with the one before
		want  []int
	}{
		"nothing is refused: it stays":             {most: 4, turns: "aaaa", want: []int{4, 4, 4, 4}},
		"each refusal halves it, down to one":      {most: 10, turns: "rrrrr", want: []int{5, 2, 1, 1, 1}},
		"reads that were refused together are one": {most: 10, turns: "rRRRr", want: []int{5, 5, 5, 5, 2}},
		"a round that is answered adds one":        {most: 8, turns: "rraaaaa", want: []int{4, 2, 2, 3, 3, 3, 4}},
		"never more than it may be":                {most: 2, turns: "raaaa", want: []int{1, 2, 2, 2, 2}},
		"up and down":                              {most: 4, turns: "raarar", want: []int{2, 2, 3, 1, 2, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPace(tc.most)
				var got []int
				last := 0
				for _, turn := range tc.turns {
					round, err := p.begin(t.Context())
					require.NoError(t, err)
					switch turn {
					case 'a':
						p.answer(round)
					case 'r':
						last = round
						require.True(t, p.refuse(round, time.Millisecond, errSlow, true).counts)
					case 'R':
						require.False(t, p.refuse(last, time.Millisecond, errSlow, true).counts)
					}
					got = append(got, p.limit)
				}
				require.Empty(t, cmp.Diff(tc.want, got))
				require.Zero(t, p.open)
			})
		})
	}
}

func TestPaceWaitsAsLongAsItIsTold(t *testing.T) {
	for name, tc := range map[string]struct {
		after []time.Duration // of each refusal
		want  []time.Duration // until the next read
	}{
		"the backend says how long":            {after: []time.Duration{7 * time.Second, time.Second}, want: []time.Duration{7 * time.Second, time.Second}},
		"it does not: twice as long each time": {after: make([]time.Duration, 7), want: []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPace(4)
				var got []time.Duration
				for _, after := range tc.after {
					round, err := p.begin(t.Context())
					require.NoError(t, err)
					refused := time.Now()
					wait := p.refuse(round, after, errSlow, false).wait
					round, err = p.begin(t.Context())
					require.NoError(t, err)
					require.Equal(t, wait, time.Since(refused))
					got = append(got, wait)
					p.end()
					_ = round
				}
				require.Empty(t, cmp.Diff(tc.want, got))
			})
		})
	}
}

func TestPaceGivesUpOnABackendThatRefusesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(4)
		start, tries := time.Now(), 0
		for {
			round, err := p.begin(t.Context())
			if err != nil {
				require.ErrorIs(t, err, errSlow)
				break
			}
			tries++
			p.refuse(round, 0, errSlow, false)
		}
		require.Greater(t, tries, 5)
		require.LessOrEqual(t, time.Since(start), readPatience)
	})
	synctest.Test(t, func(t *testing.T) { // one that is to be asked much later is not waited for at all
		p := newPace(4)
		round, err := p.begin(t.Context())
		require.NoError(t, err)
		p.refuse(round, time.Hour, errSlow, false)
		_, err = p.begin(t.Context())
		require.ErrorIs(t, err, errSlow)
	})
	synctest.Test(t, func(t *testing.T) { // while another read is under way, nobody knows yet
		p := newPace(4)
		_, err := p.begin(t.Context())
		require.NoError(t, err)
		round, err := p.begin(t.Context())
		require.NoError(t, err)
		p.refuse(round, time.Hour, errSlow, false)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = p.begin(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		p.answer(round)
		_, err = p.begin(t.Context())
		require.ErrorIs(t, err, errSlow, "it has answered that, and does not want to be asked for an hour")
	})
}
