package planner

import (
	"context"
	"log/slog"
	"time"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/statefile"
)

// Providers starts providers by name.
type Providers interface {
	Describe(ctx context.Context, name string) (providers.Description, error)
	Start(ctx context.Context, name string) (providers.Provider, error)
}

// Planner makes plans of one configuration and carries them out.
type Planner struct {
	Config    *config.Config
	Policies  []*config.Config // folders of policies beside those of the configuration, see config.LoadPolicies
	Providers Providers
	Paths     providers.Paths
	Getenv    func(string) string // for secret settings of backends without a block
	Now       func() time.Time
	Log       *slog.Logger
	Version   string // of dstack
	Store     string // where the state is, in words
}

// PlanOptions says what kind of plan is wanted.
type PlanOptions struct {
	State       *statefile.State
	Writer      *statefile.Holder // who holds the lock now; its open intents are being changed, not in flight
	Destroy     bool
	Refresh     plan.RefreshMode // how much of what is recorded is compared with what is there
	RefreshOnly bool             // only the record follows what is there
	Targets     []addr.Subject   // plan these and what they need, nothing else; all unless set
	Excludes    []addr.Subject   // leave these out, and what needs them
	Picked      []addr.Subject   // those of Targets and Excludes that somebody picked from another plan, no flag
	Replace     []addr.Subject   // replace these though nothing differs
	Explain     *Explain         // say where values come from; nil asks nothing
	Parallelism int              // calls at a time; 10 unless set
	Observe     func(Reading)    // told when a backend does not want to be read that often; by one goroutine at a time
}
