package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema/value"
)

func logsCommand(a *app) *cobra.Command {
	var (
		in                  inputs
		job, lines, attempt int
		follow, diagnose    bool
		since               string
		timestamps          bool
	)
	cmd := &cobra.Command{
		Use: "logs RUN", Short: "Print the output of a run", Args: args(1, 1, "the name of one run"),
		Long: "Prints the output of one job of a run: of the latest attempt, unless --attempt names another. With --follow it goes on until the job ends, also with the attempts that follow when one fails, and across lost connections. What a log dropped because it reached its bound is said on stderr.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if lines < 0 {
				return usage(cmd, "--tail is not negative.")
			}
			if cmd.Flags().Changed("attempt") && attempt < 1 {
				return usage(cmd, "--attempt is a number from 1.")
			}
			if attempt > 0 && diagnose {
				return usage(cmd, "--diagnose is about all attempts of a job; leave --attempt out.")
			}
			var age value.Duration
			if since != "" {
				var err error
				if age, err = value.ParseDuration(since); err != nil {
					return usage(cmd, "--since is a duration such as 10m or 2h: %v", err)
				}
			}
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
			j, err := ru.pick(job, cmd.Flags().Changed("job"))
			if err != nil {
				return err
			}
			if len(ru.Jobs) > 1 && !cmd.Flags().Changed("job") {
				a.say("Job %d of %d; --job N shows another.", j.Index, len(ru.Jobs))
			}
			opts := providers.LogOptions{Follow: follow, Tail: lines, Attempt: attempt, Onward: follow && attempt == 0, Diagnose: diagnose}
			if since != "" {
				opts.Since = a.now().Add(-age.AsDuration())
			}
			return a.printLog(ctx, f, ru, j, opts, logStyle{timestamps: timestamps})
		},
	}
	in.register(cmd)
	jsonFlag(a, cmd, "print one JSON object for each piece of output")
	fs := cmd.Flags()
	fs.IntVar(&job, "job", 0, "the number of the job: the node's rank, or the replica")
	fs.IntVar(&attempt, "attempt", 0, "the output of that attempt, instead of the latest")
	fs.BoolVar(&diagnose, "diagnose", false, "not the output of the job, but what its agent has to say about it")
	fs.BoolVarP(&follow, "follow", "f", false, "go on until the job ends")
	fs.IntVar(&lines, "tail", 0, "the last so many lines only")
	fs.StringVar(&since, "since", "", "only what is at most that old: 10m, 2h, 1d")
	fs.BoolVar(&timestamps, "timestamps", false, "print the time before each line")
	return cmd
}

// pick is a job by its number, the first unless one was asked for.
func (r *run) pick(index int, asked bool) (*runJob, error) {
	for i := range r.Jobs {
		if r.Jobs[i].Index == index || !asked {
			return &r.Jobs[i], nil
		}
	}
	var have []string
	for _, j := range r.Jobs {
		have = append(have, fmt.Sprint(j.Index))
	}
	if len(have) == 0 {
		return nil, fail(exitError, "Run has no jobs", "No job of %s is recorded.", r.Name)
	}
	return nil, fail(exitError, "There is no such job", "%s has no job %d; it has %s.", r.Name, index, strings.Join(have, ", "))
}

// logStyle is how output is printed.
type logStyle struct {
	timestamps bool
	links      *links // nil to leave addresses as they are
}

// printLog prints the output of a job.
func (a *app) printLog(ctx context.Context, f *folder, r *run, j *runJob, opts providers.LogOptions, style logStyle) error {
	st, err := f.state(ctx)
	if err != nil {
		return err
	}
	open := f.planner().Open(ctx, st)
	defer open.Close()
	address := fmt.Sprintf("%s.job[%d]", r.Address, j.Index)
	fresh := true // the next piece begins a line
	err = open.JobLogs(ctx, address, opts, f.store, func(e providers.LogEntry) error {
		if a.json {
			return json.NewEncoder(a.out).Encode(map[string]any{"time": e.Time, "job": j.Index, "attempt": e.Attempt, "stream": e.Stream, "text": string(e.Text), "next": e.Next})
		}
		out := a.out
		if e.Stream == "agent" && !opts.Diagnose {
			out = a.err
		}
		if style.timestamps && fresh {
			if _, err := fmt.Fprint(out, e.Time.UTC().Format("2006-01-02T15:04:05.000Z "), ""); err != nil {
				return err
			}
		}
		fresh = bytes.HasSuffix(e.Text, []byte("\n"))
		if style.links != nil && e.Stream != "agent" {
			e.Text = style.links.rewrite(e.Text)
		}
		_, err := out.Write(e.Text)
		return err
	})
	if style.links != nil {
		a.out.Write(style.links.rest()) // whoever reads it is gone if it cannot be written
	}
	if ctx.Err() != nil {
		return exit(exitInterrupted)
	}
	if none, ok := errors.AsType[*planner.NoLogError](err); ok {
		return fail(exitError, "Output is not kept", "%s.", capital(none.Error()))
	}
	return failedWith(err, "Output cannot be read")
}
