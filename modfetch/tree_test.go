package modfetch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/modfetch/gittest"
	"github.com/dstackai/dstack-planner/planner/lockfile"
)

func link(to string) gittest.Entry { return gittest.Entry{Mode: "120000", Content: to} }

func TestWhatIsWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(map[string]gittest.Entry{
		"disk/main.dstack.hcl": text("locals {}\n"),
		"run.sh":               {Mode: "100755", Content: "#!/bin/sh\n"},
		"old/mode":             {Mode: "100664", Content: "group may write\n"},
		"empty":                text(""),
		"a name with ü":        text("x"),
		"disk/run":             link("../run.sh"),
		"all":                  link("disk"),
		"deep/er/back":         link("../../all/run"),
		"nowhere":              link("not/there"),
		"sub/module":           {Mode: "160000", Content: strings.Repeat("ab", 20)},
		"lfs.bin":              text("version https://git-lfs.github.com/spec/v1\n"),
	})
	s := w.source("")
	got := w.must(s, lockfile.Pin{}, false)
	require.Len(t, got.Notes, 1)
	require.Contains(t, got.Notes[0].Detail, "Submodules of "+s.Key()+" are not fetched: sub/module.")
	dir := filepath.Join(w.root, got.Pin.Copy(s))
	require.Equal(t, "#!/bin/sh\n", w.read(s, got.Pin, "disk/run"))
	require.Equal(t, "#!/bin/sh\n", w.read(s, got.Pin, "deep/er/back"))
	require.Equal(t, "locals {}\n", w.read(s, got.Pin, "all/main.dstack.hcl"))
	require.Equal(t, "x", w.read(s, got.Pin, "a name with ü"))
	require.Empty(t, w.read(s, got.Pin, "empty"))
	for name, executable := range map[string]bool{"run.sh": true, "empty": false, "old/mode": false} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, executable, info.Mode()&0o100 != 0, name)
	}
	require.NoDirExists(t, filepath.Join(dir, "sub"))
	require.Equal(t, got.Pin, w.must(s, got.Pin, false).Pin)
}

func TestHostileRepositoriesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	outside := filepath.Join(t.TempDir(), "outside")
	for name, tc := range map[string]struct {
		files  map[string]gittest.Entry
		limits Limits
		want   string
	}{
		"a folder .git":                      {map[string]gittest.Entry{".git/config": text("x")}, Limits{}, "path that is not safe"},
		"a folder .GIT below":                {map[string]gittest.Entry{"a/.GIT/hooks/post-checkout": text("x")}, Limits{}, "path that is not safe"},
		"the short name of .git":             {map[string]gittest.Entry{"GIT~1/config": text("x")}, Limits{}, "path that is not safe"},
		"a path that climbs":                 {map[string]gittest.Entry{"../outside": text("x")}, Limits{}, "path that is not safe"},
		"a path with a point":                {map[string]gittest.Entry{"./a": text("x")}, Limits{}, "path that is not safe"},
		"a name that writes to the terminal": {map[string]gittest.Entry{"a\x1b[2Jb": text("x")}, Limits{}, "path that is not safe"},
		"an absolute link":                   {map[string]gittest.Entry{"a": link("/etc/passwd")}, Limits{}, "link that leads outside"},
		"a link that climbs":                 {map[string]gittest.Entry{"a/b": link("../../x")}, Limits{}, "link that leads outside"},
		"a link that climbs by another":      {map[string]gittest.Entry{"a/b/root": link("../.."), "a/b/x": link("root/../../x")}, Limits{}, "link that leads outside"},
		"a link into .git":                   {map[string]gittest.Entry{"a": link(".git/config")}, Limits{}, "link that leads outside"},
		"an empty link":                      {map[string]gittest.Entry{"a": link("")}, Limits{}, "link that leads outside"},
		"a link with a control character":    {map[string]gittest.Entry{"a": link("b\nc")}, Limits{}, "link that leads outside"},
		"a link as long as a file":           {map[string]gittest.Entry{"a": link(strings.Repeat("b/", 4000))}, Limits{}, "longer than a path"},
		"too many files":                     {map[string]gittest.Entry{"a": text(""), "b": text(""), "c": text("")}, Limits{Files: 2}, "more than 2 files"},
		"a file that is too large":           {map[string]gittest.Entry{"a": text(strings.Repeat("x", 3<<20))}, Limits{File: 2 << 20}, "a has 3 MB"},
		"files that are too large together":  {map[string]gittest.Entry{"a": text(strings.Repeat("x", 2<<20)), "b": text(strings.Repeat("y", 2<<20))}, Limits{Total: 3 << 20}, "more than 3 MB"},
	} {
		t.Run(name, func(t *testing.T) {
			w.commit(tc.files)
			o := w.options()
			o.Limits = tc.limits
			_, err := Fetch(t.Context(), w.root, w.source(""), lockfile.Pin{}, false, o)
			require.ErrorContains(t, err, tc.want)
			require.NoFileExists(t, outside)
			w.onlyCopies()
			entries, err := os.ReadDir(filepath.Join(w.root, lockfile.ModulesDir))
			require.NoError(t, err)
			require.Empty(t, entries, "nothing of it is kept")
		})
	}
}

func TestTwoThingsOfOneNameAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// git's trees cannot have a link and a folder of one name, but a broken one can.
	blob, err := w.repo.Git("x", "hash-object", "-w", "--stdin")
	require.NoError(t, err)
	to, err := w.repo.Git("elsewhere", "hash-object", "-w", "--stdin")
	require.NoError(t, err)
	inner, err := w.repo.Git("100644 blob "+blob+"\tfile\n", "mktree")
	require.NoError(t, err)
	tree, err := w.repo.Git(rawEntry(t, "120000 a", to)+rawEntry(t, "40000 a", inner), "hash-object", "-t", "tree", "-w", "--literally", "--stdin")
	require.NoError(t, err)
	commit, err := w.repo.Git("", "commit-tree", tree, "-m", "broken")
	require.NoError(t, err)
	w.git("update-ref", "refs/heads/main", commit)
	_, err = w.fetch(w.source(""), lockfile.Pin{}, false)
	require.ErrorContains(t, err, "Repository has two files of one name")
	w.onlyCopies()
}

// rawEntry is an entry of a tree object.
func rawEntry(t *testing.T, head, object string) string {
	t.Helper()
	raw, err := gittest.RawObject(object)
	require.NoError(t, err)
	return head + "\x00" + raw
}

func TestStaysInside(t *testing.T) {
	for name, tc := range map[string]struct {
		link, target string
		want         bool
	}{
		"beside":                    {"a", "b", true},
		"below":                     {"a", "b/c", true},
		"with points":               {"a", "././b//c/", true},
		"itself, in the end":        {"a/b", "..", true},
		"one up":                    {"a/b", "../c", true},
		"as far up as there is":     {"a/b/c", "../../d", true},
		"the top itself":            {"a/b/c", "../..", true},
		"too far up":                {"a/b/c", "../../../d", false},
		"too far up from the top":   {"a", "..", false},
		"up after a name":           {"a/b/c", "x/../y", false},
		"absolute":                  {"a", "/b", false},
		"empty":                     {"a", "", false},
		"into a repository":         {"a", "x/.Git/hooks", false},
		"a name with points is one": {"a", "..b/...", true},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, staysInside(tc.link, tc.target)) })
	}
}

func TestReadEntryRefusesWhatGitDoesNotPrint(t *testing.T) {
	object := strings.Repeat("ab", 20)
	for name, line := range map[string]string{
		"nothing":              "",
		"no path":              "100644 blob " + object + "       3",
		"a size that is none":  "100644 blob " + object + "       x\ta",
		"a size below nothing": "100644 blob " + object + "      -3\ta",
		"a mode of a device":   "060000 blob " + object + "       3\ta",
		"an absolute path":     "100644 blob " + object + "       3\t/a",
		"a path of nothing":    "100644 blob " + object + "       3\t",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readEntry(line)
			require.Error(t, err)
		})
	}
}
