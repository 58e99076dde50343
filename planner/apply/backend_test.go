package apply

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/statefile"
)

// recordedBackend is the record of a backend, and by which plan.
func recordedBackend(t *testing.T, l *lab) (statefile.Backend, string) {
	t.Helper()
	b, ok := l.state().Backend("fake")
	require.True(t, ok)
	by := b.Changed.Plan
	b.Changed = statefile.Changed{}
	return b, by
}

func TestABackendIsRecordedWhenItChanges(t *testing.T) {
	l := newLab(t)
	d := l.draft()
	d.create("volume.a", volume("a"))
	d.p.ID, d.p.Backends["fake"] = "first", plan.Backend{Provider: "fake", Version: fake.Version, Identity: "fake", Secrets: map[string]string{"token": "digest"}}
	l.apply(d.p)
	want := statefile.Backend{Provider: "fake", Version: fake.Version, Identity: "fake", Secrets: map[string]string{"token": "digest"}}
	got, by := recordedBackend(t, l)
	require.Empty(t, cmp.Diff(want, got))
	require.Equal(t, "first", by)

	next := l.draft()
	next.create("volume.b", volume("b"))
	next.p.ID, next.p.Backends["fake"] = "second", d.p.Backends["fake"]
	l.apply(next.p)
	got, by = recordedBackend(t, l)
	require.Empty(t, cmp.Diff(want, got))
	require.Equal(t, "first", by, "the same again is not recorded again")

	rotated := l.draft()
	rotated.create("volume.c", volume("c"))
	rotated.p.ID, rotated.p.Backends["fake"] = "third", plan.Backend{Provider: "fake", Version: fake.Version, Identity: "fake", Secrets: map[string]string{"token": "other"}}
	l.apply(rotated.p)
	want.Secrets = map[string]string{"token": "other"}
	got, by = recordedBackend(t, l)
	require.Empty(t, cmp.Diff(want, got))
	require.Equal(t, "third", by)
}

func TestTheVersionThatChangesSomethingIsRecorded(t *testing.T) {
	l := newLab(t)
	d := l.draft()
	d.create("volume.a", volume("a"))
	d.p.ID = "saved"
	l.apply(d.p, func(o *Options) {
		open := o.Backends
		o.Backends = func(ctx context.Context, name string) (providers.Backend, providers.Description, error) {
			b, d, err := open(ctx, name)
			d.Version = "9.9.9" // it was replaced after the plan was made
			return b, d, err
		}
	})
	got, by := recordedBackend(t, l)
	require.Equal(t, "9.9.9", got.Version)
	require.Equal(t, "saved", by)
}
