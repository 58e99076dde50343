package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
	"github.com/dstackai/dstack-planner/content"
	"github.com/dstackai/dstack-planner/gitrepo"
)

// filesDir is the folder, in that of a job, of what it finds outside of its own folder.
const filesDir = "files"

// blobsPath is where an agent that serves a folder keeps what it was sent.
func blobsPath(dir string) string { return filepath.Join(dir, "blobs") }

// missingBlobs says what has to be sent.
func (s *server) missingBlobs(_ http.ResponseWriter, r *http.Request) (any, error) {
	var q api.BlobQuery
	if err := readJSON(r, &q); err != nil {
		return nil, err
	}
	missing, err := s.blobs.Missing(q.Blobs, time.Now())
	return api.BlobAnswer{Missing: missing}, err
}

// receiveBlobs takes what is sent, however much that is.
func (s *server) receiveBlobs(ending context.Context) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(ending, cancel)()
		if err := s.blobs.Receive(ctx, r.Body); err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, http.StatusOK, struct{}{})
	}
}

// checkContents refuses a job whose contents are not all here.
func (s *server) checkContents(spec api.JobSpec) error {
	for _, c := range spec.Contents {
		m, err := s.blobs.Whole(c.Digest)
		if err != nil {
			return err
		}
		if c.File {
			if _, err := m.Single(path.Base(c.Path)); err != nil {
				return api.Errorf(api.KindInvalid, "content %s cannot be used: %v", c.Digest, err)
			}
		}
	}
	return nil
}

// contentProblems lists what is wrong with the contents of a specification.
func contentProblems(contents []api.Content) (problems []string) {
	seen := map[string]bool{}
	for _, c := range contents {
		at := path.Clean(c.Path)
		switch {
		case !content.IsDigest(c.Digest):
			problems = append(problems, fmt.Sprintf("%q is not the digest of a content", c.Digest))
		case !isWithin(c.Path) && !path.IsAbs(c.Path), at == "/", c.File && at == ".", !c.File && path.IsAbs(c.Path), strings.ContainsRune(c.Path, 0):
			problems = append(problems, fmt.Sprintf("a content cannot be at %q", c.Path))
		case seen[at]:
			problems = append(problems, fmt.Sprintf("two contents are at %q", c.Path))
		}
		seen[at] = true
	}
	return problems
}

// isWithin tells whether a relative path stays in the folder that it starts at.
func isWithin(p string) bool {
	clean := path.Clean(p)
	return !path.IsAbs(clean) && clean != ".." && !strings.HasPrefix(clean, "../")
}

// furnish makes what a job finds when it starts: its own folder with its code, and files that are mounted elsewhere. The task
// that it returns has the mounts.
func furnish(ctx context.Context, t runtime.Task) (runtime.Task, error) {
	if err := clone(ctx, t); err != nil {
		return t, err
	}
	if err := t.MakeOwn(); err != nil {
		return t, err
	}
	store := content.Store(blobsPath(filepath.Dir(filepath.Dir(t.Dir))))
	var owner *content.Owner
	if u := t.Spec.User; u != nil && int(u.UID) != os.Geteuid() {
		owner = &content.Owner{UID: int(u.UID), GID: int(u.GID)}
	}
	var mounts []api.Mount
	for i, c := range t.Spec.Contents {
		m, err := store.Manifest(c.Digest)
		if err != nil {
			return t, err
		}
		to, at := t.Own(), c.Path
		if path.IsAbs(c.Path) {
			to = filepath.Join(t.Dir, filesDir, strconv.Itoa(i))
			at = path.Base(c.Path)
			mounts = append(mounts, api.Mount{Source: filepath.Join(to, at), Path: c.Path})
		}
		if c.File {
			if m, err = m.Single(at); err != nil {
				return t, err
			}
		} else {
			to = filepath.Join(to, filepath.FromSlash(at))
		}
		if err := store.Place(ctx, m, to, owner); err != nil {
			if bad, ok := errors.AsType[*content.PathError](err); ok {
				return t, fmt.Errorf("place %s of the job's files: %w", bad.Path, bad.Err)
			}
			return t, fmt.Errorf("place the job's files: %w", err)
		}
	}
	t.Spec.Mounts = append(mounts, t.Spec.Mounts...)
	return t, nil
}

// clone brings the repository of a job into the job's own folder, which is nobody else's before that is done: another job of the
// same user could lead what is written, as root perhaps, elsewhere.
func clone(ctx context.Context, t runtime.Task) error {
	r := t.Spec.Repo
	if r == nil {
		return nil
	}
	o := gitrepo.CloneOptions{Commit: r.Commit, Branch: r.Branch, History: r.History}
	if u := t.Spec.User; u != nil && int(u.UID) != os.Geteuid() {
		o.Owner = &gitrepo.Owner{UID: int(u.UID), GID: int(u.GID)}
	}
	if err := os.RemoveAll(t.Own()); err != nil {
		return fmt.Errorf("make the job's own folder: %w", err)
	}
	if err := os.Mkdir(t.Own(), 0o700); err != nil {
		return fmt.Errorf("make the job's own folder: %w", err)
	}
	if err := gitrepo.Clone(ctx, remoteOf(*r), o, t.Own()); err != nil {
		return fmt.Errorf("clone the job's code: %w", err)
	}
	return nil
}

func remoteOf(r api.Repo) gitrepo.Remote {
	return gitrepo.Remote{URL: r.URL, Username: r.Username, Token: r.Token, PrivateKey: r.PrivateKey, KnownHosts: r.KnownHosts}
}

// repoProblems lists what is wrong with the repository of a specification.
func repoProblems(r *api.Repo) (problems []string) {
	if r == nil {
		return nil
	}
	if err := remoteOf(*r).Check(); err != nil {
		problems = append(problems, err.Error())
	}
	if !gitrepo.IsCommit(r.Commit) {
		problems = append(problems, fmt.Sprintf("%q is no commit; it has 40 hexadecimal digits", r.Commit))
	}
	if r.Branch != "" && !gitrepo.IsBranch(r.Branch) {
		problems = append(problems, fmt.Sprintf("%q can be no name of a branch", r.Branch))
	}
	return problems
}

// inUse are the digests of the contents of all jobs.
func (s *server) inUse() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, j := range s.jobs {
		out = append(out, digestsOf(j.rec.Spec)...)
	}
	return out
}

func digestsOf(spec api.JobSpec) []string {
	var out []string
	for _, c := range spec.Contents {
		out = append(out, c.Digest)
	}
	return out
}

// sweep removes what no job needs any more. That it cannot is worth a line in the log and nothing else.
func (s *server) sweep(gone ...string) {
	now := time.Now()
	s.blobs.Used(gone, now)
	if err := s.blobs.Sweep(s.inUse(), now); err != nil {
		s.log.Warn("files of former jobs are still here", "error", err)
	}
}
