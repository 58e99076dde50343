package provtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/content"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// testCode checks that jobs get what is in Paths.Content, and that one whose code is not there is not made.
func testCode(t *testing.T, o Options) {
	if o.Job == nil {
		t.Skip("no sample of a job was given")
	}
	dir, store := t.TempDir(), content.Store(filepath.Join(t.TempDir(), "content"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "train.py"), []byte("print()\n"), 0o644))
	m, err := content.Scan(t.Context(), dir, 0)
	require.NoError(t, err)
	require.NoError(t, store.Stage(t.Context(), m.Manifest, content.FilesOf(dir)))

	open := o.Open
	o.Open = func(t *testing.T) (providers.Provider, providers.BackendConfig) {
		p, config := open(t)
		config.Paths.Content = string(store)
		return p, config
	}
	s := newSession(t, o, addr.KindJob, o.Job, providers.Backend.Jobs)
	if !s.description.Capabilities.Code {
		t.Skip("the provider brings no code to jobs")
	}
	op := s.op()
	op.Planned.Repo = &schema.Repo{Path: ".", Digest: m.Digest(), Files: m.Files(), Bytes: m.Bytes()}
	made := s.create(op)
	require.Equal(t, op.Planned.Repo, made.Value.Repo)
	again := s.create(op)
	require.Equal(t, made.ID, again.ID, "the same job is found")
}
