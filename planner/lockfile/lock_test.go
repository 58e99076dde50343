package lockfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

var (
	commit = strings.Repeat("0a4d55a8", 5)
	digest = "sha256:" + strings.Repeat("4355a46b", 8)
)

const key = "git::https://github.com/acme/gpu.git?ref=v1.2.0"

func TestALockIsReadAsItWasWritten(t *testing.T) {
	l := &Lock{
		Providers: map[string][]string{"zeta": {"bb", "aa", "bb"}, "acme": {"cc"}},
		Modules:   map[string]Pin{key: {commit, digest}, "git::git@example.com:a/b.git": {commit, digest}},
	}
	want := `# What this configuration uses and does not hold itself. Written by dstack init; keep it in version control.

provider "acme" {
  sha256 = [
    "cc",
  ]
}

provider "zeta" {
  sha256 = [
    "aa",
    "bb",
  ]
}

module "git::git@example.com:a/b.git" {
  commit = "` + commit + `"
  digest = "` + digest + `"
}

module "git::https://github.com/acme/gpu.git?ref=v1.2.0" {
  commit = "` + commit + `"
  digest = "` + digest + `"
}
`
	require.Empty(t, cmp.Diff(want, string(l.Text())))
	dir := t.TempDir()
	require.NoError(t, l.Write(dir))
	got, err := Read(dir)
	require.NoError(t, err)
	require.Equal(t, string(l.Text()), string(got.Text()))
	require.Equal(t, l.Modules, got.Modules)
}

func TestWriteLeavesAloneWhatIsRightAlready(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, (&Lock{}).Write(dir))
	require.NoFileExists(t, filepath.Join(dir, Name), "a lock that pins nothing makes no file")
	l := &Lock{Modules: map[string]Pin{key: {commit, digest}}}
	require.NoError(t, l.Write(dir))
	before, err := os.Stat(filepath.Join(dir, Name))
	require.NoError(t, err)
	require.NoError(t, l.Write(dir))
	after, err := os.Stat(filepath.Join(dir, Name))
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after))
	require.NoError(t, (&Lock{}).Write(dir), "what is pinned no more goes")
	got, err := Read(dir)
	require.NoError(t, err)
	require.Empty(t, got.Modules)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing temporary is left")
}

func TestParseRefusesWhatInitDidNotWrite(t *testing.T) {
	entry := func(source, commit, digest string) string {
		return "module \"" + source + "\" {\n  commit = \"" + commit + "\"\n  digest = \"" + digest + "\"\n}\n"
	}
	for name, tc := range map[string]struct{ text, want string }{
		"no HCL":                        {"module {{{", "version control"},
		"a conflict of a merge":         {"<<<<<<< ours\n", "Keep the entries of both sides"},
		"a conflict further down":       {"# x\n<<<<<<< ours", ":2: "},
		"a block that nobody knows":     {"plugin \"x\" {}\n", "version control"},
		"an argument that nobody knows": {"module \"" + key + "\" {\n  branch = \"x\"\n}\n", "version control"},
		"an expression":                 {"module \"" + key + "\" {\n  commit = file(\"x\")\n  digest = \"\"\n}\n", "version control"},
		"a source in another form":      {entry("github.com/acme/gpu?ref=v1.2.0", commit, digest), "no source as dstack init writes it"},
		"a source with a folder":        {entry("git::https://github.com/acme/gpu.git//x", commit, digest), "no source as dstack init writes it"},
		"a local source":                {entry("./x", commit, digest), "no source as dstack init writes it"},
		"a source that runs programs":   {entry("git::ext::sh", commit, digest), "no source as dstack init writes it"},
		"the same source twice":         {entry(key, commit, digest) + entry(key, commit, digest), "pinned twice"},
		"half a commit":                 {entry(key, commit[:7], digest), "40 hexadecimal digits"},
		"a commit that climbs":          {entry(key, "../../../../../../../../../../../../etc/passw", digest), "40 hexadecimal digits"},
		"a digest of another kind":      {entry(key, commit, "h1:abc="), "64 hexadecimal digits"},
		"brackets without end":          {"a = " + strings.Repeat("[", 1<<20), "brackets and operators"},
		"operators without end":         {"a = (" + strings.Repeat("!\n", 1<<20), "brackets and operators"},
		"far too much":                  {strings.Repeat("#", largest+1), "a lock file is small"},
	} {
		t.Run(name, func(t *testing.T) {
			_, list := Parse(Name, []byte(tc.text))
			require.True(t, list.HasErrors())
			require.Contains(t, list.Err().Error(), tc.want)
			for _, d := range list {
				require.Equal(t, "Lock file cannot be read", d.Summary)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	l := &Lock{Providers: map[string][]string{"acme": {"aa"}}, Modules: map[string]Pin{key: {commit, digest}}}
	f.Add(l.Text())
	f.Add([]byte("<<<<<<< a\n=======\n>>>>>>> b\n"))
	f.Add([]byte("module \"x\" {}\nprovider \"\" { sha256 = [null] }\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, list := Parse(Name, text)
		for _, d := range list {
			require.NotEmpty(t, d.Detail)
		}
		if list.HasErrors() {
			return
		}
		again, list := Parse(Name, l.Text())
		require.NoError(t, list.Err(), "%s", l.Text())
		require.Equal(t, l.Modules, again.Modules)
	})
}

func TestReadSaysWhereAnErrorIs(t *testing.T) {
	dir := t.TempDir()
	l, err := Read(dir)
	require.NoError(t, err)
	require.Empty(t, l.Modules)
	require.NoError(t, os.WriteFile(filepath.Join(dir, Name), []byte("\n\nmodule \"./x\" {\n  commit = \"\"\n  digest = \"\"\n}\n"), 0o644))
	_, err = Read(dir)
	require.ErrorContains(t, err, Name+":3: ")
	require.NoError(t, os.Remove(filepath.Join(dir, Name)))
	require.NoError(t, os.Mkdir(filepath.Join(dir, Name), 0o755))
	_, err = Read(dir)
	require.ErrorContains(t, err, "read lock file")
}
