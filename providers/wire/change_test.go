package wire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

func TestReportReturnsWhenTheHostHasTakenIt(t *testing.T) {
	var taken atomic.Int64
	b := across(t, &fake{volumes: fakeVolumes{create: func(_ context.Context, op opV, report reportV) (volume, error) {
		for i := range int64(50) {
			if err := report(providers.Progress[schema.Volume]{Phase: "making", Done: i, Total: 50}); err != nil {
				return volume{}, err
			}
			if got := taken.Load(); got != i+1 {
				return volume{}, fmt.Errorf("report %d returned when %d were taken", i, got)
			}
		}
		return volume{ID: "vol"}, nil
	}}})
	_, err := b.Volumes().Create(context.Background(), opV{}, func(p providers.Progress[schema.Volume]) error {
		if p.Done%10 == 0 {
			time.Sleep(time.Millisecond) // a slow journal
		}
		taken.Add(1)
		return nil
	})
	require.NoError(t, err)
}

func TestCheckpointsAndTheirRefusalCross(t *testing.T) {
	refusal := errors.New("disk full")
	var heard error
	b := across(t, &fake{volumes: fakeVolumes{create: func(_ context.Context, op opV, report reportV) (volume, error) {
		o := volume{ID: "vol-1", Value: op.Planned, Private: []byte("p"), Tainted: true}
		heard = report(providers.Progress[schema.Volume]{Checkpoint: &o})
		return o, heard
	}}})
	var checkpoint *volume
	made, err := b.Volumes().Create(context.Background(), opV{Planned: schema.Volume{Name: "data"}}, func(p providers.Progress[schema.Volume]) error {
		checkpoint = p.Checkpoint
		return refusal
	})
	require.EqualError(t, heard, "disk full")
	require.EqualError(t, err, "disk full")
	want := volume{ID: "vol-1", Value: schema.Volume{Name: "data"}, Private: []byte("p"), Tainted: true}
	require.Equal(t, &want, checkpoint)
	require.Equal(t, want, made, "an object comes with an error too")
}

func TestCancelCrossesAndLeavesTimeToSayWhatWasMade(t *testing.T) {
	f := &fake{volumes: fakeVolumes{create: func(ctx context.Context, op opV, report reportV) (volume, error) {
		if err := report(providers.Progress[schema.Volume]{Phase: "waiting"}); err != nil {
			return volume{}, err
		}
		<-ctx.Done()
		half := volume{ID: "vol-half", Tainted: true}
		if err := report(providers.Progress[schema.Volume]{Checkpoint: &half}); err != nil {
			return volume{}, fmt.Errorf("report after the cancel: %w", err)
		}
		return half, ctx.Err()
	}}}
	b := across(t, f)
	for name, c := range map[string]struct {
		ctx  func(context.Context) (context.Context, context.CancelFunc)
		want error
	}{
		"the caller gives up": {func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithCancel(ctx) }, context.Canceled},
		"the deadline has come": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 50*time.Millisecond)
		}, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := c.ctx(context.Background())
			defer cancel()
			var last string
			made, err := b.Volumes().Create(ctx, opV{}, func(p providers.Progress[schema.Volume]) error {
				if p.Checkpoint != nil {
					last = p.Checkpoint.ID
				} else if errors.Is(c.want, context.Canceled) {
					cancel()
				}
				return nil
			})
			require.ErrorIs(t, err, c.want)
			require.Equal(t, "vol-half", made.ID)
			require.Equal(t, "vol-half", last)
		})
	}
}

func TestCanceledCallOfADeafProviderIsLeft(t *testing.T) {
	release := make(chan struct{})
	b := across(t, &fake{volumes: fakeVolumes{create: func(context.Context, opV, reportV) (volume, error) {
		<-release
		return volume{}, nil
	}}})
	t.Cleanup(func() { close(release) }) // before the wire is closed, which waits
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(10*time.Millisecond, cancel)
	before := time.Now()
	_, err := b.Volumes().Create(ctx, opV{}, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, time.Since(before), 2*time.Second)
}

func TestErrorsCross(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		kind    providers.ErrorKind
		message string
		is      error
	}{
		"a kind, a message and a code": {
			&providers.Error{Kind: providers.NoCapacity, Message: "no capacity in us-east-1a", Code: "InsufficientInstanceCapacity"},
			providers.NoCapacity, "no capacity in us-east-1a (InsufficientInstanceCapacity)", nil,
		},
		"a wrapped one keeps its kind and the whole text": {
			fmt.Errorf("make the disk: %w", &providers.Error{Kind: providers.NoQuota, Message: "too many", Code: "Limit"}),
			providers.NoQuota, "make the disk: too many (Limit)", nil,
		},
		"a bare error is internal":             {errors.New("oops"), providers.Internal, "oops", nil},
		"a kind that is not on the list":       {&providers.Error{Kind: "new_kind", Message: "later"}, providers.Internal, "later", nil},
		"the end of a context stays one":       {fmt.Errorf("wait: %w", context.DeadlineExceeded), providers.Transient, "wait: context deadline exceeded", context.DeadlineExceeded},
		"a kind with the end of a context":     {providers.Errorf(providers.Conflict, "held: %w", context.Canceled), providers.Conflict, "held: context canceled", context.Canceled},
		"throttled":                            {providers.Errorf(providers.Throttled, "slow down"), providers.Throttled, "slow down", nil},
		"throttled, with when to ask again":    {fmt.Errorf("read: %w", &providers.Error{Kind: providers.Throttled, Message: "slow down", RetryAfter: 90 * time.Second}), providers.Throttled, "read: slow down", nil},
		"throttled since the day before":       {&providers.Error{Kind: providers.Throttled, Message: "slow down", RetryAfter: -time.Second}, providers.Throttled, "slow down", nil},
		"bytes that are no UTF-8 do not break": {errors.New("bad \xff byte"), providers.Internal, "bad \uFFFD byte", nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{open: func(config providers.BackendConfig) error {
				if config.Name == "bad" {
					return c.err
				}
				return nil
			}}
			f.volumes.create = func(context.Context, opV, reportV) (volume, error) { return volume{}, c.err }
			f.volumes.find = func([]string) ([]providers.Found[schema.Volume], error) { return nil, c.err }
			f.volumes.read = func(_ context.Context, _ []volume, yield func(int, providers.Observed[schema.Volume])) error {
				yield(0, providers.Observed[schema.Volume]{Err: c.err})
				return nil
			}
			b := across(t, f)
			_, createErr := b.Volumes().Create(context.Background(), opV{}, nil)
			_, findErr := b.Volumes().Find(context.Background(), []string{"k"})
			var readErr error
			require.NoError(t, b.Volumes().Read(context.Background(), make([]volume, 1), func(_ int, seen providers.Observed[schema.Volume]) { readErr = seen.Err }))
			for how, err := range map[string]error{"create": createErr, "find": findErr, "read": readErr} {
				require.EqualError(t, err, c.message, how)
				require.Equal(t, c.kind, providers.KindOf(err), how)
				require.Equal(t, providers.RetryAfter(c.err), providers.RetryAfter(err), how)
				if c.is != nil {
					require.ErrorIs(t, err, c.is, how)
				}
			}
		})
	}
}

func TestWrongAnswersAreErrors(t *testing.T) {
	f := &fake{}
	b := across(t, f)
	core := providers.ResourceOf(b, "volume")
	ctx := context.Background()

	f.volumes.plan = func([]providers.Change) ([]providers.Planned, error) { return make([]providers.Planned, 2), nil }
	b = across(t, f)
	_, err := providers.ResourceOf(b, "volume").Plan(ctx, make([]providers.Change, 1))
	require.ErrorContains(t, err, "answered 2 of 1 changes")

	f.volumes.read = func(_ context.Context, _ []volume, yield func(int, providers.Observed[schema.Volume])) error {
		yield(7, providers.Observed[schema.Volume]{})
		return nil
	}
	b = across(t, f)
	err = b.Volumes().Read(ctx, make([]volume, 1), func(int, providers.Observed[schema.Volume]) { t.Error("yielded") })
	require.ErrorContains(t, err, "object 7 of 1")

	_, err = core.Create(ctx, providers.Op[cty.Value]{Address: "volume.a", Planned: volumeValue(map[string]cty.Value{"name": cty.StringVal("x").Mark("sensitive")})}, nil)
	require.ErrorContains(t, err, "marks are core's own")
	require.ErrorContains(t, err, "volume.a")
}

func TestProbeOfAProviderThatHasNone(t *testing.T) {
	far, closeBoth := inProcess(t, &fake{})
	defer closeBoth()
	require.ErrorIs(t, far.(providers.Prober).Probe(context.Background(), io.Discard), errors.ErrUnsupported)

	far, closeBoth = inProcess(t, prober{&fake{}})
	defer closeBoth()
	var out strings.Builder
	require.NoError(t, far.(providers.Prober).Probe(context.Background(), &out))
	require.Equal(t, "it works here\n", out.String())
}

type prober struct{ *fake }

func (prober) Probe(_ context.Context, w io.Writer) error {
	_, err := fmt.Fprintln(w, "it works here")
	return err
}
