package modfetch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/modsource"
)

// blob is one file of a commit.
type blob struct {
	path   string
	object string
	kind   modsource.Kind
	size   int64
}

// list reads what a commit holds. Submodules are left out and returned by their paths.
func (g *git) list(ctx context.Context, commit string, l Limits) (blobs []blob, submodules []string, err error) {
	cmd := g.command(ctx, "ls-tree", "-r", "-z", "-l", "--full-tree", commit)
	complaint := &tail{}
	cmd.Stderr = complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, g.failure(ctx, "ls-tree", err, complaint)
	}
	var total int64
	in := bufio.NewReaderSize(out, 64<<10)
	for err == nil {
		var line string
		if line, err = in.ReadString(0); err != nil {
			break
		}
		var b blob
		if b, err = readEntry(strings.TrimSuffix(line, "\x00")); err != nil {
			break
		}
		if b.kind == "" {
			submodules = append(submodules, b.path)
			continue
		}
		blobs = append(blobs, b)
		total += b.size
		err = l.check(b, len(blobs), total)
	}
	refused := err
	if errors.Is(err, io.EOF) {
		refused = nil
	} else {
		_ = cmd.Cancel() // it would go on writing
	}
	err = cmd.Wait()
	g.sweep(cmd)
	if refused != nil {
		return nil, nil, refused
	}
	return blobs, submodules, g.failure(ctx, "ls-tree", err, complaint)
}

// check refuses what is too much.
func (l Limits) check(b blob, files int, total int64) error {
	why := ""
	switch {
	case files > l.Files:
		why = fmt.Sprintf("it has more than %d files", l.Files)
	case b.size > l.File:
		why = fmt.Sprintf("%s has %d MB, and %d MB is the most that a file of a module may have", b.path, b.size>>20, l.File>>20)
	case b.kind == modsource.Link && b.size > 4096:
		why = fmt.Sprintf("the link %s is longer than a path can be", b.path)
	case total > l.Total:
		why = fmt.Sprintf("its files have more than %d MB", l.Total>>20)
	default:
		return nil
	}
	return diag.Errorf("Repository is too large for a module", "The whole repository of a module is copied, and %s. Put the modules into a repository of their own.", why).Err()
}

// readEntry reads one entry of ls-tree: "100644 blob OBJECT    SIZE\tPATH". One without a kind is a submodule.
func readEntry(line string) (blob, error) {
	head, name, ok := strings.Cut(line, "\t")
	fields := strings.Fields(head)
	if !ok || len(fields) != 4 {
		return blob{}, fmt.Errorf("git ls-tree answers in a form that is not known: %q", line)
	}
	b := blob{path: name, object: fields[2]}
	if err := checkPath(name); err != nil {
		return b, err
	}
	switch mode := fields[0]; {
	case mode == "160000":
		return b, nil
	case mode == "120000":
		b.kind = modsource.Link
	case mode == "100755":
		b.kind = modsource.Executable
	case strings.HasPrefix(mode, "100"):
		b.kind = modsource.File
	default:
		return b, fmt.Errorf("%s has the mode %s, which is neither file nor link", name, mode)
	}
	var err error
	if b.size, err = strconv.ParseInt(fields[3], 10, 64); err != nil || b.size < 0 {
		return b, fmt.Errorf("git ls-tree answers in a form that is not known: %q", line)
	}
	return b, nil
}

// checkPath refuses paths that no honest repository has.
func checkPath(name string) error {
	bad := !fs.ValidPath(name) || name == "." || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
	for part := range strings.SplitSeq(name, "/") {
		bad = bad || strings.EqualFold(part, ".git") || strings.EqualFold(part, "git~1")
	}
	if bad {
		return diag.Errorf("Repository has a path that is not safe", "It has a file %q. A path of a module has no control characters, no part named .git, and does not leave its folder.", name).Err()
	}
	return nil
}

// extract writes the files into an empty folder and returns what it holds.
func (g *git) extract(ctx context.Context, blobs []blob, dir string) (digest string, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	cmd := g.command(ctx, "cat-file", "--batch")
	complaint := &tail{}
	cmd.Stderr = complaint
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", g.failure(ctx, "cat-file", err, complaint)
	}
	asked := make(chan error, 1)
	go func() {
		w := bufio.NewWriter(in)
		for _, b := range blobs {
			_, _ = w.WriteString(b.object + "\n") // Flush returns its error
		}
		asked <- errors.Join(w.Flush(), in.Close())
	}()
	t := &treeWriter{root: root, in: bufio.NewReaderSize(out, 64<<10), buf: make([]byte, 64<<10), dirs: map[string]bool{".": true}}
	refused := t.writeAll(blobs)
	if refused != nil {
		_ = cmd.Cancel() // it would wait for somebody to read
	}
	<-asked
	err = cmd.Wait()
	g.sweep(cmd)
	if refused != nil && ctx.Err() == nil {
		return "", refused
	}
	return t.digest.Sum(), g.failure(ctx, "cat-file", err, complaint)
}

// treeWriter writes the blobs that git cat-file prints.
type treeWriter struct {
	root   *os.Root
	in     *bufio.Reader
	buf    []byte
	dirs   map[string]bool // those that are there
	digest modsource.TreeDigest
}

func (t *treeWriter) writeAll(blobs []blob) error {
	for _, b := range blobs {
		if err := t.write(b); err != nil {
			return err
		}
	}
	return nil
}

func (t *treeWriter) write(b blob) error {
	head, err := t.in.ReadString('\n')
	if err != nil {
		return fmt.Errorf("git cat-file ends too early: %w", err)
	}
	if want := fmt.Sprintf("%s blob %d\n", b.object, b.size); head != want {
		return fmt.Errorf("git cat-file answers %q instead of %q", head, want)
	}
	if dir := path.Dir(b.path); !t.dirs[dir] {
		if err := t.root.MkdirAll(dir, 0o755); err != nil {
			return clash(b, err)
		}
		t.dirs[dir] = true
	}
	content := io.LimitReader(t.in, b.size)
	if b.kind == modsource.Link {
		err = t.link(b, content)
	} else {
		err = t.file(b, content)
	}
	if err != nil {
		return err
	}
	if end, err := t.in.ReadByte(); err != nil || end != '\n' {
		return fmt.Errorf("git cat-file gives more of %s than it said", b.path)
	}
	return nil
}

func (t *treeWriter) file(b blob, content io.Reader) (err error) {
	mode := fs.FileMode(0o644)
	if b.kind == modsource.Executable {
		mode = 0o755
	}
	f, err := t.root.OpenFile(b.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return clash(b, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return t.digest.Add(b.kind, b.path, io.TeeReader(content, f), t.buf)
}

func (t *treeWriter) link(b blob, content io.Reader) error {
	text, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	target := string(text)
	if !staysInside(b.path, target) {
		return diag.Errorf("Repository has a link that leads outside", "%s is a link to %q, which is not in the repository: what is there differs from machine to machine. A link of a module is relative, and has .. at its beginning only.", b.path, target).Err()
	}
	if err := t.root.Symlink(target, b.path); err != nil {
		return clash(b, err)
	}
	return t.digest.Add(b.kind, b.path, strings.NewReader(target), t.buf)
}

// staysInside tells whether a link leads to something in the same tree, whatever other links there are: each of them is
// entered by its name and left by none, because .. stands only at the beginning, where the folder is a real one.
func staysInside(link, target string) bool {
	if target == "" || path.IsAbs(target) || strings.ContainsFunc(target, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return false
	}
	up, named := 0, false
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
		case "..":
			if named {
				return false
			}
			up++
		default:
			if strings.EqualFold(part, ".git") {
				return false
			}
			named = true
		}
	}
	return up <= strings.Count(link, "/")
}

// clash explains why a file cannot be written.
func clash(b blob, err error) error {
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "not a directory") {
		return diag.Errorf("Repository has two files of one name", "%s cannot be written, because something else of that name is there. Are there two that differ in upper and lower case only? This file system takes them for one.", b.path).Err()
	}
	return fmt.Errorf("write %s: %w", b.path, err)
}
