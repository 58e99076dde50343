package config_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/content"
	"github.com/dstackai/dstack-planner/gitrepo"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/schema"
)

// world is what servers and checkouts answer, and what they were asked.
type world struct {
	asked   []string
	commit  string
	base    string
	changes []string // paths from the folder of the configuration
	err     error
}

var oneCommit = strings.Repeat("1", 40)

func (w *world) repositories() config.Repositories {
	return config.Repositories{
		Resolve: func(r gitrepo.Remote, branch, commit string) (gitrepo.Resolved, error) {
			w.asked = append(w.asked, strings.Join([]string{r.URL, branch, commit, r.Token}, " "))
			if commit == "" {
				commit = w.commit
			}
			return gitrepo.Resolved{Commit: commit, Branch: branch}, w.err
		},
		Base: func(_, shown, url string) (string, error) { return w.base, nil },
		Changes: func(ctx context.Context, dir, shown, url, commit string, limit int64) (*content.Scanned, error) {
			return content.ScanPaths(ctx, dir, w.changes, limit)
		},
	}
}

func repoBlock(lines ...string) string {
	return "task \"train\" {\n  commands = [\"true\"]\n  repo {\n    " + strings.Join(lines, "\n    ") + "\n  }\n}\n"
}

func TestRepositoriesOfRuns(t *testing.T) {
	const url = "https://git.example.com/train"
	for name, tt := range map[string]struct {
		lines []string
		world world
		want  schema.Repo
		asked []string
	}{
		"a branch": {
			[]string{`url = "` + url + `"`, `branch = "main"`}, world{commit: oneCommit},
			schema.Repo{URL: url, Branch: "main", Commit: oneCommit}, []string{url + " main  "}},
		"a commit is asked for too, for it may not be there": {
			[]string{`url = "` + url + `"`, `commit = "` + oneCommit + `"`, `token = "t"`}, world{},
			schema.Repo{URL: url, Commit: oneCommit, Token: "t"}, []string{url + "  " + oneCommit + " t"}},
		"a checkout without changes": {
			[]string{`url = "` + url + `"`, `path = "work"`}, world{base: oneCommit},
			schema.Repo{URL: url, Path: "work", Commit: oneCommit}, []string{url + "  " + oneCommit + " "}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files(t, dir, "work/a")
			jobs, list, c := codeOf(t, dir, repoBlock(tt.lines...), 2, config.LoadOptions{Repos: tt.world.repositories()})
			require.Empty(t, list)
			require.Empty(t, cmp.Diff(tt.asked, tt.world.asked), "each is asked once")
			for _, j := range jobs {
				v, paths := j.GetAttr("repo").UnmarkDeepWithPaths()
				require.True(t, v.RawEquals(schema.Encode(tt.want)), "%#v", v)
				for _, p := range paths {
					require.Equal(t, "token", p.Path[len(p.Path)-1].(cty.GetAttrStep).Name, "nothing else is sensitive")
				}
			}
			// A saved plan has the answers, and asks nobody.
			again, list := config.Load(t.Context(), config.LoadOptions{Dir: dir, Sources: c.Sources(), FileAnswers: c.FileAnswers()})
			require.NoError(t, list.Err())
			b := again.Block(addr.Block{Type: "task", Name: "train"})
			d, list := again.Decode(config.Instance{Addr: b.Addr.Instance(addr.NoKey), Block: b}, nil)
			require.Empty(t, list)
			v, list := d.Job(0, 2, 0)
			require.Empty(t, list)
			require.True(t, v.GetAttr("repo").RawEquals(jobs[0].GetAttr("repo")))
		})
	}
	t.Run("changes of a checkout count", func(t *testing.T) {
		dir := t.TempDir()
		files(t, dir, "work/a", "work/bb")
		w := world{base: oneCommit, changes: []string{"a", "bb", "gone"}}
		block := repoBlock(`url = "`+url+`"`, `path = "work"`)
		jobs, list, c := codeOf(t, dir, block, 1, config.LoadOptions{Repos: w.repositories()})
		require.Empty(t, list)
		require.True(t, jobs[0].GetAttr("repo").GetAttr("file_count").RawEquals(cty.NumberIntVal(3)))
		digest := jobs[0].GetAttr("repo").GetAttr("digest").AsString()
		store := content.Store(t.TempDir())
		require.NoError(t, c.Stage(t.Context(), config.ChangesContent("work", url, oneCommit), digest, store))
		require.True(t, store.Has(digest))
		files(t, dir, "work/c")
		w.changes = append(w.changes, "c")
		require.ErrorIs(t, c.Stage(t.Context(), config.ChangesContent("work", url, oneCommit), digest, store), content.ErrChanged)

		_, list, _ = codeOf(t, dir, block, 1, config.LoadOptions{Repos: w.repositories(), UploadLimit: 10})
		require.Len(t, list.Errors(), 1)
		require.Equal(t, "Folder is too large", list[0].Summary)
	})
	t.Run("who looks only asks nobody", func(t *testing.T) {
		jobs, list, _ := codeOf(t, t.TempDir(), repoBlock(`url = "`+url+`"`), 1, config.LoadOptions{})
		require.Empty(t, list)
		require.False(t, jobs[0].GetAttr("repo").IsKnown())
	})
}

func TestRepositoriesThatRunsCannotHave(t *testing.T) {
	const url = `url = "https://git.example.com/train"`
	answer := func(kind gitrepo.Kind, names ...string) error {
		return &gitrepo.Error{Kind: kind, URL: "https://git.example.com/train", What: "it is so", Names: names}
	}
	for name, tt := range map[string]struct {
		lines           []string
		err             error
		line            int // of the mistake, within the block
		summary, detail string
	}{
		"neither path nor url":            {[]string{`path = null`}, nil, 0, "Code comes from nowhere", `path = "."`},
		"a branch of a folder":            {[]string{`path = "."`, `branch = "main"`}, nil, 2, "Repository has no url", "branch is for a repository that is cloned"},
		"an empty text":                   {[]string{`url = ""`}, nil, 1, "Text is empty", "url is an empty text"},
		"an empty token":                  {[]string{url, `token = ""`}, nil, 2, "Secret is empty", "open to all"},
		"a folder for an address":         {[]string{`url = "../train"`}, nil, 1, "Address cannot be used", "a folder of this machine into path"},
		"credentials in an address":       {[]string{`url = "https://a:secret@git.example.com/x"`}, nil, 1, "Address cannot be used", "there are credentials in it"},
		"an address that is secret":       {[]string{`url = sensitive("https://git.example.com/x")`}, nil, 1, "Value is sensitive", "nonsensitive(...)"},
		"a branch and a commit":           {[]string{url, `branch = "main"`, `commit = "` + oneCommit + `"`}, nil, 3, "Branch and commit are given", "Leave one of them out"},
		"half a commit":                   {[]string{url, `commit = "0123"`}, nil, 2, "Commit cannot be read", "git rev-parse '0123'"},
		"a branch that is none":           {[]string{url, `branch = "a..b"`}, nil, 2, "Branch cannot be read", "can be no name"},
		"a token over http":               {[]string{`url = "http://git.example.com/x"`, `token = "t"`}, nil, 2, "Credentials cannot be used", "in clear"},
		"SSH without a key":               {[]string{`url = "git@git.example.com:x"`}, nil, 1, "Repository needs credentials", "private_key = file"},
		"SSH to a host that is not known": {[]string{`url = "ssh://git@git.example.com:2222/x"`, `private_key = "x"`}, nil, 1, "Host is not known", "ssh-keyscan -p 2222 git.example.com > known_hosts"},
		"a server that wants a token":     {[]string{url}, answer(gitrepo.NeedsToken), 1, "Repository needs credentials", "token = var.git_token"},
		"a token that is refused":         {[]string{url, `token = "t"`}, answer(gitrepo.Refused), 2, "Credentials are refused", "may have expired"},
		"a repository that is not there":  {[]string{url}, answer(gitrepo.NotFound), 1, "Repository is not there", "Check the address"},
		"a server that is away":           {[]string{url}, answer(gitrepo.Unreachable), 1, "Server cannot be reached", "git ls-remote 'https://git.example.com/train'"},
		"no branch of that name":          {[]string{url, `branch = "mian"`}, answer(gitrepo.NoBranch, "main"), 2, "Branch is not there", `Similar ones are "main"`},
		"no such commit":                  {[]string{url, `commit = "` + oneCommit + `"`}, answer(gitrepo.NoCommit), 2, "Commit is not in the repository", "Push it"},
		"submodules":                      {[]string{url}, answer(gitrepo.Submodules, "libs/x"), 1, "Repository has submodules", `"libs/x". Send a checkout`},
		"an empty repository":             {[]string{url}, answer(gitrepo.Empty), 1, "Repository is empty", "Push a commit"},
	} {
		t.Run(name, func(t *testing.T) {
			w := world{err: tt.err, commit: oneCommit}
			_, list, _ := codeOf(t, t.TempDir(), repoBlock(tt.lines...), 1, config.LoadOptions{Repos: w.repositories()})
			require.Len(t, list.Errors(), 1)
			require.Equal(t, tt.summary, list[0].Summary)
			require.Contains(t, list[0].Detail, tt.detail)
			require.NotContains(t, list[0].Detail, "secret@")
			require.NotNil(t, list[0].Range)
			require.Equal(t, 3+tt.line, list[0].Range.Start.Line)
		})
	}
}
