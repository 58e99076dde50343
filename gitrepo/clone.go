package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// CloneOptions say what is brought.
type CloneOptions struct {
	Commit string // 40 hexadecimal digits
	Branch string // that the clone is on; "" is none
	// History brings all branches with what came before; else it is the commit alone, where the server can do that.
	History bool
	// Owner is whom all files belong to; nil leaves them to whoever clones.
	Owner *Owner
}

// Owner is a user and a group by their numbers.
type Owner struct{ UID, GID int }

// origin is what the clone calls the server, as git does.
const origin = "origin"

// Clone brings a commit into a folder that is there and empty, and that nobody else can write to until Clone returns. The folder
// is a repository afterwards, of which the server is the origin; no credentials are kept in it. What is in it can be read by
// everybody who gets to it.
func Clone(ctx context.Context, r Remote, o CloneOptions, dir string) error {
	s, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	files := until{osfs.New(dir, osfs.WithBoundOS()), ctx}
	dotgit, err := files.Chroot(git.GitDirName)
	if err != nil {
		return err
	}
	store := filesystem.NewStorage(dotgit, cache.NewObjectLRUDefault())
	defer store.Close()
	repo, err := git.Init(store, files)
	if err != nil {
		return fmt.Errorf("make a repository: %w", err)
	}
	commit := plumbing.NewHash(o.Commit)
	w := wants{commits: []plumbing.Hash{s.named(commit)}, alone: true}
	if o.History || !s.gives(commit) {
		w = wants{commits: s.heads()}
		if _, ok := s.tip(commit); !ok && s.gives(commit) {
			w.commits = append(w.commits, commit) // a branch may have been moved away from it
		}
	}
	if err := s.fetch(w, store); err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.Kind == NoCommit {
			return r.noCommit(commit)
		}
		return err
	}
	c, err := object.GetCommit(store, commit)
	if err != nil {
		return r.noCommit(commit)
	}
	tree, err := c.Tree()
	if err != nil {
		return fmt.Errorf("read the files of commit %s: %w", commit, err)
	}
	if err := r.checkTree(tree); err != nil {
		return err
	}
	if err := r.checkLargeFiles(tree); err != nil {
		return fmt.Errorf("read the files of commit %s: %w", commit, err)
	}
	if err := r.refer(s, repo, commit, o); err != nil {
		return fmt.Errorf("name the branches of the clone: %w", err)
	}
	work, err := repo.Worktree()
	if err == nil {
		err = work.Reset(&git.ResetOptions{Mode: git.HardReset, Commit: commit})
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("write the files of commit %s: %w", commit, err)
	}
	return handOver(ctx, dir, o.Owner)
}

// refer makes the branch that the clone is on, and what it knows of the server.
func (r Remote) refer(s *session, repo *git.Repository, commit plumbing.Hash, o CloneOptions) error {
	spec := config.RefSpec("+refs/heads/*:refs/remotes/" + origin + "/*")
	if !o.History && o.Branch != "" {
		spec = config.RefSpec(fmt.Sprintf("+refs/heads/%s:refs/remotes/%s/%s", o.Branch, origin, o.Branch))
	}
	if _, err := repo.CreateRemote(&config.RemoteConfig{Name: origin, URLs: []string{r.URL}, Fetch: []config.RefSpec{spec}}); err != nil {
		return err
	}
	set := repo.Storer.SetReference
	if o.History {
		for name, h := range s.has.References {
			ref := plumbing.ReferenceName(name)
			switch {
			case ref.IsBranch():
				ref = plumbing.NewRemoteReferenceName(origin, ref.Short())
			case !ref.IsTag():
				continue
			}
			if err := set(plumbing.NewHashReference(ref, h)); err != nil {
				return err
			}
		}
	}
	if o.Branch == "" {
		return set(plumbing.NewHashReference(plumbing.HEAD, commit))
	}
	branch := plumbing.NewBranchReferenceName(o.Branch)
	err := errors.Join(
		set(plumbing.NewHashReference(branch, commit)),
		set(plumbing.NewSymbolicReference(plumbing.HEAD, branch)),
		repo.CreateBranch(&config.Branch{Name: o.Branch, Remote: origin, Merge: branch}),
	)
	if !o.History {
		err = errors.Join(err, set(plumbing.NewHashReference(plumbing.NewRemoteReferenceName(origin, o.Branch), commit)))
	}
	return err
}

// pointer begins a file that stands for a large one that is kept elsewhere.
var pointer = []byte("version https://git-lfs.github.com/spec/v1\n")

// checkLargeFiles finds files that Git LFS keeps elsewhere. They are looked for where attributes say that there are any.
func (r Remote) checkLargeFiles(tree *object.Tree) error {
	some := false
	err := tree.Files().ForEach(func(f *object.File) error {
		if path.Base(f.Name) != ".gitattributes" || f.Size > 1<<20 {
			return nil
		}
		text, err := f.Contents()
		some = some || bytes.Contains([]byte(text), []byte("filter=lfs"))
		return err
	})
	if err != nil || !some {
		return err
	}
	var found []string
	err = tree.Files().ForEach(func(f *object.File) error {
		if f.Size > 1024 {
			return nil
		}
		in, err := f.Reader()
		if err != nil {
			return err
		}
		defer in.Close()
		head := make([]byte, len(pointer))
		if _, err := io.ReadFull(in, head); err == nil && bytes.Equal(head, pointer) {
			found = append(found, f.Name)
		}
		return nil
	})
	if err != nil || len(found) == 0 {
		return err
	}
	return &Error{Kind: LargeFiles, URL: r.URL, What: "there are files in it that Git LFS keeps elsewhere, and these are not brought", Names: found}
}

// handOver lets everybody read what is in a folder, whatever the umask says, and gives it to its owner: the folder itself last,
// so that where that kept others out nobody gets in meanwhile.
func handOver(ctx context.Context, dir string, owner *Owner) error {
	give := func(name string) error {
		if owner == nil {
			return nil
		}
		return os.Lchown(name, owner.UID, owner.GID)
	}
	err := filepath.WalkDir(dir, func(name string, item fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := give(name); err != nil {
			return err
		}
		info, err := item.Info()
		if err != nil || info.Mode()&fs.ModeSymlink != 0 {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if info.IsDir() || mode&0o100 != 0 {
			mode |= 0o111
		}
		return os.Chmod(name, mode)
	})
	if err != nil {
		return err
	}
	return give(dir)
}
