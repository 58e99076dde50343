package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/examples"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/launch"
	"github.com/dstackai/dstack-planner/schema"
)

func initCommand(a *app) *cobra.Command {
	var in inputs
	var example string
	var yes, upgrade bool
	cmd := &cobra.Command{
		Use: "init", Short: "Prepare a folder: its modules, its providers, its state, an example on request",
		Long: "Fetches modules from Git repositories and pins them, checks that the providers are there and would work, pins those from outside of dstack, and makes the empty state. What is pinned stands in .dstack.lock.hcl, which belongs into version control. With --example it first writes an example into the folder.\n\nIt can be repeated; what is there is kept, and needs no network.",
		Args: args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.interruptible(cmd.Context())
			defer cancel()
			if example != "" {
				variables, err := a.writeExample(cmd, example)
				if err != nil {
					return err
				}
				if len(variables) > 0 && len(in.list) == 0 {
					a.printf("\nThe example has several files of variables. Next, choose one:\n")
					for _, v := range variables {
						a.printf("  %s init --var-file %s\n", a.dstack(), v)
					}
					return nil
				}
			}
			if err := a.initModules(ctx, upgrade); err != nil {
				return err
			}
			f, err := a.open(ctx, in)
			if err != nil {
				return err
			}
			defer f.close()
			if err := f.initProviders(ctx, yes); err != nil {
				return err
			}
			st, err := f.makeState(ctx)
			if err != nil {
				return err
			}
			a.printf("State     %s, serial %d\n", f.store.Describe(), st.Serial())
			a.printf("\nNext, see what would be done:\n  dstack plan\n")
			return nil
		},
	}
	in.register(cmd)
	cmd.Flags().StringVar(&example, "example", "", "write an example: "+strings.Join(examples.Names(), ", "))
	cmd.Flags().BoolVar(&upgrade, "upgrade", false, "fetch what the tags and branches of modules mean now, and pin that")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "pin providers from outside without asking")
	return cmd
}

// writeExample writes the files of an example and lists those of variables. Nothing is overwritten.
func (a *app) writeExample(cmd *cobra.Command, name string) (variables []string, err error) {
	files, ok := examples.Files(name)
	if !ok {
		return nil, usage(cmd, "There is no example %q.%s There are %s.", name, schema.DidYouMean(name, examples.Names()), strings.Join(examples.Names(), ", "))
	}
	texts := map[string][]byte{}
	err = fs.WalkDir(files, ".", func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		texts[p], err = fs.ReadFile(files, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	here, err := os.ReadDir(".")
	if err != nil {
		return nil, failedWith(err, "Folder cannot be read")
	}
	for _, h := range here {
		// A configuration of its own would be mixed with the example's.
		_, ours := texts[h.Name()]
		if !ours && (strings.HasSuffix(h.Name(), ".dstack.hcl") || strings.HasSuffix(h.Name(), ".dstack.json")) {
			return nil, occupied(h.Name(), name)
		}
	}
	paths := slices.Sorted(maps.Keys(texts))
	for _, p := range paths {
		there, err := os.ReadFile(p)
		if err == nil && !bytes.Equal(there, texts[p]) || err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, occupied(p, name)
		}
	}
	for _, p := range paths {
		err := os.MkdirAll(filepath.Dir(p), 0o755)
		if err == nil {
			err = os.WriteFile(p, texts[p], 0o644)
		}
		if err != nil {
			return nil, failedWith(err, "Example cannot be written")
		}
		a.printf("Wrote     %s\n", p)
		if strings.HasSuffix(p, ".dstackvars") {
			variables = append(variables, p)
		}
	}
	return variables, nil
}

// occupied says that an example cannot be written because of a file.
func occupied(path, example string) error {
	return fail(exitError, "There is something here already", "%s is in this folder, and an example is a whole configuration. Write it into an empty folder:\n  mkdir %s && dstack -C %s init --example %s", path, example, example, example)
}

// initProviders checks every provider that the configuration uses, and pins those from outside once somebody agrees.
func (f *folder) initProviders(ctx context.Context, yes bool) error {
	a := f.app
	names, err := f.planner().ProviderNames()
	if err != nil {
		return failedWith(err, "Backends cannot be read")
	}
	for _, name := range names {
		d, err := f.launcher.Describe(ctx, name)
		if unpinned, ok := errors.AsType[*launch.UnpinnedError](err); ok {
			if !yes {
				question := fmt.Sprintf("The provider %q is no part of dstack:\n  %s\n  SHA-256 %s\nIt runs with your rights. Do you trust it?", name, unpinned.Path, unpinned.SHA256)
				if err := a.confirm(fmt.Sprintf("Trust in the provider %q", name), question, "dstack init --yes"); err != nil {
					return err
				}
			}
			f.pins.add(name, unpinned.SHA256)
			if err := f.pins.write(); err != nil {
				return failedWith(err, "Lock file cannot be written")
			}
			d, err = f.launcher.Describe(ctx, name)
		}
		if err != nil {
			return failedWith(err, "Provider cannot be used")
		}
		p, err := f.launcher.Start(ctx, name)
		if err != nil {
			return failedWith(err, "Provider cannot be started")
		}
		a.printf("Provider  %s %s: %s\n", name, d.Version, strings.Join(d.Kinds, ", "))
		if prober, ok := p.(providers.Prober); ok {
			var report bytes.Buffer
			if err := prober.Probe(ctx, &report); err != nil && !errors.Is(err, errors.ErrUnsupported) {
				return failedWith(fmt.Errorf("provider %q would not work here: %w", name, err), "Provider would not work")
			}
			for line := range strings.Lines(report.String()) {
				a.printf("          %s\n", strings.TrimRight(line, "\r\n"))
			}
		}
	}
	return nil
}
