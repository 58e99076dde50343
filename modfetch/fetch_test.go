package modfetch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/modfetch/gittest"
	"github.com/dstackai/dstack-planner/planner/lockfile"
	"github.com/dstackai/dstack-planner/planner/modsource"
)

// world is a server with one repository, acme/gpu.git, and the folder of a configuration.
type world struct {
	*testing.T
	root   string
	repo   *gittest.Repo
	server *gittest.Server
	home   string
	env    []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	repos := t.TempDir()
	repo, err := gittest.Init(filepath.Join(repos, "acme", "gpu.git"), "sha1")
	require.NoError(t, err)
	server, err := gittest.Serve(repos)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	home := t.TempDir()
	return &world{T: t, root: t.TempDir(), repo: repo, server: server, home: home, env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "GIT_CONFIG_NOSYSTEM=1", "GIT_SSL_CAINFO=" + server.CA,
	}}
}

func text(s string) gittest.Entry { return gittest.Entry{Mode: "100644", Content: s} }

// module is what most repositories here hold.
func module(size string) map[string]gittest.Entry {
	return map[string]gittest.Entry{"disk/main.dstack.hcl": text("volume \"data\" {\n  size = \"" + size + "\"\n}\n"), "README.md": text("modules\n")}
}

func (w *world) commit(files map[string]gittest.Entry) string {
	w.Helper()
	c, err := w.repo.Commit(files)
	require.NoError(w, err)
	return c
}

func (w *world) git(args ...string) {
	w.Helper()
	_, err := w.repo.Git("", args...)
	require.NoError(w, err)
}

// source is one of the repository, with what follows its address.
func (w *world) source(rest string) modsource.Source {
	w.Helper()
	s, err := modsource.Parse("git::" + w.server.Repo("acme/gpu.git") + rest)
	require.NoError(w, err)
	return s
}

func (w *world) options() Options { return Options{Environ: w.env} }

func (w *world) fetch(s modsource.Source, pin lockfile.Pin, upgrade bool) (Fetched, error) {
	return Fetch(w.Context(), w.root, s, pin, upgrade, w.options())
}

func (w *world) must(s modsource.Source, pin lockfile.Pin, upgrade bool) Fetched {
	w.Helper()
	got, err := w.fetch(s, pin, upgrade)
	require.NoError(w, err)
	return got
}

// read reads a file of a copy.
func (w *world) read(s modsource.Source, pin lockfile.Pin, name string) string {
	w.Helper()
	text, err := os.ReadFile(filepath.Join(w.root, pin.Copy(s), name))
	require.NoError(w, err)
	return string(text)
}

// onlyCopies fails if anything but whole copies is left.
func (w *world) onlyCopies() {
	w.Helper()
	entries, err := os.ReadDir(filepath.Join(w.root, lockfile.ModulesDir))
	if !os.IsNotExist(err) {
		require.NoError(w, err)
	}
	for _, e := range entries {
		require.Contains(w, e.Name(), "@", "something temporary is left")
	}
}

func TestWhatARefMeans(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.commit(module("1GB"))
	w.git("tag", "v1", first)
	second := w.commit(module("2GB"))
	w.git("tag", "-a", "-m", "annotated", "v2", second)
	third := w.commit(module("3GB"))
	w.git("update-ref", "refs/heads/release/1.x", first)
	w.git("update-ref", "refs/heads/v1", third) // a branch with the name of a tag
	w.git("update-ref", "refs/pull/7/head", second)
	unreferenced := w.commit(module("4GB"))
	w.git("update-ref", "refs/heads/main", third)

	for name, tc := range map[string]struct{ rest, commit, size string }{
		"the default branch":                             {"", third, "3GB"},
		"the default branch by its name":                 {"?ref=main", third, "3GB"},
		"HEAD":                                           {"?ref=HEAD", third, "3GB"},
		"a tag, and not the branch of its name":          {"?ref=v1", first, "1GB"},
		"the branch of a tag's name, when it is written": {"?ref=refs/heads/v1", third, "3GB"},
		"an annotated tag stands for its commit":         {"?ref=v2", second, "2GB"},
		"a branch with a slash":                          {"?ref=release/1.x", first, "1GB"},
		"a ref that is neither branch nor tag":           {"?ref=refs/pull/7/head", second, "2GB"},
		"a commit":                                       {"?ref=" + second, second, "2GB"},
		"a commit that nothing points to":                {"?ref=" + unreferenced, unreferenced, "4GB"},
	} {
		t.Run(name, func(t *testing.T) {
			s := w.source(tc.rest)
			got := w.must(s, lockfile.Pin{}, false)
			require.Equal(t, tc.commit, got.Pin.Commit)
			require.True(t, modsource.IsDigest(got.Pin.Digest))
			require.Contains(t, w.read(s, got.Pin, "disk/main.dstack.hcl"), tc.size)
			sum, err := modsource.Digest(filepath.Join(w.root, got.Pin.Copy(s)))
			require.NoError(t, err)
			require.Equal(t, got.Pin.Digest, sum, "what is written is what was counted")
			require.NoDirExists(t, filepath.Join(w.root, got.Pin.Copy(s), ".git"))
			w.onlyCopies()
		})
	}

	for name, tc := range map[string]struct{ rest, want string }{
		"a tag that is not there":      {"?ref=v9", "neither a tag nor a branch"},
		"part of a commit":             {"?ref=" + first[:10], "write the whole of it"},
		"a commit that is not there":   {"?ref=" + strings.Repeat("ab", 20), "has no commit"},
		"a ref that is the end of one": {"?ref=1.x", "neither a tag nor a branch"},
		"a file, which is no commit":   {"?ref=" + w.object("main:README.md"), "has no commit"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.fetch(w.source(tc.rest), lockfile.Pin{}, false)
			require.ErrorContains(t, err, tc.want)
			require.ErrorContains(t, err, w.server.Repo("acme/gpu.git"))
			w.onlyCopies()
		})
	}
}

func (w *world) object(rev string) string {
	out, err := w.repo.Git("", "rev-parse", rev)
	require.NoError(w, err)
	return out
}

func TestWhatIsThereAsksNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(module("1GB"))
	s := w.source("//disk?ref=main")
	first := w.must(s, lockfile.Pin{}, false)
	require.True(t, first.Network)
	require.True(t, first.Written)
	w.server.Close()
	again := w.must(s, first.Pin, false)
	require.Equal(t, Fetched{Pin: first.Pin}, again)

	commit := w.source("?ref=" + first.Pin.Commit)
	require.Equal(t, Fetched{Pin: first.Pin}, w.must(commit, first.Pin, true), "a commit does not move, so an upgrade asks nobody either")

	_, err := w.fetch(s, first.Pin, true)
	require.ErrorContains(t, err, "Server cannot be reached")
	require.Contains(t, w.read(s, first.Pin, "disk/main.dstack.hcl"), "1GB", "what was there stays")
	w.onlyCopies()
}

func TestAPinHoldsWhateverTheRefBecomes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.commit(module("1GB"))
	w.git("tag", "v1", old)
	s := w.source("?ref=v1")
	branch := w.source("?ref=main")
	pin := w.must(s, lockfile.Pin{}, false).Pin
	fresh := w.commit(module("2GB"))
	w.git("tag", "-f", "v1", fresh)

	w.root = t.TempDir() // a fresh checkout
	got := w.must(s, pin, false)
	require.Equal(t, pin, got.Pin)
	require.Contains(t, w.read(s, pin, "disk/main.dstack.hcl"), "1GB")
	require.Len(t, got.Notes, 1)
	require.Contains(t, got.Notes[0].Detail, "The tag v1 of "+s.Repo+" points to "+fresh[:12]+" now")
	require.Contains(t, got.Notes[0].Detail, "dstack init --upgrade")

	w.root = t.TempDir()
	require.Empty(t, w.must(branch, pin, false).Notes, "a branch moves, that is what it is for")

	got = w.must(s, pin, true)
	require.Equal(t, fresh, got.Pin.Commit)
	require.Contains(t, w.read(s, got.Pin, "disk/main.dstack.hcl"), "2GB")
	require.Contains(t, w.read(s, pin, "disk/main.dstack.hcl"), "1GB", "the other commit has a folder of its own")
	w.onlyCopies()
}

func TestAPinnedCommitThatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.commit(module("1GB"))
	s := w.source("?ref=main")
	pin := w.must(s, lockfile.Pin{}, false).Pin
	w.git("update-ref", "-d", "refs/heads/main", old)
	w.commit(module("2GB"))
	w.git("reflog", "expire", "--expire=now", "--all")
	w.git("gc", "--quiet", "--prune=now")
	w.root = t.TempDir()
	_, err := w.fetch(s, pin, false)
	require.ErrorContains(t, err, "Pinned commit is gone")
	require.ErrorContains(t, err, "dstack init --upgrade")
	require.Contains(t, w.read(s, w.must(s, pin, true).Pin, "disk/main.dstack.hcl"), "2GB")
}

func TestChangedFilesAreFetchedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(module("1GB"))
	s := w.source("")
	pin := w.must(s, lockfile.Pin{}, false).Pin
	dir := filepath.Join(w.root, pin.Copy(s))
	for name, change := range map[string]func(){
		"a file": func() {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "disk/main.dstack.hcl"), []byte("evil {}\n"), 0o644))
		},
		"a new file":       func() { require.NoError(t, os.WriteFile(filepath.Join(dir, "disk/b.dstack.hcl"), nil, 0o644)) },
		"the whole folder": func() { require.NoError(t, os.RemoveAll(dir)) },
		"a link instead": func() {
			require.NoError(t, os.Rename(dir, dir+"2"))
			require.NoError(t, os.Symlink(dir+"2", dir))
		},
		"a file instead": func() {
			require.NoError(t, os.RemoveAll(dir))
			require.NoError(t, os.WriteFile(dir, nil, 0o644))
		},
	} {
		t.Run(name, func(t *testing.T) {
			change()
			got := w.must(s, pin, false)
			require.True(t, got.Written)
			require.Equal(t, pin, got.Pin)
			info, err := os.Lstat(dir)
			require.NoError(t, err)
			require.True(t, info.IsDir())
			sum, err := modsource.Digest(dir)
			require.NoError(t, err)
			require.Equal(t, pin.Digest, sum)
		})
	}
}

func TestOtherFilesThanThePinnedOnesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(module("1GB"))
	s := w.source("")
	pin := w.must(s, lockfile.Pin{}, false).Pin
	w.root = t.TempDir()
	pin.Digest = "sha256:" + strings.Repeat("0", 64)
	_, err := w.fetch(s, pin, false)
	require.ErrorContains(t, err, "Files are not those that are pinned")
	require.NoDirExists(t, filepath.Join(w.root, pin.Copy(s)))
	w.onlyCopies()
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(module("1GB"))
	s := w.source("")
	w.server.Require("ann", "s3cr3t")
	_, err := w.fetch(s, lockfile.Pin{}, false)
	require.ErrorContains(t, err, "Repository cannot be read with these credentials")
	require.ErrorContains(t, err, "credential helper")

	// A user's own Git configuration works, and does not leak when it is wrong.
	helper := func(password string) {
		config := fmt.Sprintf("[credential]\n\thelper = \"!f() { echo username=ann; echo password=%s; }; f\"\n", password)
		require.NoError(t, os.WriteFile(filepath.Join(w.home, ".gitconfig"), []byte(config), 0o600))
	}
	helper("wr0ng")
	_, err = w.fetch(s, lockfile.Pin{}, false)
	require.ErrorContains(t, err, "Repository cannot be read with these credentials")
	require.NotContains(t, err.Error(), "wr0ng")
	helper("s3cr3t")
	require.True(t, w.must(s, lockfile.Pin{}, false).Written)

	// Nor does one that stands in an address of theirs.
	host := strings.TrimPrefix(w.server.URL, "https://")
	require.NoError(t, os.WriteFile(filepath.Join(w.home, ".gitconfig"), []byte("[url \"https://ann:wr0ng@"+host+"/\"]\n\tinsteadOf = https://"+host+"/\n"), 0o600))
	_, err = w.fetch(s, lockfile.Pin{}, false)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "wr0ng")
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(module("1GB"))
	elsewhere := func(text string) modsource.Source {
		s, err := modsource.Parse(text)
		require.NoError(t, err)
		return s
	}
	empty, err := gittest.Init(filepath.Join(filepath.Dir(w.repo.Dir), "empty.git"), "sha1")
	require.NoError(t, err)
	require.DirExists(t, empty.Dir)
	rewritten := "[url \"" + w.repo.Dir + "\"]\n\tinsteadOf = https://rewritten.example.com/\n"
	require.NoError(t, os.WriteFile(filepath.Join(w.home, ".gitconfig"), []byte(rewritten), 0o600))
	for name, tc := range map[string]struct {
		source modsource.Source
		change func(*Options)
		want   []string
	}{
		"no such repository":    {elsewhere("git::" + w.server.Repo("acme/none.git")), nil, []string{"Repository is not there", "git ls-remote"}},
		"an empty repository":   {elsewhere("git::" + w.server.Repo("acme/empty.git")), nil, []string{"Repository is empty", "?ref=main"}},
		"a host without a name": {elsewhere("git::https://none.invalid/a.git"), nil, []string{"Host cannot be found", "HTTPS_PROXY", "were fetched before need no network"}},
		"a closed port":         {elsewhere("git::https://127.0.0.1:1/a.git"), nil, []string{"Server cannot be reached"}},
		"an unknown authority": {w.source(""), func(o *Options) { o.Environ = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.home} },
			[]string{"Certificate is not trusted", "sslCAInfo"}},
		"no git":                       {w.source(""), func(o *Options) { o.Program = "no-such-git" }, []string{"Git is not installed"}},
		"a transport by the back door": {elsewhere("git::https://rewritten.example.com/x"), nil, []string{"Transport is not allowed", "insteadof"}},
		"a user who allows ssh alone":  {w.source(""), func(o *Options) { o.Environ = append(o.Environ, "GIT_ALLOW_PROTOCOL=ssh") }, []string{"Transport is not allowed"}},
		"a user who allows nothing":    {w.source(""), func(o *Options) { o.Environ = append(o.Environ, "GIT_ALLOW_PROTOCOL=file") }, []string{"Transport is not allowed"}},
		"ssh to nobody":                {elsewhere("git::ssh://git@127.0.0.1:1/a.git"), nil, []string{"Server cannot be reached"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := w.options()
			if tc.change != nil {
				tc.change(&o)
			}
			_, err := Fetch(t.Context(), w.root, tc.source, lockfile.Pin{}, false, o)
			for _, want := range tc.want {
				require.ErrorContains(t, err, want)
			}
			w.onlyCopies()
		})
	}
	_, err = w.fetch(modsource.Source{Path: "./x"}, lockfile.Pin{}, false)
	require.ErrorContains(t, err, "nothing is fetched")
}

func TestTheRepositoryAroundIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	commit := w.commit(module("1GB"))
	around, err := gittest.Init(filepath.Join(t.TempDir(), "around"), "sha1")
	require.NoError(t, err)
	marker := filepath.Join(t.TempDir(), "hook-ran")
	hook := []byte("#!/bin/sh\ntouch " + marker + "\n")
	for _, dir := range []string{filepath.Join(around.Dir, "hooks"), filepath.Join(w.home, "hooks")} {
		require.NoError(t, os.MkdirAll(dir, 0o755))
		for _, name := range []string{"reference-transaction", "post-checkout", "post-merge", "post-index-change"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), hook, 0o755))
		}
	}
	templates := filepath.Join(w.home, "templates")
	require.NoError(t, os.MkdirAll(templates, 0o755))
	require.NoError(t, os.CopyFS(filepath.Join(templates, "hooks"), os.DirFS(filepath.Join(w.home, "hooks"))))
	require.NoError(t, os.WriteFile(filepath.Join(w.home, ".gitconfig"), []byte("[core]\n\thooksPath = "+filepath.Join(w.home, "hooks")+"\n[init]\n\ttemplateDir = "+templates+"\n"), 0o600))
	w.env = append(w.env, "GIT_DIR="+around.Dir, "GIT_WORK_TREE="+t.TempDir(), "GIT_TEMPLATE_DIR="+templates)
	before, err := modsource.Digest(around.Dir)
	require.NoError(t, err)

	// Nor has the repository itself a say in how its files are written.
	files := module("1GB")
	files[".gitattributes"] = text("*.hcl text eol=crlf ident export-ignore\n")
	files["crlf.txt"] = text("a\r\nb\n$Id$\n")
	next := w.commit(files)
	require.NotEqual(t, commit, next)
	s := w.source("")
	got := w.must(s, lockfile.Pin{}, false)
	require.Equal(t, files["crlf.txt"].Content, w.read(s, got.Pin, "crlf.txt"))
	require.Equal(t, files["disk/main.dstack.hcl"].Content, w.read(s, got.Pin, "disk/main.dstack.hcl"))
	require.NoFileExists(t, marker)
	after, err := modsource.Digest(around.Dir)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestSHA256Repositories(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var err error
	require.NoError(t, os.RemoveAll(w.repo.Dir))
	w.repo, err = gittest.Init(w.repo.Dir, "sha256")
	require.NoError(t, err)
	commit := w.commit(module("1GB"))
	require.Len(t, commit, 64)
	s := w.source("?ref=main")
	got := w.must(s, lockfile.Pin{}, false)
	require.Equal(t, commit, got.Pin.Commit)
	w.root = t.TempDir()
	require.Equal(t, got.Pin, w.must(s, got.Pin, false).Pin)
}

func TestOldServers(t *testing.T) {
	t.Parallel()
	for name, age := range map[string]func(*world){
		"the first protocol":  func(w *world) { w.server.GetOld() },
		"a server of files":   func(w *world) { w.git("update-server-info"); w.server.GetDumb() },
		"a server of today's": func(*world) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			first := w.commit(module("1GB"))
			w.commit(module("2GB"))
			w.git("tag", "-a", "-m", "annotated", "v3", w.commit(module("3GB")))
			age(w)
			for rest, size := range map[string]string{"?ref=" + first: "1GB", "?ref=v3": "3GB", "": "3GB"} {
				s := w.source(rest)
				require.Contains(t, w.read(s, w.must(s, lockfile.Pin{}, false).Pin, "disk/main.dstack.hcl"), size, rest)
			}
			_, err := w.fetch(w.source("?ref="+strings.Repeat("ab", 20)), lockfile.Pin{}, false)
			require.ErrorContains(t, err, "has no commit")
			_, err = w.fetch(w.source("?ref=v9"), lockfile.Pin{}, false)
			require.ErrorContains(t, err, "neither a tag nor a branch")
			w.onlyCopies()
		})
	}
}

// TestSSH lets git talk to another git by a program in the place of ssh, which has no terminal to ask on.
func TestSSH(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(module("1GB"))
	dir := t.TempDir()
	program, said := filepath.Join(dir, "ssh"), filepath.Join(dir, "said")
	script := "#!/bin/sh\nif (true </dev/tty) 2>/dev/null; then echo terminal; else echo none; fi >" + said + "\nfor last; do :; done\ncd " + filepath.Dir(filepath.Dir(w.repo.Dir)) + " && eval \"$last\"\n"
	require.NoError(t, os.WriteFile(program, []byte(script), 0o755))
	w.env = append(w.env, "GIT_SSH_COMMAND="+program)
	s, err := modsource.Parse("git@git.example.com:acme/gpu.git//disk")
	require.NoError(t, err)
	got := w.must(s, lockfile.Pin{}, false)
	require.Contains(t, w.read(s, got.Pin, "disk/main.dstack.hcl"), "1GB")
	text, err := os.ReadFile(said)
	require.NoError(t, err)
	require.Equal(t, "none\n", string(text))

	for name, tc := range map[string]struct{ says, want string }{
		"an unknown host":  {"Host key verification failed.", "ssh -T git@git.example.com"},
		"a key that is no": {"git@git.example.com: Permission denied (publickey).", "Repository cannot be read with these credentials"},
		"nobody there":     {"ssh: connect to host git.example.com port 22: Connection timed out", "Server cannot be reached"},
		"no such name":     {"ssh: Could not resolve hostname git.example.com: Name or service not known", "Host cannot be found"},
		"no repository":    {"ERROR: Repository not found.", "Repository is not there"},
		"something else":   {"the cat sat on the keyboard\033[2J", "Module cannot be fetched"},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\nprintf '"+tc.says+"\\n' >&2\nexit 255\n"), 0o755))
			_, err := w.fetch(s, lockfile.Pin{}, true)
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "\x1b")
			w.onlyCopies()
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(module("1GB"))
	s := w.source("")
	var wg sync.WaitGroup
	got, errs := make([]Fetched, 6), make([]error, 6)
	for i := range got {
		wg.Go(func() { got[i], errs[i] = w.fetch(s, lockfile.Pin{}, false) })
	}
	wg.Wait()
	written := 0
	for i := range got {
		require.NoError(t, errs[i])
		require.Equal(t, got[0].Pin, got[i].Pin)
		if got[i].Written {
			written++
		}
	}
	require.Equal(t, 1, written, "one of them puts the copy in its place, the others find it")
	w.onlyCopies()
}

func TestWhatAKilledProcessLeftIsRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(module("1GB"))
	left := filepath.Join(w.root, lockfile.ModulesDir, workPrefix+"123")
	require.NoError(t, os.MkdirAll(filepath.Join(left, "tree"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(left, "lock"), nil, 0o600))
	other, err := newWork(w.root) // one that lives
	require.NoError(t, err)
	require.NoDirExists(t, left)
	w.must(w.source(""), lockfile.Pin{}, false)
	require.DirExists(t, other.dir)
	require.NoError(t, other.close())
	w.onlyCopies()
}

func TestACancelledFetchEndsAtOnceAndLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.commit(module("1GB"))
	// A git that never ends, and a child of it that does not either.
	program := filepath.Join(t.TempDir(), "git")
	started := filepath.Join(t.TempDir(), "started")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\nsleep 600 &\ntouch "+started+"\nwait\n"), 0o755))
	o := w.options()
	o.Program = program

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := Fetch(ctx, w.root, w.source(""), lockfile.Pin{}, false, o)
		done <- err
	}()
	require.Eventually(t, func() bool { _, err := os.Stat(started); return err == nil }, 30*time.Second, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	w.onlyCopies()

	o.Timeout = time.Millisecond
	_, err := Fetch(t.Context(), w.root, w.source(""), lockfile.Pin{}, false, o)
	require.ErrorContains(t, err, "Fetching took too long")
	require.ErrorContains(t, err, "1ms")
	w.onlyCopies()
}
