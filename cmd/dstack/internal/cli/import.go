package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/statefile"
)

func importCommand(a *app) *cobra.Command {
	var c changing
	var backend string
	cmd := &cobra.Command{
		Use: "import ADDRESS ID", Short: "Take over something that exists and is recorded nowhere",
		Long: `What its provider calls ID is recorded under ADDRESS from now on: a volume, a gateway, or an instance such as fleet.lab.instance[0]. Nothing about it is changed but its tags, which say whose it is. The configuration needs the block; dstack plan shows what the block would change about it. What an ID is: dstack providers schema

In a team an import block in the configuration is better: a plan shows it first. dstack plan --generate-config-out FILE writes the blocks that are missing.`,
		Args: args(2, 2, "an address, and the id of what is there"),
		RunE: func(cmd *cobra.Command, args []string) error {
			to, err := importTarget(cmd, args[0])
			if err != nil {
				return err
			}
			return a.importOne(cmd, c, config.Import{To: to, ID: args[1], Backend: backend})
		},
	}
	c.register(a, cmd)
	cmd.Flags().StringVar(&backend, "backend", "", "the backend that it is on; that of the block, or the only one, unless set")
	return cmd
}

// importTarget reads an address under which something can be recorded that exists.
func importTarget(cmd *cobra.Command, text string) (addr.Resource, error) {
	s, err := addr.ParseSubject(text)
	if err != nil {
		return addr.Resource{}, usage(cmd, "%s", capital(sentenceOf(err.Error())))
	}
	to := s.Resource()
	switch {
	case s.IsModule():
		return to, usage(cmd, "%s is a module. An import takes over one thing: write its address, such as %s.volume.data.", s, s)
	case to.Kind() == "":
		return to, usage(cmd, "%s stands for several things. An import takes over one: write its address, such as %s.", s, to.Block.Machine(addr.Int(0)))
	case to.Kind() == addr.KindJob, to.Kind() == addr.KindSupport:
		return to, usage(cmd, "A %s cannot be imported. Volumes, gateways and instances can be taken over.", to.Kind())
	}
	return to, nil
}

// importOne takes one thing over, as the only writer. With --dry-run it takes no lock.
func (a *app) importOne(cmd *cobra.Command, c changing, i config.Import) error {
	ctx, cancel := a.interruptible(cmd.Context())
	defer cancel()
	c.inputs.repos = a.repositories(ctx)
	f, err := a.open(ctx, c.inputs)
	if err != nil {
		return err
	}
	defer f.close()
	st, err := f.makeState(ctx)
	if err != nil {
		return err
	}
	if c.dryRun {
		return a.takeOver(ctx, f, st, nil, i)
	}
	session, err := a.lock(ctx, f, applying{lockTimeout: c.lockTimeout}, "", "import")
	if err != nil {
		return err
	}
	err = a.takeOver(ctx, f, session.State(), session, i)
	if cerr := session.Close(context.WithoutCancel(ctx)); err == nil {
		err = failedWith(cerr, "State cannot be written")
	}
	return err
}

func (a *app) takeOver(ctx context.Context, f *folder, st *statefile.State, s statefile.Session, i config.Import) error {
	taken, list := f.planner().ImportRecorded(ctx, st, i, s == nil, a.changed("import"))
	if ctx.Err() != nil && list.HasErrors() {
		return exit(exitInterrupted)
	}
	if list.HasErrors() {
		return failed(list)
	}
	a.complain(list.Warnings())
	r := taken.Resource
	if s != nil {
		var records []statefile.Record
		if _, known := st.Backend(r.Backend); !known {
			records = append(records, statefile.NewBackend(a.now(), r.Backend, taken.Backend))
		}
		records = append(records, statefile.NewPut(a.now(), r, ""))
		if err := s.Append(context.WithoutCancel(ctx), records...); err != nil {
			return failedWith(err, "State cannot be written")
		}
		st = s.State()
	}
	if a.json {
		return a.printJSON(struct {
			DryRun   bool                `json:"dry_run"`
			Imported *statefile.Resource `json:"imported"`
		}{s == nil, r})
	}
	a.printf("%s", describe(st, r))
	if s == nil {
		a.printf("%s would be imported. Nothing was changed.\n", r.Address)
		return nil
	}
	a.printf("%s is imported. To see what its block would change about it:\n  %s plan\n", r.Address, a.dstack())
	return nil
}

// generate writes the blocks that imports lack to a new file of the configuration, and reads the configuration again.
func (a *app) generate(ctx context.Context, f *folder, st *statefile.State, in planning, path string) error {
	d, list := f.planner().Draft(ctx, st, filepath.Base(path), in.parallelism)
	if ctx.Err() != nil {
		return exit(exitInterrupted)
	}
	if list.HasErrors() {
		return failed(list)
	}
	a.complain(list.Warnings())
	if len(d.Blocks) == 0 {
		a.say("Each import has its block, so %s was not written.", path)
		return nil
	}
	if err := writeNew(path, d.Text); err != nil {
		return err
	}
	a.say("Wrote %s with %s for what is imported. Read it before you apply.", path, render.Count(len(d.Blocks), "block"))
	return f.readAgain(ctx, in.inputs)
}

// mayGenerate refuses a file that the next plan would not read, or that exists.
func mayGenerate(cmd *cobra.Command, path string) error {
	if filepath.Dir(path) != "." || !strings.HasSuffix(path, ".dstack.hcl") || strings.HasPrefix(path, ".") {
		return usage(cmd, "--generate-config-out needs the name of a file in the folder of the configuration that ends in .dstack.hcl, so that the plan can read it; %s is none.", path)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fail(exitError, "File exists already", "--generate-config-out writes a new file, and %s is there. Give it another name.", path)
	}
	return nil
}

// writeNew writes a file that is not there, whole or not at all.
func writeNew(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = file.Write(text)
		if cerr := file.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			_ = os.Remove(path)
		}
	}
	if err != nil {
		return failedWith(fmt.Errorf("write %s: %w", path, err), "File cannot be written")
	}
	return nil
}
