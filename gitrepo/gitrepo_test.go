package gitrepo_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/dstackai/dstack-planner/gitrepo"
	"github.com/dstackai/dstack-planner/modfetch/gittest"
)

// servers are ways in which servers differ: what they let be left out, and which commits they give.
var servers = map[string][]string{
	"one that gives tips only":       nil,
	"one that leaves files out":      {"uploadpack.allowFilter"},
	"one that gives what is reached": {"uploadpack.allowReachableSHA1InWant"},
	"one that does both":             {"uploadpack.allowFilter", "uploadpack.allowReachableSHA1InWant"},
}

func TestResolve(t *testing.T) {
	for name, settings := range servers {
		t.Run(name, func(t *testing.T) {
			p := serve(t, settings...)
			first := p.commit(t, map[string]gittest.Entry{"a": file("1")})
			second := p.commit(t, map[string]gittest.Entry{"a": file("2")})
			p.git(t, "update-ref", "refs/heads/feature/x", first)
			p.git(t, "tag", "-a", "-m", "one", "v1", first)
			lost := p.git(t, "commit-tree", p.git(t, "rev-parse", "main^{tree}"), "-m", "nowhere")
			r := gitrepo.Remote{URL: p.url()}
			got, err := gitrepo.Resolve(t.Context(), r, "", "")
			require.NoError(t, err)
			require.Equal(t, gitrepo.Resolved{Commit: second, Branch: "main"}, got)
			got, err = gitrepo.Resolve(t.Context(), r, "feature/x", "")
			require.NoError(t, err)
			require.Equal(t, gitrepo.Resolved{Commit: first, Branch: "feature/x"}, got)
			p.git(t, "update-ref", "-d", "refs/heads/feature/x")
			p.git(t, "tag", "-d", "v1")
			got, err = gitrepo.Resolve(t.Context(), r, "", first)
			require.NoError(t, err, "an older commit of a branch")
			require.Equal(t, gitrepo.Resolved{Commit: first}, got)
			_, err = gitrepo.Resolve(t.Context(), r, "", lost)
			if len(settings) == 0 {
				require.NoError(t, err, "such a server tells only who clones it")
			} else {
				requireKind(t, err, gitrepo.NoCommit, "it has no commit "+lost)
			}
		})
	}
}

func requireKind(t *testing.T, err error, kind gitrepo.Kind, words string) *gitrepo.Error {
	t.Helper()
	var e *gitrepo.Error
	require.ErrorAs(t, err, &e)
	require.Equalf(t, kind, e.Kind, "%v (%v)", e, e.Err)
	require.Contains(t, e.Error(), words)
	return e
}

func TestWhatCannotBeResolved(t *testing.T) {
	p := serve(t, "uploadpack.allowFilter")
	r := gitrepo.Remote{URL: p.url()}
	_, err := gitrepo.Resolve(t.Context(), r, "", "")
	requireKind(t, err, gitrepo.Empty, "no commit in it yet")
	first := p.commit(t, map[string]gittest.Entry{"a": file("1")})
	p.git(t, "tag", "-a", "-m", "one", "v1", first)
	p.git(t, "update-ref", "refs/heads/maintenance", first)

	_, err = gitrepo.Resolve(t.Context(), r, "mian", "")
	e := requireKind(t, err, gitrepo.NoBranch, `it has no branch "mian"`)
	require.Equal(t, []string{"main", "maintenance"}, e.Names)
	_, err = gitrepo.Resolve(t.Context(), r, "v1", "")
	requireKind(t, err, gitrepo.NoBranch, `"v1" is a tag and no branch; its commit is `+first)
	_, err = gitrepo.Resolve(t.Context(), gitrepo.Remote{URL: p.plain.URL + "/none.git"}, "", "")
	requireKind(t, err, gitrepo.NotFound, "no such repository")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l.Close()
	_, err = gitrepo.Resolve(t.Context(), gitrepo.Remote{URL: "http://" + l.Addr().String() + "/x"}, "", "")
	requireKind(t, err, gitrepo.Unreachable, "connection refused")
	_, err = gitrepo.Resolve(t.Context(), gitrepo.Remote{URL: p.server.Repo("train.git")}, "", "")
	requireKind(t, err, gitrepo.Unreachable, "certificate")

	p.commit(t, map[string]gittest.Entry{"a": file("1"), "libs/x": {Mode: "160000", Content: first}})
	_, err = gitrepo.Resolve(t.Context(), r, "main", "")
	e = requireKind(t, err, gitrepo.Submodules, "submodules")
	require.Equal(t, []string{"libs/x"}, e.Names)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = gitrepo.Resolve(ctx, r, "", "")
	require.ErrorIs(t, err, context.Canceled)
}

func TestTokens(t *testing.T) {
	p := serve(t)
	commit := p.commit(t, map[string]gittest.Entry{"a": file("1")})
	p.server.Require("git", "canary-token")
	ask := func(r gitrepo.Remote) (gitrepo.Resolved, error) { return gitrepo.Resolve(t.Context(), r, "", "") }
	_, err := ask(gitrepo.Remote{URL: p.url()})
	requireKind(t, err, gitrepo.NeedsToken, "asks for credentials")
	_, err = ask(gitrepo.Remote{URL: p.url(), Token: "canary-wrong"})
	e := requireKind(t, err, gitrepo.Refused, "does not accept")
	require.NotContains(t, e.Error()+e.Err.Error(), "canary")
	_, err = ask(gitrepo.Remote{URL: p.url(), Token: "canary-token", Username: "ann"})
	requireKind(t, err, gitrepo.Refused, "does not accept")
	got, err := ask(gitrepo.Remote{URL: p.url(), Token: "canary-token"})
	require.NoError(t, err)
	require.Equal(t, commit, got.Commit)

	dir := t.TempDir()
	require.NoError(t, gitrepo.Clone(t.Context(), gitrepo.Remote{URL: p.url(), Token: "canary-token"}, gitrepo.CloneOptions{Commit: commit, Branch: "main"}, dir))
	require.NoError(t, filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			require.NotContains(t, string(text), "canary", name)
		}
		return err
	}))
}

func TestTokensStayWhereTheyBelong(t *testing.T) {
	p := serve(t)
	p.commit(t, map[string]gittest.Entry{"a": file("1")})
	var mu sync.Mutex
	var said []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		said = append(said, r.Header.Get("Authorization"))
		mu.Unlock()
		p.server.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(elsewhere.Close)
	away := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/train.git/info/refs?service=git-upload-pack", http.StatusFound))
	t.Cleanup(away.Close)
	r := gitrepo.Remote{URL: away.URL + "/train.git", Token: "canary-token"}
	got, err := gitrepo.Resolve(t.Context(), r, "main", "")
	require.NoError(t, err)
	require.NoError(t, gitrepo.Clone(t.Context(), r, gitrepo.CloneOptions{Commit: got.Commit}, t.TempDir()))
	mu.Lock()
	defer mu.Unlock()
	require.Greater(t, len(said), 2)
	for _, s := range said {
		require.Empty(t, s)
	}
}

func TestOverSSH(t *testing.T) {
	p := serve(t, "uploadpack.allowReachableSHA1InWant")
	first := p.commit(t, map[string]gittest.Entry{"a": file("1")})
	p.commit(t, map[string]gittest.Entry{"a": file("2")})
	h := p.overSSH(t)
	r := gitrepo.Remote{URL: h.url, PrivateKey: h.key, KnownHosts: h.known}
	got, err := gitrepo.Resolve(t.Context(), r, "main", "")
	require.NoError(t, err)
	require.NotEqual(t, first, got.Commit)
	dir := t.TempDir()
	require.NoError(t, gitrepo.Clone(t.Context(), r, gitrepo.CloneOptions{Commit: first}, dir))
	text, err := os.ReadFile(filepath.Join(dir, "a"))
	require.NoError(t, err)
	require.Equal(t, "1", string(text))

	// Keys of others beside it do not matter, whatever their kind.
	many := r
	many.KnownHosts = "# hosts\nexample.com " + rsaKey(t) + "\n[127.0.0.1]:1 " + rsaKey(t) + "\n" + h.known + "\n@revoked * " + hostKey(t) + "\n"
	_, err = gitrepo.Resolve(t.Context(), many, "main", "")
	require.NoError(t, err)

	_, other := newKey(t)
	for name, tt := range map[string]struct {
		change func(*gitrepo.Remote)
		kind   gitrepo.Kind
		words  string
	}{
		"a key that is not let in":         {func(r *gitrepo.Remote) { r.PrivateKey = other }, gitrepo.Refused, "does not accept"},
		"a key that is none":               {func(r *gitrepo.Remote) { r.PrivateKey = "canary" }, gitrepo.BadCredentials, "cannot be read"},
		"no key":                           {func(r *gitrepo.Remote) { r.PrivateKey = "" }, gitrepo.NeedsKey, "private key"},
		"no known hosts":                   {func(r *gitrepo.Remote) { r.KnownHosts = "" }, gitrepo.UnknownHost, "nothing is said"},
		"known hosts that are none":        {func(r *gitrepo.Remote) { r.KnownHosts = "x y z" }, gitrepo.UnknownHost, "cannot be read"},
		"a host that is not among them":    {func(r *gitrepo.Remote) { r.KnownHosts = "example.com " + keyIn(h.known) }, gitrepo.UnknownHost, "there is no key of [127.0.0.1]:"},
		"a host with another key":          {func(r *gitrepo.Remote) { r.KnownHosts = strings.Replace(h.known, keyIn(h.known), hostKey(t), 1) }, gitrepo.UnknownHost, "somebody may be in between"},
		"a host whose key is revoked":      {func(r *gitrepo.Remote) { r.KnownHosts += "@revoked * " + keyIn(h.known) + "\n" }, gitrepo.UnknownHost, "there is no key of [127.0.0.1]:"},
		"a host of another kind of key":    {func(r *gitrepo.Remote) { r.KnownHosts = strings.Replace(h.known, keyIn(h.known), rsaKey(t), 1) }, gitrepo.UnknownHost, "has no key of a kind"},
		"a repository that is not there":   {func(r *gitrepo.Remote) { r.URL = strings.Replace(r.URL, "train", "none", 1) }, gitrepo.NotFound, "no such repository"},
		"a token, which is for HTTPS":      {func(r *gitrepo.Remote) { r.Token = "x" }, gitrepo.BadCredentials, "for https"},
		"a private key that is for others": {func(r *gitrepo.Remote) { r.URL = p.url() }, gitrepo.BadCredentials, "for SSH"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := r
			tt.change(&changed)
			_, err := gitrepo.Resolve(t.Context(), changed, "", "")
			e := requireKind(t, err, tt.kind, tt.words)
			require.NotContains(t, e.Error(), "canary")
		})
	}
}

func keyIn(line string) string { return strings.TrimSpace(strings.SplitN(line, " ", 2)[1]) }

func rsaKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	public, err := ssh.NewPublicKey(&key.PublicKey)
	require.NoError(t, err)
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
}

func hostKey(t *testing.T) string {
	signer, _ := newKey(t)
	return strings.TrimSpace(authorized(signer))
}

func TestURLs(t *testing.T) {
	for url, want := range map[string]string{
		"https://github.com/acme/train.git":     "",
		"https://git.example.com:8443/a/b":      "",
		"ssh://git@github.com/acme/train":       "",
		"git@github.com:acme/train.git":         "",
		"github.com:acme/train.git":             "",
		"":                                      "it is neither",
		"/home/ann/train":                       "it is neither",
		"train":                                 "it is neither",
		"file:///home/ann/train":                "not over \"file\"",
		"git://example.com/x":                   "not over \"git\"",
		"https://ann:secret@github.com/x":       "there are credentials in it",
		"https://secret@github.com/x":           "there are credentials in it",
		"ssh://git:secret@github.com/x":         "there are credentials in it",
		"https:///x":                            "it names no host",
		"https://github.com/":                   "no repository",
		"https://github.com/x?token=secret":     "a ? or #",
		"https://github.com/x y":                "spaces",
		"ssh://-oProxyCommand=secret@host/x":    "begins with a dash",
		"ssh://git@-oProxyCommand=x/x":          "begins with a dash",
		"git@github.com:acme/train.git\nsecret": "unprintable",
	} {
		t.Run(url, func(t *testing.T) {
			err := gitrepo.CheckURL(url)
			if want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, want)
			if strings.Contains(url, "secret@") {
				require.NotContains(t, err.Error(), "secret")
			}
		})
	}
	require.True(t, gitrepo.SameRepository("git@github.com:acme/train.git", "https://github.com/acme/train"))
	require.True(t, gitrepo.SameRepository("https://GitHub.com/acme/train/", "https://github.com/acme/train.git"))
	require.False(t, gitrepo.SameRepository("https://github.com/acme/train", "https://github.com/acme/other"))
	require.False(t, gitrepo.SameRepository("http://127.0.0.1:1/x", "http://127.0.0.1:2/x"))
	require.ErrorContains(t, gitrepo.Remote{URL: "http://git.example.com/x", Token: "t"}.Check(), "in clear")
	require.NoError(t, gitrepo.Remote{URL: "http://127.0.0.1:1/x", Token: "t"}.Check())
	require.ErrorContains(t, gitrepo.Remote{URL: "https://git.example.com/x", Username: "t"}.Check(), "no token")
	var e *gitrepo.Error
	require.True(t, errors.As(gitrepo.CheckURL("x"), &e))
}
