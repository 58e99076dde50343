package agent

import (
	"context"
	"flag"
	"fmt"

	"github.com/dstackai/dstack-planner/agent/internal/pid1"
)

// runPID1 is the first process of a job's container, and ends as the job does.
func runPID1(_ context.Context, _ streams, _ []string) error {
	code, err := pid1.Run(pid1.Dir)
	if err == nil && code != 0 {
		err = exited(code)
	}
	return err
}

// runBeside becomes a program in a job's container.
func runBeside(_ context.Context, s streams, args []string) error {
	var env []string
	set := flag.NewFlagSet("dstack-agent beside", flag.ContinueOnError)
	set.SetOutput(s.err)
	set.Func("env", "NAME=VALUE that wins over the job's", func(v string) error {
		env = append(env, v)
		return nil
	})
	if err := set.Parse(args); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if set.NArg() == 0 {
		return fmt.Errorf("%w: beside needs a program", errUsage)
	}
	code, err := pid1.Beside(set.Args(), env)
	fmt.Fprintln(s.err, err)
	return exited(code)
}

// runDial connects to a TCP address and copies between it and its own streams.
func runDial(ctx context.Context, s streams, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%w: dial takes an address", errUsage)
	}
	return pid1.Dial(ctx, args[0], s.in, s.out)
}
