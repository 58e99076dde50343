package gitrepo

import (
	"context"
	"os"

	"github.com/go-git/go-billy/v5"
)

// until is a file system that is written to until a context ends. What writes the files of a commit asks nobody whether it is
// to go on.
type until struct {
	billy.Filesystem
	ctx context.Context
}

// OpenFile opens a file as long as the context goes on.
func (u until) OpenFile(name string, flag int, perm os.FileMode) (billy.File, error) {
	if u.ctx.Err() != nil {
		return nil, context.Cause(u.ctx)
	}
	f, err := u.Filesystem.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return untilFile{f, u.ctx}, nil
}

// untilFile is a file of such a system.
type untilFile struct {
	billy.File
	ctx context.Context
}

// Write writes as long as the context goes on.
func (f untilFile) Write(p []byte) (int, error) {
	if f.ctx.Err() != nil {
		return 0, context.Cause(f.ctx)
	}
	return f.File.Write(p)
}
