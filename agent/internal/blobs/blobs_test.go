package blobs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/blobs"
	"github.com/dstackai/dstack-planner/content"
)

func blob(text string) api.Blob {
	return api.Blob{Digest: content.Digest([]byte(text)), Size: int64(len(text))}
}

// frame is a blob from an offset on, as it stands in a stream.
func frame(text string, offset int) []byte {
	var out bytes.Buffer
	json.NewEncoder(&out).Encode(api.BlobPart{Blob: blob(text), Offset: int64(offset)})
	out.WriteString(text[offset:])
	return out.Bytes()
}

func missing(t *testing.T, s *blobs.Store, texts ...string) []int64 {
	t.Helper()
	var want []api.Blob
	for _, text := range texts {
		want = append(want, blob(text))
	}
	list, err := s.Missing(want, time.Now())
	require.NoError(t, err)
	offsets := []int64{}
	for _, p := range list {
		offsets = append(offsets, p.Offset)
	}
	return offsets
}

func TestWhatIsSentIsThereOnce(t *testing.T) {
	s := blobs.New(filepath.Join(t.TempDir(), "blobs"))
	require.Equal(t, []int64{0, 0, 0}, missing(t, s, "one", "two", ""))
	stream := append(append(frame("one", 0), frame("two", 0)...), frame("", 0)...)
	require.NoError(t, s.Receive(t.Context(), bytes.NewReader(stream)))
	require.Empty(t, missing(t, s, "one", "two", ""))
	require.NoError(t, s.Receive(t.Context(), bytes.NewReader(stream)), "what is there already is passed over")
	data, err := os.ReadFile(s.Path(blob("two").Digest))
	require.NoError(t, err)
	require.Equal(t, "two", string(data))
}

func TestAnUploadThatBreaksGoesOn(t *testing.T) {
	s := blobs.New(t.TempDir())
	stream := append(frame("first", 0), frame("second and long", 0)...)
	err := s.Receive(t.Context(), io.LimitReader(bytes.NewReader(stream), int64(len(stream)-4)))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, []int64{11}, missing(t, s, "first", "second and long"))
	t.Run("but not behind what is there", func(t *testing.T) {
		err := s.Receive(t.Context(), bytes.NewReader(frame("second and long", 13)))
		require.Equal(t, api.KindConflict, api.KindOf(err), err)
	})
	require.NoError(t, s.Receive(t.Context(), bytes.NewReader(frame("second and long", 11))))
	require.Empty(t, missing(t, s, "second and long"))
}

func TestWhatIsSentWronglyIsNotKept(t *testing.T) {
	for name, stream := range map[string][]byte{
		"other bytes":      bytes.Replace(frame("right", 0), []byte("right"), []byte("wrong"), 1),
		"no stream at all": []byte("GET / HTTP/1.1\n"),
		"no line":          bytes.Repeat([]byte("x"), 100_000),
		"a path":           []byte(`{"digest":"../../etc/passwd","size":1}` + "\nx"),
		"before its start": []byte(`{"digest":"` + blob("x").Digest + `","size":1,"offset":-1}` + "\nx"),
		"behind its end":   []byte(`{"digest":"` + blob("x").Digest + `","size":1,"offset":2}` + "\nx"),
	} {
		t.Run(name, func(t *testing.T) {
			s := blobs.New(t.TempDir())
			err := s.Receive(t.Context(), bytes.NewReader(stream))
			require.Equal(t, api.KindInvalid, api.KindOf(err), err)
			list, err := os.ReadDir(string(s.Store))
			require.NoError(t, err)
			require.Empty(t, list)
		})
	}
	_, err := blobs.New(t.TempDir()).Missing([]api.Blob{{Digest: "x"}}, time.Now())
	require.Equal(t, api.KindInvalid, api.KindOf(err))
}

func TestManySendTheSame(t *testing.T) {
	s := blobs.New(t.TempDir())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := s.Receive(t.Context(), bytes.NewReader(append(frame("same", 0), frame("other", 0)...))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Empty(t, missing(t, s, "same", "other"))
}

func TestWhoWaitsForAnotherSenderCanGiveUp(t *testing.T) {
	s := blobs.New(t.TempDir())
	r, w := io.Pipe()
	first := make(chan error, 1)
	go func() { first <- s.Receive(t.Context(), r) }()
	_, err := w.Write(frame("slow", 0)[:len(frame("slow", 0))-2])
	require.NoError(t, err)
	require.Eventually(t, func() bool { return missing(t, s, "slow")[0] == 2 }, 20*time.Second, time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Receive(ctx, bytes.NewReader(frame("slow", 0))), context.DeadlineExceeded)
	w.Write([]byte("ow"))
	w.Close()
	require.NoError(t, <-first)
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	code := filepath.Join(dir, "code")
	require.NoError(t, os.MkdirAll(code, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(code, "a"), []byte("used"), 0o644))
	scanned, err := content.Scan(t.Context(), code, 0)
	require.NoError(t, err)
	s := blobs.New(filepath.Join(dir, "blobs"))
	require.NoError(t, s.Sweep(nil, time.Now()), "nothing was ever sent")
	require.NoError(t, s.Stage(t.Context(), scanned.Manifest, content.FilesOf(code)))
	require.NoError(t, s.Receive(t.Context(), bytes.NewReader(frame("loose", 0))))
	require.Error(t, s.Receive(t.Context(), bytes.NewReader(frame("half of it", 0)[:len(frame("half of it", 0))-3])))
	names := func() (n []string) {
		list, err := os.ReadDir(string(s.Store))
		require.NoError(t, err)
		for _, i := range list {
			n = append(n, i.Name())
		}
		return n
	}
	all := names()
	require.Len(t, all, 4)
	now := time.Now()
	require.NoError(t, s.Sweep(nil, now))
	require.Equal(t, all, names(), "what was just used is kept")
	later := now.Add(blobs.Keep + time.Hour)
	require.NoError(t, s.Sweep([]string{scanned.Digest(), "sha256:x"}, later))
	require.Len(t, names(), 2, "what a job needs is kept")
	_, err = s.Whole(scanned.Digest())
	require.NoError(t, err)
	s.Used([]string{scanned.Digest()}, later)
	require.NoError(t, s.Sweep(nil, later.Add(time.Hour)))
	require.Len(t, names(), 2, "what was used is kept for a while")
	require.NoError(t, s.Sweep(nil, later.Add(2*blobs.Keep)))
	require.Empty(t, names())
	_, err = s.Whole(scanned.Digest())
	require.ErrorContains(t, err, "send it first")
}
