package wire_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/wire"
	"github.com/dstackai/dstack-planner/schema"
)

// logged is a log that several write to.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// calls are the lines about calls, without what differs from run to run.
func (l *logged) calls(t *testing.T) (out []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		var one map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &one))
		if one["msg"] != "call" && one["msg"] != "call begins" && one["msg"] != "call goes on" {
			continue // what the provider itself says
		}
		if one["msg"] == "call" {
			require.Contains(t, one, "duration")
		}
		delete(one, "duration")
		delete(one, "time")
		out = append(out, one)
	}
	return out
}

// useLogged opens a backend with a secret setting, and makes a volume with another in its name, and one that fails.
func useLogged(t *testing.T, level slog.Level) *logged {
	t.Helper()
	l := &logged{}
	p := program("real")
	p.Log = slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: level})).With("provider", "real")
	process, err := wire.Start(t.Context(), p)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, process.Close()) })
	far := wire.NewClient(func(context.Context) (*wire.Conn, error) { return process.Conn(), nil })
	b, err := far.Open(t.Context(), providers.BackendConfig{Name: "lab", Settings: json.RawMessage(`{"token":"s3cr3t"}`)})
	require.NoError(t, err)
	_, err = b.Volumes().Create(t.Context(), opV{Address: "volume.data", Key: "k", Attempt: 1, Planned: schema.Volume{Name: "s3cr3t"}}, func(providers.Progress[schema.Volume]) error { return nil })
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = b.Volumes().Create(ctx, opV{Address: "volume.wait", Key: "k", Attempt: 2, Planned: schema.Volume{Name: "wait"}}, func(providers.Progress[schema.Volume]) error {
		cancel()
		return nil
	})
	require.Error(t, err)
	return l
}

func TestCallsAreLogged(t *testing.T) {
	l := useLogged(t, wire.LevelTrace)
	var ends []map[string]any
	count := map[any]int{}
	for _, one := range l.calls(t) {
		count[one["msg"]]++
		if one["msg"] == "call" {
			delete(one, "msg")
			ends = append(ends, one)
		}
	}
	of := func(op string, more map[string]any) map[string]any {
		out := map[string]any{"level": "DEBUG", "provider": "real", "op": op, "backend": "lab", "received": 1.0, "sent": 0.0}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	require.Empty(t, cmp.Diff([]map[string]any{
		of("open", nil),
		of("create", map[string]any{"kind": "volume", "addr": "volume.data", "attempt": 1.0, "sent": 1.0}),
		of("create", map[string]any{"kind": "volume", "addr": "volume.wait", "attempt": 2.0, "sent": 1.0, "error_kind": "canceled"}),
	}, ends))
	require.Equal(t, map[any]int{"call": 3, "call begins": 3, "call goes on": 1}, count)
	require.NotContains(t, l.text.String(), "s3cr3t", "no value and no setting is in the log")
}

func TestCallsAreLoggedOnRequestOnly(t *testing.T) {
	require.Empty(t, useLogged(t, slog.LevelInfo).calls(t))
}
