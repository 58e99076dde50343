package gateway

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
)

func TestRequestsAreForgottenWithTheirWindow(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := newStats(func() time.Time { return now })
	ask := func(status int) {
		w := s.begin("a", httptest.NewRecorder())
		now = now.Add(time.Second)
		w.WriteHeader(103)
		w.WriteHeader(status)
		w.end()
	}
	counts := func() (n []int) {
		for _, w := range s.list()[0].Windows {
			n = append(n, w.Requests)
		}
		return n
	}
	ask(200)
	ask(404)
	ask(502)
	require.Empty(t, cmp.Diff([]api.ServiceStats{{Service: "a", Windows: []api.Usage{
		{Seconds: 30, Requests: 2, Time: 2 * time.Second}, {Seconds: 60, Requests: 2, Time: 2 * time.Second}, {Seconds: 300, Requests: 2, Time: 2 * time.Second},
	}}}, s.list()))
	now = now.Add(28 * time.Second)
	require.Equal(t, []int{1, 2, 2}, counts())
	now = now.Add(30 * time.Second)
	require.Equal(t, []int{0, 1, 2}, counts())
	now = now.Add(400 * time.Second)
	require.Equal(t, []int{0, 0, 0}, counts())
	ask(200)
	require.Equal(t, []int{1, 1, 1}, counts(), "a place is used again")
}
