package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/launch"
)

func providersCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "providers", Short: "List the providers that are installed", Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			l, err := a.launcher()
			if err != nil {
				return err
			}
			defer l.Close()
			ctx, cancel := a.interruptible(cmd.Context())
			defer cancel()
			return a.listProviders(ctx, l)
		},
	}
	jsonFlag(a, cmd, "print a JSON list")
	cmd.AddCommand(providersSchemaCommand(a))
	return cmd
}

// launcher is for commands that need providers and no configuration.
func (a *app) launcher() (*launch.Launcher, error) {
	p, err := readPins()
	if err != nil {
		return nil, err
	}
	return a.newLauncher(p), nil
}

func (a *app) newLauncher(p *pins) *launch.Launcher {
	return launch.New(launch.Options{Program: a.program, PluginDir: a.getenv("DSTACK_PLUGIN_DIR"), Home: a.home, Verify: p.verify, Log: a.log})
}

// installed is a provider in `providers --json`.
type installed struct {
	Name     string   `json:"name"`
	Version  string   `json:"version,omitempty"`
	Protocol int      `json:"protocol,omitempty"`
	Kinds    []string `json:"kinds,omitempty"`
	Error    string   `json:"error,omitempty"`
}

func (a *app) listProviders(ctx context.Context, l *launch.Launcher) error {
	list := []installed{}
	for _, name := range l.Names() {
		d, err := l.Describe(ctx, name)
		if err != nil {
			list = append(list, installed{Name: name, Error: err.Error()})
			continue
		}
		list = append(list, installed{Name: name, Version: d.Version, Protocol: d.Protocol, Kinds: d.Kinds})
	}
	if a.json {
		return a.printJSON(list)
	}
	t := render.Table{Columns: []render.Column{{Title: "NAME"}, {Title: "VERSION"}, {Title: "KINDS"}}}
	for _, p := range list {
		what := strings.Join(p.Kinds, ", ")
		if p.Error != "" {
			what, _, _ = strings.Cut(p.Error, "\n")
		}
		t.Rows = append(t.Rows, []string{p.Name, render.Clean(p.Version), render.Clean(what)})
	}
	a.printf("%s", t.Text(a.options()))
	return nil
}

func providersSchemaCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "schema [PROVIDER]", Short: "Print what can be written: blocks, kinds, grammars, and the settings of providers",
		Args: args(0, 1, "at most the name of one provider"),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := a.launcher()
			if err != nil {
				return err
			}
			defer l.Close()
			ctx, cancel := a.interruptible(cmd.Context())
			defer cancel()
			names := args
			if len(names) == 0 {
				names = l.Names()
			}
			described := map[string]providers.Description{}
			for _, name := range names {
				d, err := l.Describe(ctx, name)
				if err != nil {
					if len(args) == 0 {
						a.say("Provider %s is left out: %v.", name, err)
						continue
					}
					return failedWith(err, "Provider cannot be used")
				}
				described[name] = d
			}
			if len(args) == 1 && !a.json {
				a.printf("%s", settingsText(described[args[0]]))
				return nil
			}
			return a.printJSON(schemaOf(described, len(args) == 1))
		},
	}
	jsonFlag(a, cmd, "print one JSON object, which is what is printed anyway where no provider is named")
	return cmd
}

// settingsText is what a provider takes in `settings`, for people.
func settingsText(d providers.Description) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Provider %s %s: %s\n", d.Name, d.Version, strings.Join(d.Kinds, ", "))
	if len(d.Capabilities.Regions) > 0 {
		fmt.Fprintf(&b, "Regions: %s\n", strings.Join(d.Capabilities.Regions, ", "))
	}
	if len(d.Settings) == 0 {
		b.WriteString("\nIt takes no settings.\n")
		return b.String()
	}
	b.WriteString("\nsettings = {\n")
	for _, s := range d.Settings {
		name := strings.TrimSpace(string(s.Type))
		var text string
		if json.Unmarshal(s.Type, &text) == nil {
			name = text
		}
		var notes []string
		if s.Required {
			notes = append(notes, "required")
		}
		if s.Secret {
			notes = append(notes, "never recorded")
		}
		if s.Env != "" {
			notes = append(notes, "else from "+s.Env)
		}
		note := ""
		if len(notes) > 0 {
			note = " (" + strings.Join(notes, ", ") + ")"
		}
		fmt.Fprintf(&b, "  %s = %s%s\n      %s\n", s.Name, name, note, s.Doc)
	}
	b.WriteString("}\n")
	return b.String()
}
