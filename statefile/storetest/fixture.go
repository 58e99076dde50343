package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/statefile"
)

// epoch is the time of all that the suite records.
var epoch = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func holder(operation string) statefile.Holder {
	return statefile.Holder{User: "ana", Host: "laptop", PID: 4711, Operation: operation, Since: epoch}
}

func initialised(t *testing.T, config Config) statefile.Store {
	t.Helper()
	store := config.New(t)
	_, err := store.Init(t.Context())
	require.NoError(t, err)
	return store
}

func lock(t *testing.T, store statefile.Store) statefile.Session {
	t.Helper()
	session, err := store.Lock(t.Context(), holder("apply"))
	require.NoError(t, err)
	return session
}

func read(t *testing.T, store statefile.Store) *statefile.State {
	t.Helper()
	state, err := store.Read(t.Context())
	require.NoError(t, err)
	return state
}

func pulled(t *testing.T, state *statefile.State) string {
	t.Helper()
	out, err := state.Pull()
	require.NoError(t, err)
	return string(out)
}

func volume(i int) *statefile.Resource {
	return &statefile.Resource{
		Address: fmt.Sprintf("volume.data[%d]", i), Kind: "volume", Backend: "aws",
		ID: fmt.Sprintf("vol-%04d", i), Status: "active", Revision: 1,
		Attributes: []byte(fmt.Sprintf(`{"name":"data-%d","size":"100GB","region":"us-east-1"}`, i)),
		Secrets:    map[string]string{"token": "00ff"},
		Private:    []byte{0, 1, 2, 0xff}, Needs: []string{"backend.aws"},
		Changed: statefile.Changed{At: epoch, By: "ana@laptop", Plan: "p1"}, CreatedAt: epoch,
	}
}

func put(i int) statefile.Record { return statefile.NewPut(epoch, volume(i), "") }
