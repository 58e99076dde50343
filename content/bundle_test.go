package content_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/content"
)

func TestWhatIsPackedIsUnpacked(t *testing.T) {
	dir, one, two := t.TempDir(), content.Store(t.TempDir()), content.Store(filepath.Join(t.TempDir(), "x"))
	write(t, dir, map[string]string{"a/b": "1", "c*": "2"})
	s, err := content.Scan(t.Context(), dir, 0)
	require.NoError(t, err)
	require.NoError(t, one.Stage(t.Context(), s.Manifest, content.FilesOf(dir)))
	require.NoError(t, os.WriteFile(filepath.Join(string(one), "new-123"), []byte("half"), 0o600))
	var first, second bytes.Buffer
	require.NoError(t, one.Pack(t.Context(), &first))
	require.NoError(t, two.Unpack(t.Context(), bytes.NewReader(first.Bytes())))
	require.NoError(t, two.Pack(t.Context(), &second))
	require.Equal(t, first.Bytes(), second.Bytes())
	out := t.TempDir()
	m, err := two.Manifest(s.Digest())
	require.NoError(t, err)
	require.NoError(t, two.Place(t.Context(), m, out, nil))
	again, err := content.Scan(t.Context(), out, 0)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(s.Manifest, again.Manifest))
	var none bytes.Buffer
	require.NoError(t, content.Store(filepath.Join(dir, "nowhere")).Pack(t.Context(), &none))
	require.NoError(t, content.Store(t.TempDir()).Unpack(t.Context(), &none))
}

func TestWhatIsNotUnpacked(t *testing.T) {
	packed := func(name, text string, kind byte) []byte {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		w := tar.NewWriter(z)
		h := &tar.Header{Name: name, Typeflag: kind, Size: int64(len(text)), Mode: 0o600}
		if kind == tar.TypeSymlink {
			h.Linkname, h.Size = text, 0
		}
		require.NoError(t, w.WriteHeader(h))
		if h.Size > 0 {
			_, err := w.Write([]byte(text))
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		require.NoError(t, z.Close())
		return out.Bytes()
	}
	name := content.Digest([]byte("x"))[len("sha256:"):]
	whole := packed(name, "x", tar.TypeReg)
	for what, stream := range map[string][]byte{
		"no stream":           []byte("x"),
		"one that is cut":     whole[:len(whole)/2],
		"other bytes":         packed(name, "y", tar.TypeReg),
		"a path":              packed("../../x", "x", tar.TypeReg),
		"a link of that name": packed(name, "/etc/passwd", tar.TypeSymlink),
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			require.ErrorIs(t, content.Store(dir).Unpack(t.Context(), bytes.NewReader(stream)), content.ErrBundle)
			list, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, list)
		})
	}
}
