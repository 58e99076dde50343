package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/content"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// Answers about content stand among those of functions: a saved plan keeps both for the same reason. They have no value that
// an expression could get.
const (
	repoAnswer = "repo"
	fileAnswer = "files"
)

// Content is what is in a folder or file that jobs get, in short.
type Content struct {
	Digest string `json:"digest"`
	Files  int    `json:"files"`
	Bytes  int64  `json:"bytes"`
}

// contents keeps what was found in folders and files, so that each is read once.
type contents struct {
	limit int64

	mu    sync.Mutex
	found map[string]*found // by the name of its answer
	asked map[string]*asked // by the name of its answer and what else belongs to the question
}

// found is what reading a folder or file came to.
type found struct {
	once sync.Once
	Content
	leftOut []string
	largest []content.Entry // of what was read now; what an earlier evaluation has found is not measured again
	err     error
}

// content is what is in a folder (repo) or file (files). What an earlier evaluation has found counts more than what is there.
func (c *Config) content(function, path string) *found {
	a := FileAnswer{Function: function, Args: []string{path}}
	return c.contentOf(a, func(f *found) error { return f.read(c.Dir, a, c.contents.limit) })
}

// contentOf looks for a content once.
func (c *Config) contentOf(a FileAnswer, read func(*found) error) *found {
	cs := &c.contents
	cs.mu.Lock()
	f := cs.found[a.Name()]
	if f == nil {
		f = &found{}
		if cs.found == nil {
			cs.found = map[string]*found{}
		}
		cs.found[a.Name()] = f
	}
	cs.mu.Unlock()
	f.once.Do(func() {
		if old, ok := c.files.given[a.Name()]; ok && old.Value != nil {
			if f.err = json.Unmarshal(old.Value, &f.Content); f.err != nil {
				f.err = fmt.Errorf("the plan's answer of %s cannot be read: %w", a.Name(), f.err)
			}
		} else {
			f.err = read(f)
		}
		if f.err == nil {
			_, f.err = c.files.note(a, cty.ObjectVal(map[string]cty.Value{
				"digest": cty.StringVal(f.Digest), "files": cty.NumberIntVal(int64(f.Files)), "bytes": cty.NumberIntVal(f.Bytes),
			}))
		}
	})
	return f
}

func (f *found) read(dir string, a FileAnswer, limit int64) error {
	m, leftOut, err := ReadContent(dir, a, limit)
	if err != nil {
		return err
	}
	f.Content = Content{Digest: m.Digest(), Files: m.Files(), Bytes: m.Bytes()}
	f.leftOut = leftOut
	f.largest = m.Largest()
	return nil
}

// ReadContent lists what is in a folder or file now. Relative paths start at dir; a limit of 0 is none.
func ReadContent(dir string, a FileAnswer, limit int64) (m *content.Manifest, leftOut []string, err error) {
	full, err := absolutePath(dir, a.Args[0])
	if err != nil {
		return nil, nil, err
	}
	if a.Function == fileAnswer {
		m, err := content.ScanFile(full, limit)
		return m, nil, err
	}
	// Not cancelled: the limit keeps it short.
	s, err := content.Scan(context.Background(), full, limit)
	if err != nil {
		return nil, nil, err
	}
	return s.Manifest, s.LeftOut, nil
}

// StageContent copies a folder or file into a store, if it still is what its digest says.
func StageContent(ctx context.Context, dir string, a FileAnswer, digest string, to content.Store) error {
	m, _, err := ReadContent(dir, a, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("it is not there: %w", err)
	}
	if err != nil {
		return err
	}
	if m.Digest() != digest {
		return content.ErrChanged
	}
	full, err := absolutePath(dir, a.Args[0])
	if err != nil {
		return err
	}
	if a.Function == fileAnswer {
		return to.Stage(ctx, m, content.TheFile(full))
	}
	return to.Stage(ctx, m, content.FilesOf(full))
}

// RepoContent and FileContent name what a job gets as a plan keeps it among its answers.
func RepoContent(path string) FileAnswer {
	return FileAnswer{Function: repoAnswer, Args: []string{path}}
}

// FileContent names a single file, see RepoContent.
func FileContent(path string) FileAnswer {
	return FileAnswer{Function: fileAnswer, Args: []string{path}}
}

// code puts what is in the folder and files of a run in the place of where they are, as a job has it, and tells whether the
// block is of a run. It is done again for each job where they differ between jobs.
func (d *decoder) code(out *Decoded, attrs map[string]cty.Value) (changed bool) {
	job := schema.Of[schema.Job]()
	for _, name := range []string{"repo", "files"} {
		v, ok := attrs[name]
		if !ok || v.Type().Equals(job.Attr(name).Type) {
			continue // no run, or done already
		}
		changed = true
		want := job.Attr(name)
		v, marks := v.Unmark()
		switch {
		case v.IsNull():
			v = cty.NullVal(want.Type)
		case !v.IsKnown() || out.Block.broken:
			v = cty.UnknownVal(want.Type)
		case name == "repo":
			v = d.repo(out, v.WithMarks(marks))
		default:
			v = d.copies(out, v, marks)
		}
		attrs[name] = v.WithMarks(marks)
	}
	if changed && !out.Block.broken {
		d.together(out, attrs)
	}
	return changed
}

// copies are the single files of a job.
func (d *decoder) copies(out *Decoded, v cty.Value, marks cty.ValueMarks) cty.Value {
	ty := schema.Of[schema.File]().Type()
	var items []cty.Value
	taken := map[string]int{}
	for i, item := range v.AsValueSlice() {
		at := pathAt("files", i)
		item, own := item.Unmark()
		if !item.IsKnown() || item.IsNull() {
			items = append(items, cty.UnknownVal(ty))
			continue
		}
		item = item.WithMarks(own, marks)
		local, ok := d.localPath(out, at, item.GetAttr("local"))
		remote, known := d.localPath(out, at, item.GetAttr("path"))
		if !ok || !known {
			items = append(items, cty.UnknownVal(ty))
			continue
		}
		if first, twice := taken[remote]; twice {
			d.say(out, at, true, "Two files have one place", "%s is where files[%d] goes already. Give one of them another path.", quoted(remote), first)
		}
		taken[remote] = i
		f := d.c.content(fileAnswer, local)
		if f.err != nil {
			d.contentError(out, at, "file", local, f.err)
			items = append(items, cty.UnknownVal(ty))
			continue
		}
		items = append(items, cty.ObjectVal(map[string]cty.Value{
			"local": cty.StringVal(local), "path": cty.StringVal(remote), "digest": cty.StringVal(f.Digest), "bytes": cty.NumberIntVal(f.Bytes),
		}))
	}
	if len(items) == 0 {
		return cty.ListValEmpty(ty)
	}
	return cty.ListVal(items)
}

// localPath is a path that is known; false where it is not.
func (d *decoder) localPath(out *Decoded, at string, v cty.Value) (string, bool) {
	v, marks := unanswered(v).Unmark()
	if len(marks) > 0 {
		d.say(out, at, true, "Path is sensitive", "Plans show where files come from, and this value is sensitive. Use another one, or nonsensitive(...) if it may be shown.")
		return "", false
	}
	if !v.IsKnown() || v.IsNull() {
		return "", false
	}
	if strings.ContainsRune(v.AsString(), 0) {
		d.say(out, at, true, "Path cannot be read", "It has a zero byte in it, which no path can have.")
		return "", false
	}
	return v.AsString(), true
}

// contentError says why something cannot travel.
func (d *decoder) contentError(out *Decoded, at, what, path string, err error) {
	if large, ok := errors.AsType[*content.TooLargeError](err); ok {
		d.tooLarge(out, at, what, path, large)
		return
	}
	if bad, ok := errors.AsType[*content.PathError](err); ok {
		d.say(out, at, true, "File cannot be read", "%s of %s: %s. If the job does not need it, name it in .dstackignore, which is written as .gitignore is.", quoted(bad.Path), quoted(path), bad.Err)
		return
	}
	summary := strings.ToUpper(what[:1]) + what[1:] + " cannot be read"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.say(out, at, true, summary, "There is no %s %s. Relative paths start at the folder of the configuration; in a module, ${path.module} is the folder of the module.", what, quoted(path))
	case what == "file" && reason(err) == "it is no file":
		d.say(out, at, true, summary, "%s is no file. files takes single ones; a folder is the code of the run:\n  repo {\n    path = %s\n  }", quoted(path), quoted(path))
	default:
		d.say(out, at, true, summary, "%s: %s.", quoted(path), reason(err))
	}
}

func (d *decoder) tooLarge(out *Decoded, at, what, path string, e *content.TooLargeError) {
	if what == "file" {
		d.say(out, at, true, "File is too large", "%s has %s, and what is sent to a job may have %s. Put it on a volume, or allow more:\n  export DSTACK_CODE_UPLOAD_LIMIT=%s", quoted(path), sizeText(e.Bytes), sizeText(e.Limit), roomFor(e.Bytes))
		return
	}
	more, them := "", ""
	if !e.Whole {
		more = " and more"
	}
	if e.Limit > 0 && e.Bytes > e.Limit {
		for _, f := range e.Largest {
			them += fmt.Sprintf("\n  %-8s %s", sizeText(f.Size), quoted(f.Path))
		}
		d.say(out, at, true, "Folder is too large", "%s has %s%s, and what is sent to a job may have %s. The largest files are:%s\nName what the job does not need in .dstackignore, which is written as .gitignore is; put data on a volume; or allow more:\n  export DSTACK_CODE_UPLOAD_LIMIT=%s",
			quoted(path), sizeText(e.Bytes), more, sizeText(e.Limit), them, roomFor(e.Bytes))
		return
	}
	d.say(out, at, true, "Folder has too many files", "%s has %d files%s, which is more than can be sent to a job. Name what the job does not need in .dstackignore, which is written as .gitignore is, or put it on a volume.", quoted(path), e.Entries, more)
}

// sizeText is a size for people, rounded down to three digits.
func sizeText(n int64) string {
	const units = "KMGTPE"
	if n < 1<<10 {
		return fmt.Sprintf("%dB", n)
	}
	i, size := 0, float64(n)/(1<<10)
	for size >= 1<<10 {
		size /= 1 << 10
		i++
	}
	digits := 0
	if size < 10 {
		digits = 1
	}
	return strings.TrimSuffix(fmt.Sprintf("%.*f", digits, size), ".0") + string(units[i]) + "B"
}

// roomFor is a limit that is above a size, and easy to read.
func roomFor(n int64) string {
	limit := int64(1 << 20)
	for limit < n {
		limit *= 2
	}
	return sizeText(limit)
}

// listed names a few of many.
func listed(names []string) string {
	const most = 3
	quotedNames := make([]string, 0, most)
	for _, n := range names[:min(most, len(names))] {
		quotedNames = append(quotedNames, quoted(n))
	}
	text := strings.Join(quotedNames, ", ")
	if rest := len(names) - most; rest > 0 {
		text += fmt.Sprintf(" and %d more", rest)
	}
	return text
}

// say reports something about an argument of a block.
func (d *decoder) say(out *Decoded, at string, wrong bool, summary, format string, args ...any) {
	rng, _, ok := out.Origin(at)
	if !ok {
		rng = out.Block.DefRange
	}
	list := diag.Warnf(summary, format, args...)
	if wrong {
		list = diag.Errorf(summary, format, args...)
	}
	d.list = append(d.list, slices.Clip(list.At(&rng))...)
}
