package cli

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/modfetch"
	"github.com/dstackai/dstack-planner/planner/lockfile"
	"github.com/dstackai/dstack-planner/planner/modsource"
	"github.com/dstackai/dstack-planner/planner/render"
)

func modulesCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "modules", Short: "List the modules that are called, where they come from and what is pinned",
		Long: "Follows the calls of modules and says for each its source, the commit that is pinned and the folder of its files. Nothing is fetched; dstack init does that.",
		Args: args(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			lock, err := lockfile.Read(".")
			if err != nil {
				return failedWith(err, "Lock file cannot be read")
			}
			list, diags := modfetch.List(".", lock)
			if err := a.listModules(list); err != nil {
				return err
			}
			return failed(diags)
		},
	}
	jsonFlag(a, cmd, "print a JSON list")
	return cmd
}

// calledModule is a call in `modules --json`.
type calledModule struct {
	Address string `json:"address"`
	Source  string `json:"source"`
	Commit  string `json:"commit,omitempty"`
	Folder  string `json:"folder,omitempty"`
	Problem string `json:"problem,omitempty"`
}

func (a *app) listModules(list []modfetch.Module) error {
	out := make([]calledModule, 0, len(list))
	for _, m := range list {
		c := calledModule{Address: string(m.Path), Source: m.Source, Commit: m.Commit, Folder: m.Dir}
		if m.Problem != nil {
			c.Problem = diag.From(m.Problem, "")[0].Detail
		}
		out = append(out, c)
	}
	if a.json {
		return a.printJSON(out)
	}
	t := render.Table{Columns: []render.Column{{Title: "MODULE"}, {Title: "SOURCE"}, {Title: "COMMIT"}, {Title: "FOLDER"}}}
	for i, m := range list {
		folder := m.Dir
		switch missing := (*lockfile.NotInstalledError)(nil); {
		case errors.As(m.Problem, &missing):
			folder = "not fetched: dstack init"
		case m.Problem != nil:
			folder = "cannot be used: " + m.Dir
		}
		t.Rows = append(t.Rows, []string{out[i].Address, render.Clean(m.Source), m.Commit[:min(12, len(m.Commit))], render.Clean(folder)})
	}
	a.printf("%s", t.Text(a.options()))
	return nil
}

// initModules fetches the modules that the configuration calls and pins them.
func (a *app) initModules(ctx context.Context, upgrade bool) error {
	lock, err := lockfile.Read(".")
	if err != nil {
		return failedWith(err, "Lock file cannot be read")
	}
	before := slices.Sorted(maps.Keys(lock.Modules))
	got, err := modfetch.Install(ctx, ".", lock, upgrade, modfetch.Options{Began: func(s modsource.Source) { a.say("Fetching  %s ...", s.Key()) }})
	for _, i := range got {
		a.printf("Module    %s at %.12s: %s\n", i.Key, i.Pin.Commit, done(i))
		a.complain(i.Notes)
	}
	for _, key := range before {
		if _, stays := lock.Modules[key]; !stays {
			a.printf("Module    %s: not called any more, and so not pinned\n", key)
		}
	}
	return errors.Join(failedWith(err, "Modules cannot be fetched"), failedWith(lock.Write("."), "Lock file cannot be written"))
}

// done says what was done for a source.
func done(i modfetch.Installed) string {
	switch {
	case i.Was == lockfile.Pin{}:
		return "fetched and pinned"
	case i.Was.Commit != i.Pin.Commit:
		return "upgraded from " + i.Was.Commit[:min(12, len(i.Was.Commit))]
	case i.Written:
		return "fetched"
	case i.Network:
		return "up to date"
	}
	return "here already"
}
