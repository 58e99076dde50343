package host_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
	"github.com/dstackai/dstack-planner/content"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/host"
)

func TestUploadGoesOnWhereItBroke(t *testing.T) {
	dir, store := t.TempDir(), content.Store(t.TempDir())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte("0123456789"), 0o644))
	m, err := content.Scan(t.Context(), dir, 0)
	require.NoError(t, err)
	require.NoError(t, store.Stage(t.Context(), m.Manifest, content.FilesOf(dir)))
	want := []api.Content{{Digest: m.Digest()}}

	have := map[string]int64{} // how much of each blob the agent has
	var breaks, asked int      // how many streams break after 4 bytes, and how often was asked
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/blobs/missing", func(w http.ResponseWriter, r *http.Request) {
		asked++
		var q api.BlobQuery
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Error(err)
		}
		a := api.BlobAnswer{Missing: []api.BlobPart{}}
		for _, b := range q.Blobs {
			if have[b.Digest] < b.Size {
				a.Missing = append(a.Missing, api.BlobPart{Blob: b, Offset: have[b.Digest]})
			}
		}
		if err := json.NewEncoder(w).Encode(a); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("POST /v1/blobs", func(w http.ResponseWriter, r *http.Request) {
		in := json.NewDecoder(r.Body)
		for {
			var head api.BlobPart
			if in.Decode(&head) != nil {
				return
			}
			rest := io.MultiReader(in.Buffered(), r.Body)
			if _, err := io.CopyN(io.Discard, rest, 1); err != nil { // the end of the line
				t.Error(err)
			}
			if breaks > 0 {
				breaks--
				have[head.Digest] = head.Offset + 4
				panic(http.ErrAbortHandler)
			}
			if _, err := io.CopyN(io.Discard, rest, head.Size-head.Offset); err != nil {
				t.Error(err)
			}
			have[head.Digest] = head.Size
			in = json.NewDecoder(rest)
		}
	})
	var one sync.Mutex // a stream that broke may end after the next request has begun
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one.Lock()
		defer one.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	c := client.NewWithDialer("the agent", func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", web.Listener.Addr().String())
	})
	defer c.Close()
	var done, total int64
	report := func(d, of int64) error { done, total = d, of; return nil }

	breaks = 2
	require.NoError(t, host.Upload(t.Context(), c, store, want, report))
	require.Equal(t, 4, asked, "three streams, and the last question")
	require.Equal(t, total, done)
	require.Equal(t, int64(10+len(m.Encode())), total)

	t.Run("what is there is not sent", func(t *testing.T) {
		require.NoError(t, host.Upload(t.Context(), c, store, want, func(int64, int64) error {
			t.Error("nothing is under way")
			return nil
		}))
	})
	t.Run("what was never staged is an error of ours", func(t *testing.T) {
		err := host.Upload(t.Context(), c, content.Store(t.TempDir()), want, report)
		require.Equal(t, providers.Internal, providers.KindOf(err))
		require.Equal(t, providers.Internal, providers.KindOf(host.Upload(t.Context(), c, "", want, report)))
	})
	require.NoError(t, host.Upload(t.Context(), c, "", nil, nil), "a job without code needs none")
}
