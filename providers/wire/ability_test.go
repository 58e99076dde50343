package wire_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

type offering struct{}

func (offering) Offers(_ context.Context, needs []schema.Requirements, yield func(int, schema.Offer)) error {
	for i, n := range needs {
		if n.Backends != nil && len(n.Backends) == 0 {
			continue // none may be used
		}
		for k := range 3 {
			yield(i, schema.Offer{Backend: "lab", Region: n.Reservation, InstanceType: fmt.Sprint(k), Zones: []string{"a"}, Price: n.MaxPrice.Money(), Quota: &schema.Quota{Name: "q", Left: k}})
		}
	}
	return nil
}

type stopping struct{ stopped *string }

func (s stopping) StopJob(_ context.Context, job providers.Object[schema.Job], needs []providers.Need, abort bool) error {
	instance, address, _ := providers.NeedOf[schema.Instance](needs, "instance")
	*s.stopped = fmt.Sprint(job.ID, " on ", instance.ID, " ", address, " ", abort)
	return nil
}

type logging struct{}

func (logging) JobLogs(ctx context.Context, _ providers.Object[schema.Job], _ []providers.Need, opts providers.LogOptions, yield func(providers.LogEntry) error) error {
	for i := opts.Offset; i < opts.Offset+100; i++ {
		e := providers.LogEntry{Time: opts.Since, Stream: "stdout", Text: fmt.Appendf(nil, "line %d\xff\n", i), Next: i + 1}
		if err := yield(e); err != nil {
			return err
		}
	}
	if !opts.Follow {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func TestAbilitiesAreThereExactlyWhenTheFarSideHasThem(t *testing.T) {
	var stopped string
	type (
		o = offering
		l = logging
	)
	s := stopping{&stopped}
	for name, c := range map[string]struct {
		with                func(fakeBackend) providers.Backend
		offers, stops, logs bool
	}{
		"none": {func(b fakeBackend) providers.Backend { return b }, false, false, false},
		"offers": {func(b fakeBackend) providers.Backend {
			return struct {
				fakeBackend
				o
			}{b, o{}}
		}, true, false, false},
		"stops": {func(b fakeBackend) providers.Backend {
			return struct {
				fakeBackend
				stopping
			}{b, s}
		}, false, true, false},
		"logs": {func(b fakeBackend) providers.Backend {
			return struct {
				fakeBackend
				l
			}{b, l{}}
		}, false, false, true},
		"offers and stops": {func(b fakeBackend) providers.Backend {
			return struct {
				fakeBackend
				o
				stopping
			}{b, o{}, s}
		}, true, true, false},
		"offers and logs": {func(b fakeBackend) providers.Backend {
			return struct {
				fakeBackend
				o
				l
			}{b, o{}, l{}}
		}, true, false, true},
		"stops and logs": {func(b fakeBackend) providers.Backend {
			return struct {
				fakeBackend
				stopping
				l
			}{b, s, l{}}
		}, false, true, true},
		"all": {func(b fakeBackend) providers.Backend {
			return struct {
				fakeBackend
				o
				stopping
				l
			}{b, o{}, s, l{}}
		}, true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := across(t, &fake{backend: c.with})
			_, offers := b.(providers.Offerer)
			_, stops := b.(providers.Stopper)
			_, logs := b.(providers.LogReader)
			require.Equal(t, [3]bool{c.offers, c.stops, c.logs}, [3]bool{offers, stops, logs})
			require.Equal(t, "account of lab", b.Identity())
			require.NotNil(t, b.Volumes())
			require.Nil(t, b.Instances())
			require.Nil(t, providers.ResourceOf(b, "job"))
			require.NoError(t, b.Close())
			require.NoError(t, b.Close())
		})
	}
}

func TestAbilitiesCross(t *testing.T) {
	var stopped string
	b := across(t, &fake{backend: func(b fakeBackend) providers.Backend {
		return struct {
			fakeBackend
			offering
			stopping
			logging
		}{b, offering{}, stopping{&stopped}, logging{}}
	}})
	ctx := context.Background()

	t.Run("offers keep their need, and no backends is not any backend", func(t *testing.T) {
		var needs []schema.Requirements
		for _, backends := range [][]string{nil, {}, {"lab"}} {
			needs = append(needs, schema.Requirements{Backends: backends, Reservation: fmt.Sprint("r", len(needs)), MaxPrice: value.PriceOf(1_500_000)})
		}
		got := map[int][]schema.Offer{}
		require.NoError(t, b.(providers.Offerer).Offers(ctx, needs, func(need int, o schema.Offer) { got[need] = append(got[need], o) }))
		want := map[int][]schema.Offer{}
		require.NoError(t, offering{}.Offers(ctx, needs, func(need int, o schema.Offer) { want[need] = append(want[need], o) }))
		require.Empty(t, cmp.Diff(want, got))
		require.NotContains(t, got, 1)
	})
	t.Run("a job is stopped with what it stands on", func(t *testing.T) {
		instance := providers.Need{Address: "fleet.a.instance[0]", Kind: "instance", Object: providers.Object[cty.Value]{ID: "i-1", Value: schema.Encode(schema.Instance{Name: "a-0"})}}
		require.NoError(t, b.(providers.Stopper).StopJob(ctx, providers.Object[schema.Job]{ID: "j-1"}, []providers.Need{instance}, true))
		require.Equal(t, "j-1 on i-1 fleet.a.instance[0] true", stopped)
	})
	t.Run("logs come in order and byte by byte", func(t *testing.T) {
		since := time.Unix(1_700_000_000, 123)
		next := int64(5)
		require.NoError(t, b.(providers.LogReader).JobLogs(ctx, providers.Object[schema.Job]{}, nil, providers.LogOptions{Offset: 5, Since: since}, func(e providers.LogEntry) error {
			require.Equal(t, fmt.Sprintf("line %d\xff\n", next), string(e.Text))
			require.True(t, since.Equal(e.Time))
			next = e.Next
			return nil
		}))
		require.EqualValues(t, 105, next)
	})
	t.Run("following ends when the reader has enough", func(t *testing.T) {
		enough := errors.New("enough")
		err := b.(providers.LogReader).JobLogs(ctx, providers.Object[schema.Job]{}, nil, providers.LogOptions{Follow: true}, func(e providers.LogEntry) error {
			if e.Next == 100 {
				return enough
			}
			return nil
		})
		require.ErrorIs(t, err, enough)
	})
	t.Run("following ends when it is canceled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(ctx)
		err := b.(providers.LogReader).JobLogs(ctx, providers.Object[schema.Job]{}, nil, providers.LogOptions{Follow: true}, func(e providers.LogEntry) error {
			if e.Next == 100 {
				cancel()
			}
			return nil
		})
		require.ErrorIs(t, err, context.Canceled)
	})
}
