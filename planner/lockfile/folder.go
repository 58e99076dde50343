package lockfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/dstackai/dstack-planner/planner/modsource"
)

// ModulesDir is where the files of fetched modules are, relative to the folder of the configuration.
const ModulesDir = ".dstack/modules"

// Folder is where a module is.
type Folder struct {
	// Dir is its folder with slashes, relative to the folder of the configuration: "." for the root module.
	Dir string
	// Repo is the folder of the copy of a repository that the module belongs to, and that it cannot leave by ../; ""
	// for a module of the configuration's own tree.
	Repo string
}

// Root is the folder of the root module.
func Root() Folder { return Folder{Dir: "."} }

// Copy is where the copy of a pinned repository is, relative to the folder of the configuration. It is named after the
// repository and the commit, so that two commits never meet in one folder.
func (p Pin) Copy(s modsource.Source) string {
	return path.Join(ModulesDir, s.Name()+"@"+p.Commit[:min(12, len(p.Commit))])
}

// Dir is where the module of a source is that the root module calls, relative to the folder of the configuration; false
// if the source cannot be read or is not pinned.
func (l *Lock) Dir(source string) (dir string, ok bool) {
	s, err := modsource.Parse(source)
	if err != nil {
		return "", false
	}
	f, err := l.Resolve(Root(), s)
	return f.Dir, err == nil
}

// Resolve says where the module of a source is that the module in a folder calls. It looks at the lock alone and at no
// file. The error is *NotInstalledError for a source that is not pinned, and says else why there can be no such folder.
func (l *Lock) Resolve(from Folder, s modsource.Source) (Folder, error) {
	if s.Local() {
		to := Folder{Dir: path.Join(from.Dir, s.Path), Repo: from.Repo}
		if from.Repo != "" && to.Dir != from.Repo && !strings.HasPrefix(to.Dir, from.Repo+"/") {
			return Folder{}, fmt.Errorf("%q leads out of the repository that this module comes from, and there is nothing beyond it; if the module that is meant is in another repository, its source is that repository", s.Path)
		}
		return to, nil
	}
	pin, ok := l.Modules[s.Key()]
	if !ok {
		return Folder{}, &NotInstalledError{Source: s}
	}
	dir := pin.Copy(s)
	return Folder{Dir: path.Join(dir, s.Dir), Repo: dir}, nil
}

// Check tells whether the files of a source are there and are those that the lock pins. Root is the folder of the
// configuration. The error is *NotInstalledError or *ChangedError, or one of reading. Local sources are always right.
func (l *Lock) Check(root string, s modsource.Source) error {
	if s.Local() {
		return nil
	}
	pin, ok := l.Modules[s.Key()]
	if !ok {
		return &NotInstalledError{Source: s}
	}
	dir := pin.Copy(s)
	switch info, err := os.Lstat(filepath.Join(root, filepath.FromSlash(dir))); {
	case errors.Is(err, fs.ErrNotExist):
		return &NotInstalledError{Source: s, Pinned: true}
	case err != nil:
		return fmt.Errorf("module %s: %w", s, err)
	case !info.IsDir():
		return &ChangedError{Source: s, Dir: dir}
	}
	switch sum, err := modsource.Digest(filepath.Join(root, filepath.FromSlash(dir))); {
	case err != nil:
		return fmt.Errorf("module %s: %w", s, err)
	case sum != pin.Digest:
		return &ChangedError{Source: s, Dir: dir}
	}
	return nil
}

// NotInstalledError says that the files of a module are not here.
type NotInstalledError struct {
	Source modsource.Source
	Pinned bool // the lock has it, and only the files are missing
}

func (e *NotInstalledError) Error() string {
	if e.Pinned {
		return fmt.Sprintf("the module %s is pinned in %s, and its files are not here. Fetch them with:\n  dstack init", e.Source, Name)
	}
	return fmt.Sprintf("the module %s was not fetched yet: %s does not pin it. Fetch it with:\n  dstack init", e.Source, Name)
}

// ChangedError says that the files of a module are not those that the lock pins.
type ChangedError struct {
	Source modsource.Source
	Dir    string // the copy, relative to the folder of the configuration
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("the files in %s are not those that %s pins for %s: something changed them. Fetch them again with:\n  dstack init", e.Dir, Name, e.Source)
}
