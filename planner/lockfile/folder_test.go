package lockfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner/modsource"
)

func source(t *testing.T, text string) modsource.Source {
	t.Helper()
	s, err := modsource.Parse(text)
	require.NoError(t, err)
	return s
}

func TestResolve(t *testing.T) {
	l := &Lock{Modules: map[string]Pin{key: {commit, digest}}}
	here := ".dstack/modules/gpu@0a4d55a80a4d"
	fetched := Folder{Dir: here + "/fleets/a100", Repo: here}
	for name, tc := range map[string]struct {
		from   Folder
		source string
		want   Folder
		err    string
	}{
		"a folder below the root module":       {Root(), "./net", Folder{Dir: "net"}, ""},
		"a folder beside the configuration":    {Root(), "../shared/net", Folder{Dir: "../shared/net"}, ""},
		"a folder below a module":              {Folder{Dir: "../shared/net"}, "./deep", Folder{Dir: "../shared/net/deep"}, ""},
		"back to the root module":              {Folder{Dir: "net"}, "..", Folder{Dir: "."}, ""},
		"the top of a repository":              {Root(), "github.com/acme/gpu?ref=v1.2.0", Folder{Dir: here, Repo: here}, ""},
		"a folder of a repository":             {Root(), "github.com/acme/gpu//fleets/a100?ref=v1.2.0", fetched, ""},
		"another form of the same source":      {Root(), "git::https://github.com/acme/gpu.git//fleets/a100?ref=v1.2.0", fetched, ""},
		"a repository called from another":     {Folder{Dir: ".dstack/modules/x@1/y", Repo: ".dstack/modules/x@1"}, "github.com/acme/gpu?ref=v1.2.0", Folder{Dir: here, Repo: here}, ""},
		"a folder beside, in a repository":     {fetched, "../h100", Folder{Dir: here + "/fleets/h100", Repo: here}, ""},
		"the top of the repository, from it":   {fetched, "../..", Folder{Dir: here, Repo: here}, ""},
		"out of the repository":                {fetched, "../../..", Folder{}, "leads out of the repository"},
		"into the neighbour with a like name":  {Folder{Dir: here, Repo: here}, "../gpu@0a4d55a80a4d2", Folder{}, "leads out of the repository"},
		"another ref":                          {Root(), "github.com/acme/gpu?ref=v2", Folder{}, "dstack init"},
		"a repository that nobody has fetched": {Root(), "github.com/acme/cpu", Folder{}, "dstack init"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := l.Resolve(tc.from, source(t, tc.source))
			require.Equal(t, tc.want, got)
			if tc.err == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tc.err)
			}
		})
	}
	_, err := l.Resolve(Root(), source(t, "github.com/acme/cpu"))
	require.ErrorAs(t, err, new(*NotInstalledError))
}

func TestDir(t *testing.T) {
	l := &Lock{Modules: map[string]Pin{key: {commit, digest}}}
	dir, ok := l.Dir("github.com/acme/gpu//x?ref=v1.2.0")
	require.True(t, ok)
	require.Equal(t, ".dstack/modules/gpu@0a4d55a80a4d/x", dir)
	dir, ok = l.Dir("./x")
	require.True(t, ok)
	require.Equal(t, "x", dir)
	for _, none := range []string{"x", "github.com/acme/gpu", ""} {
		_, ok = l.Dir(none)
		require.False(t, ok, none)
	}
}

func TestCheck(t *testing.T) {
	root := t.TempDir()
	s := source(t, "github.com/acme/gpu//fleets?ref=v1.2.0")
	l := &Lock{Modules: map[string]Pin{}}
	var missing *NotInstalledError
	require.ErrorAs(t, l.Check(root, s), &missing)
	require.False(t, missing.Pinned)

	l.Modules[key] = Pin{commit, digest}
	require.ErrorAs(t, l.Check(root, s), &missing)
	require.True(t, missing.Pinned)

	dir := filepath.Join(root, filepath.FromSlash(l.Modules[key].Copy(s)))
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.dstack.hcl"), []byte("locals {}\n"), 0o644))
	require.ErrorAs(t, l.Check(root, s), new(*ChangedError))

	sum, err := modsource.Digest(dir)
	require.NoError(t, err)
	l.Modules[key] = Pin{commit, sum}
	require.NoError(t, l.Check(root, s))

	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.dstack.hcl"), []byte("locals { a = 1 }\n"), 0o644))
	err = l.Check(root, s)
	require.ErrorAs(t, err, new(*ChangedError))
	require.ErrorContains(t, err, "something changed them")
	require.NoError(t, l.Check(root, source(t, "./anything")), "what is not fetched is not checked")

	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.Symlink(t.TempDir(), dir))
	require.ErrorAs(t, l.Check(root, s), new(*ChangedError), "a link instead of the copy")
}
