package wire_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

type connecting struct{}

func (connecting) ConnectJob(_ context.Context, job providers.Object[schema.Job], _ []providers.Need) (providers.Connection, error) {
	if job.ID == "gone" {
		return providers.Connection{}, providers.Errorf(providers.NotFound, "its instance is gone")
	}
	return providers.Connection{Folder: "/instances/a", Job: job.ID}, nil
}

func TestConnectJob(t *testing.T) {
	b := across(t, &fake{backend: func(b fakeBackend) providers.Backend {
		return struct {
			fakeBackend
			connecting
		}{b, connecting{}}
	}})
	c, ok := b.(providers.Connector)
	require.True(t, ok)
	got, err := c.ConnectJob(t.Context(), providers.Object[schema.Job]{ID: "j-1"}, nil)
	require.NoError(t, err)
	require.Equal(t, providers.Connection{Folder: "/instances/a", Job: "j-1"}, got)
	_, err = c.ConnectJob(t.Context(), providers.Object[schema.Job]{ID: "gone"}, nil)
	require.Equal(t, providers.NotFound, providers.KindOf(err))
	require.ErrorContains(t, err, "its instance is gone")

	without := across(t, &fake{backend: func(b fakeBackend) providers.Backend { return b }})
	_, err = without.(providers.Connector).ConnectJob(t.Context(), providers.Object[schema.Job]{ID: "j-1"}, nil)
	require.True(t, errors.Is(err, errors.ErrUnsupported), "%v", err)
}
