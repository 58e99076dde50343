package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/statefile"
)

// watchEvery is how often ps --watch looks again.
const watchEvery = 2 * time.Second

// mostRuns is how many runs ps --all lists.
const mostRuns = 100

func psCommand(a *app) *cobra.Command {
	var in inputs
	var all, verbose, watch bool
	cmd := &cobra.Command{
		Use: "ps", Short: "List runs: the unfinished ones, else the latest", Args: args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.interruptible(cmd.Context())
			defer cancel()
			f, err := a.openState(ctx, in)
			if err != nil {
				return err
			}
			defer f.close()
			drawn := 0
			for {
				list, err := f.runs(ctx, all)
				if err != nil {
					return failedWith(err, "Runs cannot be listed")
				}
				if a.json {
					if err := a.printJSON(list); err != nil {
						return err
					}
				} else {
					o := a.options()
					o.Verbose = verbose
					text := psText(list, o)
					if drawn > 0 && a.screen.live {
						a.printf("\x1b[%dA\x1b[J", drawn)
					}
					a.printf("%s", text)
					drawn = strings.Count(text, "\n")
				}
				if !watch {
					return nil
				}
				select {
				case <-ctx.Done():
					return exit(exitInterrupted)
				case <-time.After(watchEvery):
				}
			}
		},
	}
	in.register(cmd)
	jsonFlag(a, cmd, "print a JSON list")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "list all runs")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "more columns")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "look again every two seconds, until Ctrl-C")
	return cmd
}

func psText(list []run, o render.Options) string {
	if len(list) == 0 {
		return "Nothing runs here, and nothing has run.\n"
	}
	rows := make([]render.PsRow, len(list))
	for i := range list {
		rows[i] = list[i].row(o.Verbose)
	}
	return render.Ps(rows, o)
}

// runs are the unfinished runs, else the latest; or all of them.
func (f *folder) runs(ctx context.Context, all bool) ([]run, error) {
	_, r, err := f.look(ctx, addr.KindJob, addr.KindInstance)
	if err != nil {
		return nil, err
	}
	if all {
		return r.runs[:min(len(r.runs), mostRuns)], nil
	}
	list := []run{}
	for _, ru := range r.runs {
		if ru.unfinished() {
			list = append(list, ru)
		}
	}
	if len(list) == 0 && len(r.runs) > 0 {
		list = r.runs[:1]
	}
	return list, nil
}

// look reads the state and asks the providers about some kinds.
func (f *folder) look(ctx context.Context, kinds ...string) (*statefile.State, *recorded, error) {
	st, err := f.state(ctx)
	if err != nil {
		return nil, nil, err
	}
	open := f.planner().Open(ctx, st)
	defer open.Close()
	r, err := look(ctx, open, st, kinds...)
	if err != nil {
		return nil, nil, fmt.Errorf("look at what is recorded: %w", err)
	}
	if r.runs == nil {
		r.runs = []run{}
	}
	return st, r, nil
}
