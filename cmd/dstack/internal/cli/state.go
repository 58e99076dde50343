package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

func stateCommand(a *app) *cobra.Command {
	return parent("state", "Look into what is recorded, and correct it", stateListCommand(a), stateShowCommand(a), statePullCommand(a), stateMoveCommand(a), stateRemoveCommand(a))
}

// withState runs a command that reads the state.
func (a *app) withState(in *inputs, run func(cmd *cobra.Command, args []string, st *statefile.State) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx, cancel := a.interruptible(cmd.Context())
		defer cancel()
		f, err := a.openState(ctx, *in)
		if err != nil {
			return err
		}
		defer f.close()
		st, err := f.state(ctx)
		if err != nil {
			return err
		}
		return run(cmd, args, st)
	}
}

func stateListCommand(a *app) *cobra.Command {
	var in inputs
	cmd := &cobra.Command{
		Use: "list", Short: "Print the address of each recorded object, one a line", Args: args(0, 0, ""),
		RunE: a.withState(&in, func(_ *cobra.Command, _ []string, st *statefile.State) error {
			list := []string{}
			for _, r := range st.Resources() {
				list = append(list, r.Ref().String())
			}
			if a.json {
				return a.printJSON(list)
			}
			for _, l := range list {
				a.printf("%s\n", l)
			}
			return nil
		}),
	}
	in.register(cmd)
	jsonFlag(a, cmd, "print a JSON list")
	return cmd
}

func stateShowCommand(a *app) *cobra.Command {
	var in inputs
	cmd := &cobra.Command{
		Use: "show ADDRESS", Short: "Print everything that is recorded of one object", Args: args(1, 1, "one address"),
		RunE: a.withState(&in, func(_ *cobra.Command, args []string, st *statefile.State) error {
			r, err := find(st, args[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(r)
			}
			a.printf("%s", describe(st, r))
			return nil
		}),
	}
	in.register(cmd)
	jsonFlag(a, cmd, "print one JSON object")
	return cmd
}

func statePullCommand(a *app) *cobra.Command {
	var in inputs
	cmd := &cobra.Command{
		Use: "pull", Short: "Print the whole state as JSON", Args: args(0, 0, ""),
		RunE: a.withState(&in, func(_ *cobra.Command, _ []string, st *statefile.State) error { return a.printState(st) }),
	}
	in.register(cmd)
	jsonFlag(a, cmd, "it is JSON anyway")
	return cmd
}

func (a *app) printState(st *statefile.State) error {
	data, err := st.Pull()
	if err != nil {
		return err
	}
	_, err = a.out.Write(data)
	return err
}

// find looks up an object by its address, or by the name of a run, fleet, volume or gateway that is one object.
func find(st *statefile.State, given string) (*statefile.Resource, error) {
	if r := st.Resource(given); r != nil {
		return r, nil
	}
	var named []*statefile.Resource
	var known []string
	for _, r := range st.Resources() {
		known = append(known, r.Address)
		var v struct {
			Name string `json:"name"`
		}
		if r.Deposed == "" && r.Kind != addr.KindSupport && json.Unmarshal(r.Attributes, &v) == nil && v.Name == given {
			named = append(named, r)
		}
	}
	switch len(named) {
	case 1:
		return named[0], nil
	case 0:
		return nil, fail(exitError, "Nothing is recorded there", "There is no object %s in the state.%s To see all:\n  dstack state list", given, schema.DidYouMean(given, known))
	}
	var list []string
	for _, r := range named {
		list = append(list, "  "+r.Address)
	}
	return nil, fail(exitError, "Several have that name", "%q is the name of several. Use the address of one:\n%s", given, strings.Join(list, "\n"))
}

// describe prints an object for people.
func describe(st *statefile.State, r *statefile.Resource) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r.Ref())
	rows := [][]string{}
	add := func(name, text string) {
		if text != "" {
			rows = append(rows, []string{name, text})
		}
	}
	add("kind", r.Kind)
	add("backend", r.Backend)
	add("id", r.ID)
	add("status", r.Status)
	if r.Tainted {
		add("tainted", "yes; it is replaced by the next plan")
	}
	var attrs map[string]json.RawMessage
	if json.Unmarshal(r.Attributes, &attrs) == nil {
		for _, name := range slices.Sorted(maps.Keys(attrs)) {
			if name == "id" || name == "status" || name == "backend" {
				continue
			}
			if _, secret := r.Secrets[name]; secret {
				add(name, "(sensitive)")
			} else if text := plain(attrs[name]); text != "" {
				add(name, text)
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(r.Secrets)) {
		if _, top := attrs[path]; !top {
			add(path, "(sensitive)")
		}
	}
	add("stands on", strings.Join(r.Needs, ", "))
	if r.Declared.File != "" {
		add("declared", r.Declared.File+":"+strconv.Itoa(r.Declared.Line))
	}
	if !r.Changed.At.IsZero() {
		add("changed", r.Changed.At.UTC().Format("2006-01-02 15:04:05 UTC")+byWhom(r.Changed))
	}
	if p, ok := st.Plan(r.Changed.Plan); ok {
		for _, o := range p.Overrides {
			add("against", overridden(o))
		}
	}
	width := 0
	for _, row := range rows {
		width = max(width, len(row[0]))
	}
	for _, row := range rows {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, row[0], row[1])
	}
	return b.String()
}

func byWhom(c statefile.Changed) string {
	if c.By == "" {
		return ""
	}
	return " by " + c.By
}

// plain is a JSON value on one line; null and empty values are nothing.
func plain(raw json.RawMessage) string {
	text := strings.TrimSpace(string(raw))
	switch text {
	case "null", "", `""`, "[]", "{}":
		return ""
	}
	return render.Clean(text)
}
