package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/lockfile"
	"github.com/dstackai/dstack-planner/planner/modsource"
)

const gpuSource = "git::https://example.com/acme/gpu.git"

// fetched writes a configuration that calls //fleet of a repository, and the repository's copy as if it had been fetched.
func fetched(t *testing.T, main string, repo map[string]string) (dir string, lock *lockfile.Lock) {
	t.Helper()
	dir = t.TempDir()
	put := func(name, text string) {
		p := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o755))
		require.NoError(t, os.WriteFile(p, []byte(text), 0o644))
	}
	put("main.dstack.hcl", main)
	s, err := modsource.Parse(gpuSource)
	require.NoError(t, err)
	pin := lockfile.Pin{Commit: strings.Repeat("0a4d55a8", 5)}
	for name, text := range repo {
		put(pin.Copy(s)+"/"+name, text)
	}
	pin.Digest, err = modsource.Digest(filepath.Join(dir, filepath.FromSlash(pin.Copy(s))))
	require.NoError(t, err)
	lock = &lockfile.Lock{Modules: map[string]lockfile.Pin{s.Key(): pin}}
	require.NoError(t, lock.Write(dir))
	return dir, lock
}

var gpuRepo = map[string]string{
	"fleet/main.dstack.hcl": "module \"disk\" {\n  source = \"../disk\"\n}\noutput \"text\" {\n  value = path.module\n}\n",
	"fleet/text":            "from a file",
	"disk/main.dstack.hcl":  "volume \"data\" {\n  size = \"1GB\"\n}\n",
	"out/main.dstack.hcl":   "module \"x\" {\n  source = \"../../other\"\n}\n",
}

func callOf(sources ...string) string {
	var b strings.Builder
	for i, s := range sources {
		b.WriteString("module \"m" + string(rune('a'+i)) + "\" {\n  source = \"" + s + "\"\n}\n")
	}
	return b.String()
}

func TestAFetchedModuleIsPartOfTheConfiguration(t *testing.T) {
	dir, _ := fetched(t, callOf(gpuSource+"//fleet", gpuSource+"//disk"), gpuRepo)
	c, list := Load(t.Context(), LoadOptions{Dir: dir})
	require.NoError(t, list.Err())
	dirs := func(c *Config) []string {
		var out []string
		for _, m := range c.Modules() {
			out = append(out, string(m.Path)+" "+m.Dir)
		}
		return out
	}
	copied := ".dstack/modules/gpu@0a4d55a80a4d"
	want := []string{" .", "module.ma " + copied + "/fleet", "module.mb " + copied + "/disk", "module.ma.module.disk " + copied + "/disk"}
	require.Empty(t, cmp.Diff(want, dirs(c)))
	var paths []string
	for _, s := range c.Sources() {
		paths = append(paths, s.Path)
		require.NotEmpty(t, s.Digest)
	}
	slices.Sort(paths)
	require.Equal(t, []string{lockfile.Name, copied + "/disk/main.dstack.hcl", copied + "/fleet/main.dstack.hcl", "main.dstack.hcl"}, paths)

	again, list := Load(t.Context(), LoadOptions{Dir: t.TempDir(), Sources: c.Sources()})
	require.NoError(t, list.Err(), "a saved plan needs no folder")
	require.Empty(t, cmp.Diff(want, dirs(again)))
}

func TestModulesThatAreNotThere(t *testing.T) {
	for name, tc := range map[string]struct {
		main   string
		change func(t *testing.T, dir, copied string)
		want   []string
	}{
		"not pinned":             {callOf(gpuSource + "//fleet?ref=v2"), nil, []string{"main.dstack.hcl:2", "does not pin it", "  dstack init"}},
		"pinned and not fetched": {callOf(gpuSource + "//fleet"), func(t *testing.T, _, copied string) { require.NoError(t, os.RemoveAll(copied)) }, []string{"main.dstack.hcl:2", "its files are not here", "  dstack init"}},
		"changed": {callOf(gpuSource + "//fleet"), func(t *testing.T, _, copied string) {
			require.NoError(t, os.WriteFile(filepath.Join(copied, "fleet/text"), []byte("changed"), 0o644))
		}, []string{"main.dstack.hcl:2", "something changed them", "  dstack init"}},
		"no such folder in it":     {callOf(gpuSource + "//none"), nil, []string{"main.dstack.hcl:2", "gpu@0a4d55a80a4d/none cannot be read"}},
		"out of the repository":    {callOf(gpuSource + "//out"), nil, []string{"gpu@0a4d55a80a4d/out/main.dstack.hcl:2", "leads out of the repository"}},
		"a source that is none":    {callOf("modules/net"), nil, []string{"main.dstack.hcl:2", "./modules/net"}},
		"a broken lock, told once": {callOf(gpuSource, gpuSource+"//fleet"), func(t *testing.T, dir, _ string) { breakLock(t, dir) }, []string{".dstack.lock.hcl:2", "Lock file cannot be read"}},
		"a lock that is a folder": {callOf(gpuSource, gpuSource+"//fleet"), func(t *testing.T, dir, _ string) {
			require.NoError(t, os.Remove(filepath.Join(dir, lockfile.Name)))
			require.NoError(t, os.Mkdir(filepath.Join(dir, lockfile.Name), 0o755))
		}, []string{"it is a folder"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, lock := fetched(t, tc.main, gpuRepo)
			if tc.change != nil {
				s, err := modsource.Parse(gpuSource)
				require.NoError(t, err)
				tc.change(t, dir, filepath.Join(dir, lock.Modules[s.Key()].Copy(s)))
			}
			_, list := Load(t.Context(), LoadOptions{Dir: dir})
			require.Len(t, list, 1)
			text := list[0].Summary + ": " + list[0].Detail
			if list[0].Range != nil {
				text = list[0].Range.String() + ": " + text
			}
			for _, want := range tc.want {
				require.Contains(t, text, want)
			}
		})
	}
}

func breakLock(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, lockfile.Name), []byte("\n<<<<<<< ours\n"), 0o644))
}

func TestABrokenLockIsNobodysBusinessWithoutRepositories(t *testing.T) {
	dir, _ := fetched(t, "locals {}\n", oneFile())
	breakLock(t, dir)
	_, list := Load(t.Context(), LoadOptions{Dir: dir})
	require.NoError(t, list.Err())
}

// oneFile is a repository of one file.
func oneFile() map[string]string { return map[string]string{"README.md": ""} }

func TestTheLineOfASecretIsNotShown(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.dstack.hcl"), []byte(callOf("https://me:hunter2@example.com/a.git")), 0o644))
	_, list := Load(t.Context(), LoadOptions{Dir: dir})
	require.True(t, list.HasErrors())
	for _, d := range list {
		require.NotContains(t, d.Detail, "hunter2")
		require.NotNil(t, d.Snippet)
		require.NotContains(t, d.Snippet.Code, "hunter2")
	}
	calls, _ := ModuleCalls(dir, ".")
	located := calls[0].Locate(diag.Errorf("Wrong", "It is."))
	require.NotContains(t, located[0].Snippet.Code, "hunter2")
}
