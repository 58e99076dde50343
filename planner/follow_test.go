package planner

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/providers"
)

// TestFollowGoesOnWhereItWas follows ten lines over connections that break in different ways.
func TestFollowGoesOnWhereItWas(t *testing.T) {
	lost := providers.Errorf(providers.Transient, "the connection was lost")
	crash := providers.Errorf(providers.Internal, "the provider ended")
	cases := map[string]struct {
		errs  []error // of the connections, one after the other; each brings per lines before
		per   int
		tail  int
		lines []int
		want  error
		atMin time.Duration
	}{
		"one connection":                           {nil, 10, 0, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, nil, 0},
		"each line over a connection of its own":   {[]error{lost, lost, lost, lost, lost, lost, lost, lost, lost, lost}, 1, 0, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, nil, time.Second},
		"a provider that crashes after each line":  {[]error{crash, crash, crash, crash, crash, crash, crash, crash, crash, crash}, 1, 0, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, nil, time.Second},
		"the last lines are counted once only":     {[]error{lost, lost}, 1, 3, []int{7, 8, 9}, nil, 0},
		"the last lines, after a first failure":    {[]error{lost, lost}, 0, 3, []int{7, 8, 9}, nil, 0},
		"a provider that always crashes":           {[]error{crash, crash, crash, crash}, 0, 0, nil, crash, 0},
		"what is refused is not asked again":       {[]error{providers.Errorf(providers.Auth, "no key")}, 2, 0, []int{0, 1}, providers.Errorf(providers.Auth, "no key"), 0},
		"a minute without a connection is endured": {repeat(lost, 12), 0, 0, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, nil, 30 * time.Second},
		"three minutes are not":                    {repeat(lost, 100), 0, 0, nil, lost, followFor},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				calls := 0
				var got []int
				err := follow(t.Context(), providers.LogOptions{Follow: true, Tail: c.tail}, func(opts providers.LogOptions, yield func(providers.LogEntry) error) error {
					var err error
					most := 10
					if calls < len(c.errs) {
						err, most = c.errs[calls], c.per
					}
					calls++
					first := int(opts.Offset)
					if opts.Tail > 0 {
						first = max(first, 10-opts.Tail)
					}
					for i := first; i < 10 && most > 0; i++ {
						most--
						if yerr := yield(providers.LogEntry{Text: fmt.Append(nil, i), Next: int64(i + 1)}); yerr != nil {
							return yerr
						}
					}
					return err
				}, func(e providers.LogEntry) error {
					got = append(got, int(e.Next-1))
					return nil
				}, func(error) {})
				require.Equal(t, c.lines, got)
				if c.want == nil {
					require.NoError(t, err)
				} else {
					require.EqualError(t, err, c.want.Error())
				}
				require.GreaterOrEqual(t, time.Since(begun), c.atMin)
			})
		})
	}
}

func repeat(err error, n int) (out []error) {
	for range n {
		out = append(out, err)
	}
	return out
}

func TestFollowEndsWithItsReader(t *testing.T) {
	stop := errors.New("enough")
	calls := 0
	err := follow(t.Context(), providers.LogOptions{Follow: true}, func(_ providers.LogOptions, yield func(providers.LogEntry) error) error {
		calls++
		return yield(providers.LogEntry{Next: 1})
	}, func(providers.LogEntry) error { return stop }, func(error) {})
	require.ErrorIs(t, err, stop)
	require.Equal(t, 1, calls)

	ctx, cancel := context.WithCancel(t.Context())
	err = follow(ctx, providers.LogOptions{Follow: true}, func(providers.LogOptions, func(providers.LogEntry) error) error {
		cancel()
		return providers.Errorf(providers.Transient, "cut")
	}, nil, func(error) {})
	require.Error(t, err)
}
