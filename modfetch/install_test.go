package modfetch

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/modfetch/gittest"
	"github.com/dstackai/dstack-planner/planner/lockfile"
)

// write writes the configuration. A file whose path begins with ../ lies beside it.
func (w *world) write(files map[string]string) {
	w.Helper()
	if filepath.Base(w.root) != "config" {
		w.root = filepath.Join(w.root, "config")
	}
	for name, text := range files {
		p := filepath.Join(w.root, name)
		require.NoError(w, os.MkdirAll(filepath.Dir(p), 0o755))
		require.NoError(w, os.WriteFile(p, []byte(text), 0o644))
	}
}

func calling(source string) string { return "module \"m\" {\n  source = \"" + source + "\"\n}\n" }

// install installs by a lock that is read and written as dstack init does.
func (w *world) install(upgrade bool) ([]Installed, error) {
	w.Helper()
	lock, err := lockfile.Read(w.root)
	require.NoError(w, err)
	got, err := Install(w.Context(), w.root, lock, upgrade, w.options())
	require.NoError(w, lock.Write(w.root))
	return got, err
}

func (w *world) list() []string {
	w.Helper()
	lock, err := lockfile.Read(w.root)
	require.NoError(w, err)
	all, diags := List(w.root, lock)
	require.Empty(w, diags)
	var out []string
	for _, m := range all {
		line := string(m.Path) + " " + m.Dir
		if m.Problem != nil {
			text, _, _ := strings.Cut(m.Problem.Error(), "\n")
			line += " ! " + text
		}
		out = append(out, line)
	}
	return out
}

func TestInstallFollowsCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lib, err := gittest.Init(filepath.Join(filepath.Dir(w.repo.Dir), "lib.git"), "sha1")
	require.NoError(t, err)
	libCommit, err := lib.Commit(map[string]gittest.Entry{"main.dstack.hcl": text("locals {}\n")})
	require.NoError(t, err)
	commit := w.commit(map[string]gittest.Entry{
		"train/main.dstack.hcl": text("module \"disk\" {\n  source = \"../disk\"\n}\nmodule \"lib\" {\n  source = \"git::" + w.server.Repo("acme/lib.git") + "\"\n}\n"),
		"disk/main.dstack.json": text("{}"),
	})
	gpu := "git::" + w.server.Repo("acme/gpu.git")
	w.write(map[string]string{
		"main.dstack.hcl":           "module \"near\" {\n  source = \"./net\"\n}\nmodule \"far\" {\n  source = \"" + gpu + "//train?ref=main\"\n}\n",
		"net/main.dstack.hcl":       "module \"shared\" {\n  source = \"../../shared\"\n}\n",
		"../shared/main.dstack.hcl": "module \"disk\" {\n  source = \"" + gpu + "//disk?ref=main\"\n}\n",
	})
	at, libAt := ".dstack/modules/gpu@"+commit[:12], ".dstack/modules/lib@"+libCommit[:12]
	require.Equal(t, []string{
		"module.near net",
		"module.near.module.shared ../shared",
		"module.near.module.shared.module.disk  ! the module " + gpu + "//disk?ref=main was not fetched yet: .dstack.lock.hcl does not pin it. Fetch it with:",
		"module.far  ! the module " + gpu + "//train?ref=main was not fetched yet: .dstack.lock.hcl does not pin it. Fetch it with:",
	}, w.list())

	got, err := w.install(false)
	require.NoError(t, err)
	require.Len(t, got, 2, "each repository once")
	require.Equal(t, gpu+"?ref=main", got[0].Key)
	require.Equal(t, commit, got[0].Pin.Commit)
	require.Equal(t, lockfile.Pin{}, got[0].Was)
	require.Equal(t, libCommit, got[1].Pin.Commit)
	require.Equal(t, []string{
		"module.near net",
		"module.near.module.shared ../shared",
		"module.near.module.shared.module.disk " + at + "/disk",
		"module.far " + at + "/train",
		"module.far.module.disk " + at + "/disk",
		"module.far.module.lib " + libAt,
	}, w.list())

	// Again, without a network.
	w.server.Close()
	got, err = w.install(false)
	require.NoError(t, err)
	require.Len(t, got, 2)
	for _, i := range got {
		require.False(t, i.Network)
		require.Equal(t, i.Was, i.Pin)
	}

	// What nobody calls any more is not pinned any more; the files stay.
	w.write(map[string]string{"main.dstack.hcl": calling("./net")})
	_, err = w.install(false)
	require.NoError(t, err)
	lock, err := lockfile.Read(w.root)
	require.NoError(t, err)
	require.Len(t, lock.Modules, 1)

	// A changed copy is told from a right one.
	require.NoError(t, os.WriteFile(filepath.Join(w.root, at, "disk/more.dstack.hcl"), nil, 0o644))
	require.Contains(t, strings.Join(w.list(), "\n"), "the files in "+at+" are not those that .dstack.lock.hcl pins")
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.commit(module("1GB"))
	w.write(map[string]string{"main.dstack.hcl": calling("git::" + w.server.Repo("acme/gpu.git") + "//disk?ref=main")})
	_, err := w.install(false)
	require.NoError(t, err)
	second := w.commit(module("2GB"))
	got, err := w.install(false)
	require.NoError(t, err)
	require.Equal(t, first, got[0].Pin.Commit, "a branch that moved is not taken unasked")
	got, err = w.install(true)
	require.NoError(t, err)
	require.Equal(t, first, got[0].Was.Commit)
	require.Equal(t, second, got[0].Pin.Commit)
	got, err = w.install(true)
	require.NoError(t, err)
	require.True(t, got[0].Network)
	require.False(t, got[0].Written)
	require.Equal(t, got[0].Was, got[0].Pin)
}

func TestInstallSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(map[string]gittest.Entry{
		"disk/main.dstack.hcl": text("locals {}\n"),
		"docs/README.md":       text("no module\n"),
		"out/main.dstack.hcl":  text(calling("../../other")),
		"odd/main.dstack.hcl":  text(calling("https://example.com/a.zip")),
	})
	gpu := "git::" + w.server.Repo("acme/gpu.git")
	for name, tc := range map[string]struct {
		files map[string]string
		want  []string // in this order
	}{
		"a source that is none":                     {map[string]string{"main.dstack.hcl": calling("modules/net")}, []string{"main.dstack.hcl:2", "Source of a module cannot be used", "./modules/net"}},
		"a folder that is not there":                {map[string]string{"main.dstack.hcl": calling("./none")}, []string{"main.dstack.hcl:2", "Module is not there", "There is no folder none"}},
		"a folder without a configuration":          {map[string]string{"main.dstack.hcl": calling("./x"), "x/README.md": ""}, []string{"x has no *.dstack.hcl"}},
		"a folder that the repository has not":      {map[string]string{"main.dstack.hcl": calling(gpu + "//none")}, []string{`The repository has no folder "none"`, "It has them in disk, odd, out."}},
		"a folder of the repository without one":    {map[string]string{"main.dstack.hcl": calling(gpu + "//docs")}, []string{`no folder "docs" with *.dstack.hcl`}},
		"a module that leaves its repository":       {map[string]string{"main.dstack.hcl": calling(gpu + "//out")}, []string{"out/main.dstack.hcl:2", "leads out of the repository"}},
		"a source within a repository that is none": {map[string]string{"main.dstack.hcl": calling(gpu + "//odd")}, []string{"odd/main.dstack.hcl:2", "not from archives"}},
		"a syntax error":                            {map[string]string{"main.dstack.hcl": "module \"m\" {\n"}, []string{"main.dstack.hcl"}},
		"a repository that is not there":            {map[string]string{"main.dstack.hcl": calling("git::" + w.server.Repo("none.git"))}, []string{"main.dstack.hcl:2", "Repository is not there"}},
		"two at once": {map[string]string{"main.dstack.hcl": calling("./none"), "two.dstack.hcl": calling("git::" + w.server.Repo("none.git"))},
			[]string{"main.dstack.hcl:2", "There is no folder none", "two.dstack.hcl:2", "Repository is not there"}},
	} {
		t.Run(name, func(t *testing.T) {
			w.root = t.TempDir()
			w.write(tc.files)
			_, err := w.install(false)
			require.Error(t, err)
			text := ""
			for _, d := range diag.From(err, "") {
				text += d.Range.String() + " " + d.Summary + ": " + d.Detail + "\n"
				require.Equal(t, "module.m", orNot(d.Address))
				require.NotNil(t, d.Snippet)
			}
			at := 0
			for _, want := range tc.want {
				i := strings.Index(text[at:], want)
				require.GreaterOrEqual(t, i, 0, "%q in %s", want, text)
				at += i
			}
		})
	}
}

// orNot lets diagnostics about a whole file pass, which are about no call.
func orNot(address string) string {
	if address == "" {
		return "module.m"
	}
	return address
}

func TestWhatWasFetchedIsKeptWhenSomethingElseIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	commit := w.commit(module("1GB"))
	w.write(map[string]string{"main.dstack.hcl": calling("git::" + w.server.Repo("acme/gpu.git") + "//disk"), "two.dstack.hcl": calling("./none")})
	_, err := w.install(false)
	require.Error(t, err)
	lock, err := lockfile.Read(w.root)
	require.NoError(t, err)
	require.Len(t, lock.Modules, 1)
	require.Equal(t, commit, lock.Modules["git::"+w.server.Repo("acme/gpu.git")].Commit)
}

func TestModulesThatCallEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gpu := "git::" + w.server.Repo("acme/gpu.git")
	w.commit(map[string]gittest.Entry{"a/main.dstack.hcl": text(calling("../b")), "b/main.dstack.hcl": text(calling(gpu + "//a"))})
	w.write(map[string]string{"main.dstack.hcl": calling(gpu + "//a"), "b/main.dstack.hcl": "", "x/main.dstack.hcl": calling("../x")})
	got, err := w.install(false)
	require.NoError(t, err, "Load says that they do")
	require.Len(t, got, 1)
	require.Len(t, w.list(), 3)
	w.write(map[string]string{"main.dstack.hcl": calling("./x")})
	_, err = w.install(false)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff([]string{"module.m x", "module.m.module.m x"}, w.list()))
}

func TestInstallEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(map[string]string{"main.dstack.hcl": calling("git::" + w.server.Repo("acme/gpu.git"))})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Install(ctx, w.root, &lockfile.Lock{}, false, w.options())
	require.ErrorIs(t, err, context.Canceled)
}
