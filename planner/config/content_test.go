package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/content"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/schema"
)

// codeOf loads a configuration with files beside it and gives what its jobs get, or what is wrong.
func codeOf(t *testing.T, dir, text string, ranks int, o config.LoadOptions) ([]cty.Value, diag.List, *config.Config) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.dstack.hcl"), []byte(text), 0o644))
	o.Dir = dir
	c, list := config.Load(t.Context(), o)
	require.NoError(t, list.Err())
	b := c.Block(addr.Block{Type: "task", Name: "train"})
	require.NotNil(t, b)
	d, list := c.Decode(config.Instance{Addr: b.Addr.Instance(addr.NoKey), Block: b}, nil)
	var jobs []cty.Value
	for rank := range ranks {
		v, more := d.Job(rank, ranks, 0)
		list = append(list, more...)
		jobs = append(jobs, v)
	}
	return jobs, list, c
}

func files(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		full := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(t, os.WriteFile(full, []byte(name), 0o644))
	}
}

func TestWhatJobsGet(t *testing.T) {
	dir := t.TempDir()
	files(t, dir, "src/a", "src/b/c", "node0/x", "node1/x", "conf.toml")
	jobs, list, c := codeOf(t, dir, `task "train" {
  nodes    = 2
  commands = ["true"]
  repo {
    path = "src"
  }
  files = ["conf.toml", "node${node.rank}/x:in/x"]
}`, 2, config.LoadOptions{})
	require.Empty(t, list)
	s, err := content.Scan(t.Context(), filepath.Join(dir, "src"), 0)
	require.NoError(t, err)
	for _, j := range jobs {
		require.True(t, j.GetAttr("repo").RawEquals(schema.Encode(schema.Repo{Path: "src", Digest: s.Digest(), Files: 2, Bytes: 12})), "%#v", j.GetAttr("repo"))
	}
	digest := func(i int) string {
		return jobs[i].GetAttr("files").Index(cty.NumberIntVal(1)).GetAttr("digest").AsString()
	}
	require.NotEqual(t, digest(0), digest(1), "what differs between jobs is read for each")
	require.Equal(t, "conf.toml", jobs[0].GetAttr("files").Index(cty.Zero).GetAttr("path").AsString())

	t.Run("a plan's answers stand in for what is there", func(t *testing.T) {
		given := c.FileAnswers()
		require.Len(t, given, 4)
		require.NoError(t, os.RemoveAll(filepath.Join(dir, "src")))
		again, list := config.Load(t.Context(), config.LoadOptions{Dir: t.TempDir(), Sources: c.Sources(), FileAnswers: given})
		require.NoError(t, list.Err())
		b := again.Block(addr.Block{Type: "task", Name: "train"})
		d, list := again.Decode(config.Instance{Addr: b.Addr.Instance(addr.NoKey), Block: b}, nil)
		require.Empty(t, list)
		v, list := d.Job(1, 2, 0)
		require.Empty(t, list)
		require.True(t, v.GetAttr("repo").RawEquals(jobs[1].GetAttr("repo")))
		require.True(t, v.GetAttr("files").RawEquals(jobs[1].GetAttr("files")))
	})
	t.Run("what has changed is not staged", func(t *testing.T) {
		store := content.Store(t.TempDir())
		of := config.FileContent("conf.toml")
		m, _, err := config.ReadContent(dir, of, 0)
		require.NoError(t, err)
		require.NoError(t, config.StageContent(t.Context(), dir, of, m.Digest(), store))
		_, err = store.Manifest(m.Digest())
		require.NoError(t, err)
		files(t, dir, "conf.toml")
		require.NoError(t, os.WriteFile(filepath.Join(dir, "conf.toml"), nil, 0o644))
		require.ErrorIs(t, config.StageContent(t.Context(), dir, of, m.Digest(), store), content.ErrChanged)
		require.ErrorIs(t, config.StageContent(t.Context(), dir, config.RepoContent("src"), m.Digest(), store), os.ErrNotExist)
	})
}

func TestWhatJobsCannotGet(t *testing.T) {
	dir := t.TempDir()
	files(t, dir, "src/large", "src/larger", "one")
	require.NoError(t, os.Truncate(filepath.Join(dir, "src/larger"), 3<<30))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "bad"), 0o755))
	for name, tt := range map[string]struct{ code, summary, detail string }{
		"a folder that is not there":      {`repo { path = "nowhere" }`, "Folder cannot be read", `There is no folder "nowhere". Relative paths start at the folder of the configuration`},
		"a file for a folder":             {`repo { path = "one" }`, "Folder cannot be read", `"one": it is no folder.`},
		"a folder above the limit":        {`repo { path = "src" }`, "Folder is too large", "\"src\" has 3GB, and what is sent to a job may have 100MB. The largest files are:\n  3GB      \"larger\"\n  9B       \"large\""},
		"a path that is secret":           {`repo { path = sensitive("src") }`, "Path is sensitive", "nonsensitive(...)"},
		"a file that is not there":        {`files = ["none:x"]`, "File cannot be read", `There is no file "none".`},
		"a folder for a file":             {`files = ["bad:x"]`, "File cannot be read", `files takes single ones; a folder is the code of the run`},
		"a file above the limit":          {`files = ["src/larger:x"]`, "File is too large", `DSTACK_CODE_UPLOAD_LIMIT=4GB`},
		"two files at one place":          {`files = ["one:x", "main.dstack.hcl:./x"]`, "Two files have one place", `"x" is where files[0] goes already`},
		"a file outside":                  {`files = ["one:../x"]`, "File is outside", "stays inside of it"},
		"a file that is to be a folder":   {`files = ["one:x/"]`, "File has no name", "ends with a slash"},
		"a file from elsewhere, unplaced": {`files = ["/etc/hosts"]`, "File has no place", `"/etc/hosts:hosts"`},
		"half a mapping":                  {`files = ["one:"]`, "File cannot be read", `"LOCAL:REMOTE"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, list, _ := codeOf(t, dir, "task \"train\" {\n  commands = [\"true\"]\n  "+tt.code+"\n}\n", 1, config.LoadOptions{})
			require.Len(t, list.Errors(), 1)
			require.Equal(t, tt.summary, list[0].Summary)
			require.Contains(t, list[0].Detail, tt.detail)
			require.NotNil(t, list[0].Range)
			require.Equal(t, 3, list[0].Range.Start.Line)
		})
	}
	t.Run("each within the limit, and not all together", func(t *testing.T) {
		dir := t.TempDir()
		files(t, dir, "src/a", "src/bb", "one", "two")
		code := `task "train" {
  nodes    = 2
  commands = ["true"]
  repo {
    path = "src"
  }
  files = ["one:x", "two:y${node.rank}"]
}`
		_, list, _ := codeOf(t, dir, code, 1, config.LoadOptions{UploadLimit: 17})
		require.Empty(t, list)
		_, list, _ = codeOf(t, dir, code, 1, config.LoadOptions{UploadLimit: 16})
		require.Len(t, list.Errors(), 1)
		require.Equal(t, "Code is too large", list[0].Summary)
		require.Contains(t, list[0].Detail, "has 17B together, and what is sent to a job may have 16B. The largest files are:\n  6B       \"src/bb\"\n  5B       \"src/a\"\n")
		require.Equal(t, 7, list[0].Range.Start.Line, "files are what goes above the limit")
	})
	t.Run("the limit can be another", func(t *testing.T) {
		_, list, _ := codeOf(t, dir, `task "train" {
  commands = ["true"]
  files    = ["one:x"]
}`, 1, config.LoadOptions{UploadLimit: 2})
		require.Len(t, list.Errors(), 1)
	})
}
