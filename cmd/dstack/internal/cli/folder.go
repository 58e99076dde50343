package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/launch"
	"github.com/dstackai/dstack-planner/statefile"
)

// defaultStore is where the state is unless the configuration says otherwise.
const defaultStore = ".dstack/state"

// folder is the configuration that a command works on, with its store and its providers.
type folder struct {
	app      *app
	config   *config.Config
	broken   bool // the configuration has errors, and the command can do without it
	store    *statefile.Local
	launcher *launch.Launcher
	pins     *pins
	policies []*config.Config // folders of policies beside those of the configuration
}

// inputs are the flags that give values to variables, in the order in which they were given, and what an earlier round has
// answered to functions that are not pure.
type inputs struct {
	list   []config.Assignment
	moment *config.Moment
	// repos answers about repositories that jobs clone, for commands that make plans. Others ask no server.
	repos config.Repositories
}

func (i *inputs) register(cmd *cobra.Command) {
	cmd.Flags().Var(varFlag{i, false}, "var", "give a variable a value: `NAME=VALUE`; can be repeated")
	cmd.Flags().Var(varFlag{i, true}, "var-file", "take the values of variables from a `FILE`; can be repeated")
}

// varFlag is --var or --var-file. Both add to one list, because the last one wins.
type varFlag struct {
	inputs *inputs
	file   bool
}

func (varFlag) String() string { return "" }
func (varFlag) Type() string   { return "string" }

func (f varFlag) Set(s string) error {
	if f.file {
		f.inputs.list = append(f.inputs.list, config.Assignment{File: s})
		return nil
	}
	name, text, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return errors.New("it is NAME=VALUE")
	}
	f.inputs.list = append(f.inputs.list, config.Assignment{Name: name, Text: text})
	return nil
}

// reading says how a configuration is read: by every command alike.
func (a *app) reading(in inputs) config.LoadOptions {
	return config.LoadOptions{Home: a.home, Profile: a.getenv("DSTACK_PROFILE"), Vars: in.list, Environ: a.environ, Now: a.now, Version: a.version, Moment: in.moment,
		UploadLimit: a.uploadLimit, Repos: in.repos}
}

// open reads the configuration for a command that needs it whole.
func (a *app) open(ctx context.Context, in inputs) (*folder, error) {
	o := a.reading(in)
	o.Prompt = a.prompt()
	began := a.now()
	cfg, list := config.Load(ctx, o)
	a.logConfig(cfg, list, a.now().Sub(began))
	if list.HasErrors() {
		return nil, failed(list)
	}
	a.complain(list.Warnings())
	return a.newFolder(cfg, false)
}

// logConfig writes down what was read of a configuration.
func (a *app) logConfig(cfg *config.Config, list diag.List, took time.Duration) {
	sources := cfg.Sources()
	for _, s := range sources {
		a.log.Log(context.Background(), levelTrace, "file is read", "op", "load", "path", s.Path, "bytes", len(s.Text), "digest", s.Digest, "personal", s.Personal)
	}
	a.log.Debug("configuration is read", "op", "load", "files", len(sources), "blocks", len(cfg.Blocks()), "errors", len(list)-len(list.Warnings()), "warnings", len(list.Warnings()), "duration", took)
}

// readAgain reads the configuration once more, after a file was added to it.
func (f *folder) readAgain(ctx context.Context, in inputs) error {
	o := f.app.reading(in)
	o.Prompt = f.app.prompt()
	if m, asked := f.config.Moment(); asked {
		o.Moment = &m
	}
	cfg, list := config.Load(ctx, o)
	if list.HasErrors() {
		return failed(list)
	}
	f.config = cfg // its warnings were shown, or are those of the plan
	return nil
}

// openState reads the configuration for a command that needs to know only where the state is. Errors elsewhere in the
// configuration are none of its business.
func (a *app) openState(ctx context.Context, in inputs) (*folder, error) {
	cfg, list := config.Load(ctx, a.reading(in))
	if !list.HasErrors() {
		return a.newFolder(cfg, false)
	}
	own := 0
	for _, s := range cfg.Sources() {
		if !s.Personal {
			own++
		}
	}
	unread := cfg.Dstack().Store == "" // it did not come to reading the settings
	if about := aboutSettings(list); about.HasErrors() {
		return nil, failed(about)
	}
	if _, err := os.Stat(defaultStore); unread && own > 0 {
		if err != nil {
			return nil, failed(list)
		}
		a.say("The configuration cannot be read; the state is taken from %s.", defaultStore)
	}
	return a.newFolder(cfg, true)
}

// aboutSettings are the diagnostics that lie in the block dstack.
func aboutSettings(list diag.List) diag.List {
	var out diag.List
	for _, d := range list {
		if d.Snippet != nil && (d.Snippet.Context == "in dstack" || strings.HasPrefix(d.Snippet.Context, "in dstack,")) {
			out = append(out, d)
		}
	}
	return out
}

func (a *app) newFolder(cfg *config.Config, broken bool) (*folder, error) {
	p, err := readPins()
	if err != nil {
		return nil, err
	}
	return a.newFolderWith(cfg, broken, p)
}

// newFolderWith is newFolder with the pins of providers from elsewhere.
func (a *app) newFolderWith(cfg *config.Config, broken bool, p *pins) (*folder, error) {
	path := cfg.Dstack().StorePath
	if path == "" {
		path = defaultStore
	}
	f := &folder{app: a, config: cfg, broken: broken, pins: p, store: statefile.NewLocal(path, statefile.LocalOptions{Version: a.version})}
	f.launcher = a.newLauncher(p)
	return f, nil
}

// close ends the providers.
func (f *folder) close() {
	if err := f.launcher.Close(); err != nil {
		f.app.log.Warn("providers did not end well", "error", err)
	}
}

// planner is the front desk for this folder.
func (f *folder) planner() *planner.Planner {
	a := f.app
	p := &planner.Planner{
		Config: f.config, Policies: f.policies, Providers: f.launcher, Paths: providers.Paths{Home: a.home, Agent: filepath.Join(filepath.Dir(a.program), "dstack-agent")},
		Getenv: a.getenv, Now: a.now, Log: a.log, Version: a.version, Store: f.store.Describe(),
	}
	if f.broken {
		p.Config = nil
	}
	return p
}

// state reads the state of a command that changes nothing. There must be one.
func (f *folder) state(ctx context.Context) (*statefile.State, error) {
	st, err := f.store.Read(ctx)
	if errors.Is(err, statefile.ErrNotInitialised) {
		return nil, fail(exitError, "There is no state yet", "Nothing was planned here yet: there is no state in %s. To begin:\n  dstack plan", f.store.Describe())
	}
	return st, failedWith(err, "State cannot be read")
}

// makeState reads the state, and makes the empty one where there is none.
func (f *folder) makeState(ctx context.Context) (*statefile.State, error) {
	began := f.app.now()
	st, err := f.store.Init(ctx)
	if err == nil {
		f.app.log.Debug("state is read", "op", "state", "store", f.store.Describe(), "serial", st.Serial(), "resources", len(st.Resources()), "duration", f.app.now().Sub(began))
	}
	return st, failedWith(err, "State cannot be read")
}
