package provtest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// Options say which provider is tested and with what.
type Options struct {
	// Open returns a provider and how a backend of it is configured. It is called by each test; what is made through
	// one call need not be seen through another, but a second Open of the same provider and configuration must see it.
	Open func(t *testing.T) (providers.Provider, providers.BackendConfig)

	Instance *Sample[schema.Instance]
	Volume   *Sample[schema.Volume]
	Gateway  *Sample[schema.Gateway]
	Job      *Sample[schema.Job]
	// Supports are samples of support objects by their type. Those that Plan names need none.
	Supports map[string]*Sample[schema.Support]

	// Timeout is how long a single call may take; half a minute unless said.
	Timeout time.Duration
	// Parallel is how many calls run at once in the test of concurrent use; 8 unless said.
	Parallel int
}

// Sample says how objects of a kind are made and disturbed. Only Value is required.
type Sample[T any] struct {
	// Value returns what is wanted, with all that is configured and placed; objects with different n can exist together.
	Value func(n int) T
	// Offer is what placement chose, for an instance.
	Offer func(n int) *schema.Offer
	// Needs makes what an object stands on, besides the support objects that Plan names.
	Needs func(f *Fixture, n int) []providers.Need

	// Update changes a value to one that the same object can become in place.
	Update func(v *T)
	// Replace changes a value to one that needs a new object, and returns the path that Plan must name.
	Replace func(v *T) (path string)
	// Invalid changes a value to one that can never be made.
	Invalid func(v *T)

	// Drift changes an attribute of an object from outside.
	Drift func(t *testing.T, o providers.Object[T])
	// Vanish removes an object from outside.
	Vanish func(t *testing.T, o providers.Object[T])
	// Unreachable makes an object such that it cannot be asked; the function that it returns undoes that.
	Unreachable func(t *testing.T, o providers.Object[T]) (undo func())

	// Secrets are the sensitive texts in Value. They may be in values, and nowhere else.
	Secrets []string
}

// Run runs the contract's tests.
func Run(t *testing.T, o Options) {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Parallel == 0 {
		o.Parallel = 8
	}
	t.Run("provider", func(t *testing.T) { testProvider(t, o) })
	t.Run("offers", func(t *testing.T) { testOffers(t, o) })
	testKind(t, o, addr.KindInstance, o.Instance, providers.Backend.Instances)
	testKind(t, o, addr.KindVolume, o.Volume, providers.Backend.Volumes)
	testKind(t, o, addr.KindGateway, o.Gateway, providers.Backend.Gateways)
	testKind(t, o, addr.KindJob, o.Job, providers.Backend.Jobs)
	t.Run(addr.KindJob+"/output and stop", func(t *testing.T) { testJobAbilities(t, o) })
	t.Run(addr.KindJob+"/code", func(t *testing.T) { testCode(t, o) })
	types := make([]string, 0, len(o.Supports))
	for ty := range o.Supports {
		types = append(types, ty)
	}
	slices.Sort(types)
	if len(types) == 0 {
		testKind(t, o, addr.KindSupport, nil, providers.Backend.Supports)
	}
	for _, ty := range types {
		testKind(t, o, addr.KindSupport+" "+ty, o.Supports[ty], providers.Backend.Supports)
	}
}

// testKind runs all tests of a kind. Its name may go on behind the kind.
func testKind[T any](t *testing.T, o Options, name string, sample *Sample[T], of func(providers.Backend) providers.Resource[T]) {
	t.Run(name, func(t *testing.T) {
		p, _ := o.Open(t)
		d, err := p.Describe(t.Context())
		if err != nil {
			t.Fatalf("describe: %v", err)
		}
		kind, _, _ := strings.Cut(name, " ")
		switch {
		case !slices.Contains(d.Kinds, kind):
			t.Skipf("%s does not have the kind %s", d.Name, kind)
		case sample == nil:
			t.Skipf("NOT TESTED: %s has the kind %s, and no sample of it was given", d.Name, kind)
		}
		tests := []struct {
			name string
			test func(*session[T])
		}{
			{"plan answers each change in order and writes nothing", testPlan[T]},
			{"an object is made, read, changed and deleted", testLife[T]},
			{"a checkpoint with an id comes before the end", testCheckpoint[T]},
			{"what cannot be changed is replaced", testReplace[T]},
			{"the same key twice is one object", testSameKey[T]},
			{"the same key at the same time is one object", testSameKeyAtOnce[T]},
			{"what was made is found after its answer was lost", testLostAnswer[T]},
			{"an error of report stops a create, and the same key finishes it", testReportError[T]},
			{"a cancelled create leaves nothing that is not found", testCancel[T]},
			{"unknown keys and lineages find nothing", testFindNothing[T]},
			{"list shows one lineage", testList[T]},
			{"read answers for each object once", testRead[T]},
			{"another address changes nothing else", testRename[T]},
			{"what another state has made is taken over", testImport[T]},
			{"many at once", testConcurrent[T]},
			{"what can never be made is invalid, and nothing is made", testInvalid[T]},
			{"what changed outside is drift", testDrift[T]},
			{"what vanished outside is gone", testVanish[T]},
			{"what cannot be reached is unknown, not gone", testUnreachable[T]},
			{"secrets stay in values", testSecrets[T]},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) { tt.test(newSession(t, o, kind, sample, of)) })
		}
	})
}
