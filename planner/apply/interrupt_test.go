package apply

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/fake"
)

func TestTheFirstInterruptLetsWhatIsInFlightFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.settings.Latency = fake.Duration(10 * time.Second)
		d := l.draft()
		for _, name := range []string{"volume.a", "volume.b", "volume.c"} {
			d.create(name, volume(name[7:]))
		}
		d.create("volume.d", volume("d"), "volume.a")
		interrupt := make(chan struct{})
		time.AfterFunc(13*time.Second, func() { close(interrupt) }) // opening takes ten
		r, err := l.run(d.p, func(o *Options) { o.Interrupt, o.Parallelism = interrupt, 2 })
		require.NoError(t, err)
		require.True(t, r.Interrupted)
		require.Equal(t, 20*time.Second, r.Elapsed)
		require.Equal(t, 2, r.Count(Done))
		require.Equal(t, 2, r.Count(NotStarted))
		// volume.a has the longest chain behind it; the order of the plan decides about the rest.
		require.Equal(t, []string{"volume.a", "volume.b"}, l.recorded())
		require.Empty(t, l.intents())
		for _, ev := range l.events {
			if ev.Type == EventInterrupted {
				require.Equal(t, "in flight: volume.a, volume.b", ev.Message)
			}
		}
		l.settings.Latency = 0
		l.apply(d.p)
		require.Len(t, l.objects(), 4)
	})
}

func TestAnInterruptEndsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, fake.Rule{Fault: fake.Fault(providers.Throttled)})
		d := l.draft()
		d.create("volume.a", volume("a"))
		interrupt := make(chan struct{}, 1)
		time.AfterFunc(20*time.Second, func() { interrupt <- struct{}{} })
		r, err := l.run(d.p, func(o *Options) { o.Interrupt = interrupt })
		require.NoError(t, err)
		require.True(t, r.Interrupted)
		require.Equal(t, 20*time.Second, r.Elapsed)
		require.Equal(t, 1, r.Count(Failed))
		require.Empty(t, l.intents())
	})
}

func TestTheSecondInterruptLeavesWithinTwoSeconds(t *testing.T) {
	for name, tc := range map[string]struct {
		rule    fake.Rule
		objects int
	}{
		"the provider stops when it is told to": {rule: fake.Rule{Fault: fake.Hang}},
		"the provider does not stop":            {rule: fake.Rule{Fault: fake.Hang, Delay: fake.Duration(time.Hour)}},
		"the object is there already":           {rule: fake.Rule{Fault: fake.Hang, When: fake.Checkpoint, Delay: fake.Duration(time.Hour)}, objects: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, tc.rule)
				d := l.draft()
				d.create("volume.a", volume("a"))
				d.create("volume.b", volume("b"), "volume.a")
				interrupt := make(chan struct{})
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Minute, func() { close(interrupt) })
				time.AfterFunc(2*time.Minute, cancel)
				o := l.options(d.p)
				o.Interrupt = interrupt
				r, err := Run(ctx, o)
				require.NoError(t, err)
				require.LessOrEqual(t, r.Elapsed, 2*time.Minute+2*time.Second)
				s := stepOf(t, r, plan.OpCreate, "volume.a")
				require.Equal(t, Failed, s.Status)
				require.True(t, s.Unknown)
				require.Len(t, l.state().Intents(), 1)
				require.Len(t, l.objects(), tc.objects)
				if tc.objects > 0 {
					require.NotEmpty(t, l.state().Intents()[0].Reached.ID, "what is known is recorded")
				}
				time.Sleep(2 * time.Hour)
				require.Len(t, l.state().Intents(), 1, "what comes later is not recorded any more")
			})
		})
	}
}

func TestAStoreThatBreaksEndsTheApply(t *testing.T) {
	for n := 1; ; n++ {
		l := newLab(t)
		d := l.draft()
		d.create("volume.a", volume("a"))
		d.create("volume.b", volume("b"), "volume.a")
		session := &breaking{Session: l.session, left: n, late: n%2 == 0}
		_, err := l.run(d.p, func(o *Options) { o.Session = session })
		if !session.broke() {
			require.NoError(t, err)
			require.Greater(t, n, 5)
			return
		}
		rec, ok := errors.AsType[*RecordError](err)
		require.True(t, ok, err)
		require.ErrorIs(t, rec, errBroken)
		known := map[string]bool{}
		for _, r := range l.state().Resources() {
			known[r.Address] = true
		}
		for _, in := range l.state().Intents() {
			known[in.Address] = true
		}
		for _, o := range l.objects() {
			require.True(t, known[o], "%s is known to nobody after a crash at record %d", o, n)
		}
		l.reopen()
		l.apply(d.p)
		require.Equal(t, []string{"volume.a", "volume.b"}, l.objects())
		require.Equal(t, []string{"volume.a", "volume.b"}, l.recorded())
		require.Empty(t, l.intents())
	}
}

func TestTheLongestChainGoesFirst(t *testing.T) {
	l := newLab(t)
	d := l.draft()
	d.create("volume.a", volume("a"))
	d.create("volume.b", volume("b"))
	d.create("volume.c", volume("c"))
	d.create("volume.d", volume("d"), "volume.c")
	d.create("volume.e", volume("e"), "volume.d")
	l.apply(d.p, func(o *Options) { o.Parallelism = 1 })
	require.Equal(t, []string{"volume.c", "volume.d", "volume.a", "volume.b", "volume.e"}, l.happened(EventStart))
}

func TestASlotIsFreeWhileAStepWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, fake.Rule{Fault: fake.Fault(providers.Throttled), Address: "volume.a", Times: 5})
		l.settings.Latency = fake.Duration(10 * time.Second)
		d := l.draft()
		d.create("volume.a", volume("a"))
		d.create("volume.b", volume("b"))
		r := l.apply(d.p, func(o *Options) { o.Parallelism = 1 })
		require.Equal(t, []string{"volume.b", "volume.a"}, l.happened(EventDone))
		require.Less(t, r.Elapsed, 61*time.Second) // which is what it takes one after the other
	})
}
