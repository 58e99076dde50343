package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render"
)

// rendering is one way in which a plan is written.
type rendering struct {
	format string // of --format; those that can be written to files of their own have --FORMAT-out
	about  string // what it is, for the help
	file   bool
	write  func(p *plan.Plan, s subject) ([]byte, error)
}

// subject is what a rendering knows beside the plan.
type subject struct {
	saved   string // the file that holds the plan
	verbose bool
	text    render.Options
	where   repository
	name    string // of the configuration among those of its repository
}

// renderings are all ways, the usual one first.
func renderings() []rendering {
	return []rendering{
		{format: "text", about: "for a terminal", write: func(p *plan.Plan, s subject) ([]byte, error) {
			o := s.text
			o.Saved, o.Verbose = s.saved, s.verbose
			return []byte(render.Text(p, o)), nil
		}},
		{format: "json", about: "the whole plan as one object", file: true, write: func(p *plan.Plan, _ subject) ([]byte, error) {
			return render.JSON(p)
		}},
		{format: "markdown", about: "for a comment on a pull request", file: true, write: func(p *plan.Plan, s subject) ([]byte, error) {
			return render.Markdown(p, s.markdown(render.CommentLimit)), nil
		}},
		{format: "html", about: "a page of its own, with the graph drawn", file: true, write: func(p *plan.Plan, s subject) ([]byte, error) {
			return render.HTML(p, render.HTMLOptions{Name: s.name, Saved: s.saved, Commit: s.where.commit})
		}},
	}
}

// subject is what is known of a plan that is saved to a file. Its name is the configuration's folder unless it has one.
func (a *app) subject(saved, name string, named bool) subject {
	s := subject{saved: saved, text: a.options(), where: repositoryOf(a.getenv), name: name}
	if !named {
		s.name = s.where.folder
	}
	return s
}

func (s subject) markdown(limit int) render.MarkdownOptions {
	return render.MarkdownOptions{
		Name: s.name, Limit: limit, Saved: s.saved, Full: s.where.run, Commit: s.where.commit, Files: s.where.files, Folder: s.where.folder,
	}
}

// outputs are the flags that say in which ways a plan is written, and where to.
type outputs struct {
	format      string
	files       map[string]*string // by format
	summary     bool
	annotations bool
	name        string
	verbose     bool

	named       bool   // the name was given
	summaryFile string // where the summary of the job is
}

func (o *outputs) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	o.files = map[string]*string{}
	var known []string
	for _, r := range renderings() {
		known = append(known, r.format+" ("+r.about+")")
		if r.file {
			o.files[r.format] = flags.String(r.format+"-out", "", "write the plan as "+r.format+" to a `FILE` as well")
		}
	}
	flags.StringVar(&o.format, "format", renderings()[0].format, "how the plan is printed: "+strings.Join(known, ", "))
	flags.BoolVar(&o.summary, "github-summary", false, "add the plan as markdown to the summary of the job on GitHub")
	flags.BoolVar(&o.annotations, "github-annotations", false, "put what the plan says beside the lines of the files on GitHub")
	nameFlag(cmd, &o.name)
}

// nameFlag adds --name.
func nameFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "name", "", "`NAME` of the plan in markdown, where a repository has several; it is the configuration's folder in the repository")
}

// check refuses what cannot be written, before anybody is asked for anything. saved is the file that the plan will be
// saved to, if it will be.
func (o *outputs) check(a *app, cmd *cobra.Command, saved string) error {
	if !slices.ContainsFunc(renderings(), func(r rendering) bool { return r.format == o.format }) {
		var known []string
		for _, r := range renderings() {
			known = append(known, r.format)
		}
		return usage(cmd, "--format is %s or %s, not %q.", strings.Join(known[:len(known)-1], ", "), known[len(known)-1], o.format)
	}
	if a.json && o.format != "text" {
		return usage(cmd, "--json and --format %s both say what is printed; use one of them.", o.format)
	}
	o.named = cmd.Flags().Changed("name")
	seen := map[string]string{}
	for _, f := range o.paths(saved) {
		if same := seen[filepath.Clean(f.path)]; same != "" {
			return usage(cmd, "%s and %s name the same file.", same, f.flag)
		}
		seen[filepath.Clean(f.path)] = f.flag
		if err := writable(f.path); err != nil {
			return fail(exitError, "File cannot be written", "%s %s: %v.", f.flag, f.path, reason(err))
		}
	}
	if !o.summary {
		return nil
	}
	o.summaryFile = a.getenv("GITHUB_STEP_SUMMARY")
	if o.summaryFile == "" {
		return fail(exitError, "There is no summary to write to", "--github-summary adds to the file that GITHUB_STEP_SUMMARY names, and that is not set: this is no job on GitHub. To have the same text in a file:\n  dstack plan --markdown-out FILE")
	}
	if err := writable(o.summaryFile); err != nil {
		return fail(exitError, "Summary cannot be written", "GITHUB_STEP_SUMMARY is %s: %v.", o.summaryFile, reason(err))
	}
	_, err := summaryRoom(o.summaryFile)
	return failedWith(err, "Summary cannot be written")
}

// leastSummary is what any plan's Markdown can be cut to, and the line before it.
const leastSummary = 2_001

// summaryRoom is how much can be added to a summary beside what others have written.
func summaryRoom(path string) (int, error) {
	size := int64(0)
	switch info, err := os.Stat(path); {
	case err == nil:
		size = info.Size()
	case !errors.Is(err, fs.ErrNotExist):
		return 0, err
	}
	if size > render.SummaryLimit-leastSummary {
		return 0, fmt.Errorf("%s has %d bytes, and a summary may have %d", path, size, render.SummaryLimit)
	}
	return render.SummaryLimit - int(size), nil
}

// outPath is one file that is to be written.
type outPath struct{ flag, path string }

func (o *outputs) paths(saved string) []outPath {
	var out []outPath
	if saved != "" {
		out = append(out, outPath{"--out", saved})
	}
	for _, format := range slices.Sorted(maps.Keys(o.files)) {
		if path := *o.files[format]; path != "" {
			out = append(out, outPath{"--" + format + "-out", path})
		}
	}
	return out
}

// write writes the plan in all ways that were asked for, all of them from the same plan.
func (o *outputs) write(a *app, p *plan.Plan, saved string) error {
	s := a.subject(saved, o.name, o.named)
	s.verbose = o.verbose
	for _, r := range renderings() {
		if path := o.files[r.format]; path != nil && *path != "" {
			body, err := r.write(p, s)
			if err == nil {
				err = writeFile(*path, body)
			}
			if err != nil {
				return failedWith(err, "Plan cannot be written as "+r.format)
			}
		}
	}
	if o.summary {
		if err := summarize(o.summaryFile, p, s); err != nil {
			return failedWith(err, "Summary cannot be written")
		}
	}
	if a.events != nil {
		a.events.plan(p)
	} else if err := o.print(a, p, s); err != nil {
		return err
	}
	if o.annotations {
		fmt.Fprint(a.err, render.Annotations(p, s.where.folder))
	}
	return nil
}

// print writes the plan to stdout.
func (o *outputs) print(a *app, p *plan.Plan, s subject) error {
	format := o.format
	if a.json {
		format = "json"
	}
	for _, r := range renderings() {
		if r.format == format {
			body, err := r.write(p, s)
			if err != nil {
				return failedWith(err, "Plan cannot be written as "+format)
			}
			a.printf("%s", body)
		}
	}
	return nil
}

// summarize adds the plan to the summary of a job, as much of it as there is room for.
func summarize(path string, p *plan.Plan, s subject) error {
	room, err := summaryRoom(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	text := render.Markdown(p, s.markdown(room-len("\n")))
	if room < render.SummaryLimit {
		text = append([]byte("\n"), text...)
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// reason is an error without the path, which is said already.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// writable tells why a file could not be written, before there is something to write.
func writable(path string) error {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("it is a folder")
	case !info.Mode().IsRegular():
		return nil // a pipe or a terminal, which is written when somebody reads
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".tmp-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// writeFile puts a whole file in the place of whatever is at path, readable by its owner alone. What is no file, such as a
// pipe, is written to.
func writeFile(path string, data []byte) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = bytes.NewReader(data).WriteTo(f)
		return errors.Join(err, f.Close())
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // a link stays one
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".tmp-") // made with 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
