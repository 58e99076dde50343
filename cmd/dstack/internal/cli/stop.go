package cli

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner"
)

// pollEvery is how often a command that waits for jobs looks at them.
const pollEvery = 250 * time.Millisecond

// stopMargin is how much longer than its grace a job may take to end before stop gives up.
const stopMargin = time.Minute

func stopCommand(a *app) *cobra.Command {
	var in inputs
	var abort, approved bool
	cmd := &cobra.Command{
		Use: "stop RUN", Short: "Stop a run", Args: args(1, 1, "the name of one run"),
		Long: "Asks all unfinished jobs of a run to end and waits until they have. Its instances stay. A task that was stopped is not started again by the next apply, unless its block is changed; a service is, because it is there to run.",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := a.interruptible(cmd.Context())
			defer cancel()
			f, err := a.openState(ctx, in)
			if err != nil {
				return err
			}
			defer f.close()
			_, r, err := f.look(ctx, addr.KindJob)
			if err != nil {
				return failedWith(err, "Runs cannot be read")
			}
			ru, err := r.findRun(args[0])
			if err != nil {
				return err
			}
			if !ru.unfinished() {
				a.printf("%s has ended already: %s.\n", ru.Name, ru.ends())
				return nil
			}
			if !approved {
				how := "stop"
				if abort {
					how = "abort"
				}
				cancel() // a question has its own way to be interrupted
				if err := a.confirm("dstack stop", fmt.Sprintf("%s is %s. Shall it %s?", ru.Name, ru.Status, how), a.dstack()+" stop "+shellWord(args[0])+" --auto-approve"); err != nil {
					return err
				}
				ctx, cancel = a.interruptible(cmd.Context())
				defer cancel()
			}
			return a.stop(ctx, f, ru, abort)
		},
	}
	in.register(cmd)
	cmd.Flags().BoolVar(&abort, "abort", false, "do not wait for jobs to end by themselves")
	cmd.Flags().BoolVarP(&approved, "auto-approve", "y", false, "do not ask")
	return cmd
}

// stop asks the jobs of a run to end, waits, and says what became of each.
func (a *app) stop(ctx context.Context, f *folder, ru *run, abort bool) error {
	st, err := f.state(ctx)
	if err != nil {
		return err
	}
	open := f.planner().Open(ctx, st)
	defer open.Close()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var list diag.List
	longest := 0.0
	for _, j := range ru.Jobs {
		if planner.Ended(j.Status) {
			continue
		}
		longest = max(longest, j.grace)
		wg.Go(func() {
			if err := open.StopJob(ctx, j.address, abort); err != nil {
				mu.Lock()
				defer mu.Unlock()
				list = append(list, diag.From(err, "Job cannot be stopped").For(j.address)...)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return exit(exitInterrupted)
	}
	if list.HasErrors() {
		return failed(list)
	}
	deadline := a.now().Add(time.Duration(longest*float64(time.Second)) + stopMargin)
	for {
		st, r, err := f.look(ctx, addr.KindJob)
		if err != nil {
			return failedWith(err, "Runs cannot be read")
		}
		now := r.at(ru.Address)
		if now == nil {
			return fail(exitError, "Run is gone", "%s was taken out of the state while it was being stopped.", ru.Name)
		}
		switch {
		case !now.unfinished():
			a.forgetEnded(st, r)
			a.printf("%s: %s.\n", ru.Name, now.ends())
			return nil
		case a.now().After(deadline):
			return fail(exitError, "Run has not ended", "%s was asked to end and is still %s. To end it at once:\n  %s stop %s --abort", ru.Name, now.Status, a.dstack(), shellWord(ru.Name))
		}
		if err := sleep(ctx, pollEvery); err != nil {
			return fail(exitInterrupted, "Interrupted", "%s was asked to end; it is %s now, and ends without being watched.", ru.Name, now.Status)
		}
	}
}

// at is the run of an address, nil if it is not recorded.
func (r *recorded) at(address string) *run {
	for i := range r.runs {
		if r.runs[i].Address == address {
			return &r.runs[i]
		}
	}
	return nil
}

// ends says how the jobs of a run ended, in one line.
func (r *run) ends() string {
	if len(r.Jobs) == 1 {
		return r.Jobs[0].end()
	}
	var parts []string
	for _, j := range r.Jobs {
		parts = append(parts, fmt.Sprintf("job %d %s", j.Index, j.end()))
	}
	return strings.Join(parts, ", ")
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
