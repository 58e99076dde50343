package apply

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/veil"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/statefile"
)

// Options are what Run works with. Plan, Session and Backends are needed; all others have a useful zero value.
type Options struct {
	// Plan is what is to come true.
	Plan *plan.Plan
	// Session holds the lock of the state that the plan was made from. Run does not close it.
	Session statefile.Session
	// Backends opens a backend of that name, or gives the handle that is open already. It is called for each step, from
	// several goroutines.
	Backends func(ctx context.Context, name string) (providers.Backend, providers.Description, error)
	// Resolve evaluates the wanted value of an address again, with what the state holds now, marks kept. Only leaves that
	// the plan left unknown or out because they are secret are taken from it. candidate is the offer that the address's
	// group has taken, nil where it has no group. It is called from several goroutines.
	Resolve func(ctx context.Context, address string, candidate *plan.Candidate) (cty.Value, error)
	// Condition looks at what a repetition of a block demands or promises; the error says what does not hold. It is called
	// from several goroutines.
	Condition func(ctx context.Context, address string, op plan.Op) error
	// Outputs evaluates all outputs. It is called once, when every step is done, and what it returns is recorded.
	Outputs func(ctx context.Context) (map[string]statefile.Output, error)
	// KeepLog is told about a job that is about to be deleted, so that its log can be kept. What it fails at is its own affair.
	KeepLog func(ctx context.Context, backend providers.Backend, job providers.Need, needs []providers.Need)
	// Veil knows the secrets of the configuration, wherever a provider repeats them. Those of a resource itself need not be in it.
	Veil veil.Veil
	// Parallelism is how many steps are under way at a time, 10 unless set. Steps that wait for a next try do not count.
	Parallelism int
	// Observe is told what happens, one event at a time. The steps wait for it.
	Observe func(Event)
	// Clock is the system's unless set.
	Clock Clock
	// Random gives numbers in [0, 1) that spread retries, math/rand unless set.
	Random func() float64
	// By is who applies: ana@laptop.
	By string
	// Permit is asked once, when it is certain that the plan fits the state, and before anything is recorded. It says which
	// policies the plan is applied against, which is recorded first of all; an error of it is that of Run. nil permits.
	Permit func(ctx context.Context) ([]statefile.PolicyOverride, error)
	// Policy says when to try again. Fields that are zero have the values of DefaultPolicy.
	Policy Policy
	// Interrupt asks, by a value or by being closed, to start nothing new and to end when all that is in flight has. Who
	// wants more than that cancels the context of Run.
	Interrupt <-chan struct{}
}

// Clock is what Run knows of time.
type Clock interface {
	Now() time.Time
	After(d time.Duration) <-chan time.Time
}

type systemClock struct{}

func (systemClock) Now() time.Time                         { return time.Now() }
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// defaultParallelism is how many steps are under way at a time.
const defaultParallelism = 10

func (o Options) withDefaults() Options {
	if o.Parallelism <= 0 {
		o.Parallelism = defaultParallelism
	}
	if o.Observe == nil {
		o.Observe = func(Event) {}
	}
	if o.Clock == nil {
		o.Clock = systemClock{}
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	o.Policy = o.Policy.withDefaults()
	return o
}
