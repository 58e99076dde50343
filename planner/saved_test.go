package planner_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/apply"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/statefile"
)

// A plan that was made with one account must not come true in another, also where nothing is recorded yet.
func TestAPlanIsForTheAccountThatItWasMadeWith(t *testing.T) {
	const volume = "volume \"vol\" {\n  region = \"us-east-1\"\n  size   = \"1GB\"\n}\n"
	for name, tc := range map[string]struct {
		account string
		stale   bool
	}{
		"the same account": {account: "one"},
		"another account":  {account: "two", stale: true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			as := func(account string) *planner.Planner {
				pl := l.planner(volume)
				cfg, diags := config.Load(t.Context(), config.LoadOptions{
					Dir:     t.TempDir(),
					Sources: sources("backend \"cloud\" {\n  provider = \"fake\"\n  settings = { account = \"" + account + "\" }\n}\n" + volume),
				})
				require.NoError(t, diags.Err())
				pl.Config = cfg
				return pl
			}
			p, diags := as("one").Plan(t.Context(), planner.PlanOptions{State: l.read()})
			require.NoError(t, diags.Err())
			session, err := l.store.Lock(t.Context(), statefile.NewHolder("apply", "ana", "laptop", 1, l.now, func(string) string { return "" }))
			require.NoError(t, err)
			_, err = as(tc.account).Apply(context.Background(), planner.ApplyOptions{Plan: p, Session: session, Policy: soon()})
			require.NoError(t, session.Close(t.Context()))
			stale, ok := errors.AsType[*apply.StaleError](err)
			require.Equal(t, tc.stale, ok, err)
			if ok {
				require.Contains(t, stale.Reason, `it was made with backend "cloud" as one, and that opens two now`)
				require.Empty(t, l.read().Resources())
				return
			}
			require.NoError(t, err)
		})
	}
}
