package cli

import (
	"context"
	"fmt"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
)

// after does what --wait and --follow ask for. The lock is released by then; Ctrl-C detaches and stops nothing.
func (a *app) after(ctx context.Context, f *folder, ap applying) error {
	switch {
	case ap.follow != "":
		ctx, cancel := a.interruptible(ctx)
		defer cancel()
		return a.followRun(ctx, f, ap.follow)
	case ap.wait:
		ctx, cancel := a.interruptible(ctx)
		defer cancel()
		return a.waitForTasks(ctx, f)
	}
	return nil
}

// followRun prints a run's output until it ends. Only done is success.
func (a *app) followRun(ctx context.Context, f *folder, name string) error {
	_, r, err := f.look(ctx, addr.KindJob)
	if err != nil {
		return failedWith(err, "Runs cannot be read")
	}
	ru, err := r.findRun(name)
	if err != nil {
		return err
	}
	j, err := ru.pick(0, false)
	if err != nil {
		return err
	}
	if !a.json { // stdout is a stream of events, and the output of a job is none
		if err := a.printLog(ctx, f, ru, j, providers.LogOptions{Follow: true}, logStyle{}); err != nil {
			return err
		}
	}
	return a.waitFor(ctx, f, func(x *run) bool { return x.Address == ru.Address })
}

// waitForTasks waits until every task of the configuration has ended. How those ended that it has no more does not matter.
func (a *app) waitForTasks(ctx context.Context, f *folder) error {
	return a.waitFor(ctx, f, func(r *run) bool {
		at, err := addr.ParseInstance(r.Address)
		return r.Type == "task" && (err != nil || f.config.Block(at.Block) != nil)
	})
}

// waitFor waits until all such runs have ended, and fails unless all are done.
func (a *app) waitFor(ctx context.Context, f *folder, which func(*run) bool) error {
	for {
		_, r, err := f.look(ctx, addr.KindJob)
		if err != nil {
			return failedWith(err, "Runs cannot be read")
		}
		going := false
		var bad []string
		for i := range r.runs {
			ru := &r.runs[i]
			switch {
			case !which(ru):
			case ru.unfinished():
				going = true
			case ru.Status != "done":
				bad = append(bad, fmt.Sprintf("%s: %s", ru.Name, ru.ends()))
			}
		}
		if !going {
			if len(bad) == 0 {
				return nil
			}
			text := "These did not end well:"
			for _, b := range bad {
				text += "\n  " + b
			}
			return fail(exitError, "Not all runs are done", "%s", text)
		}
		if sleep(ctx, pollEvery) != nil {
			return exit(exitInterrupted)
		}
	}
}
