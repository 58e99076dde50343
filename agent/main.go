package agent

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/gateway"
	"github.com/dstackai/dstack-planner/agent/internal/disk"
	"github.com/dstackai/dstack-planner/agent/internal/runtime/docker"
	"github.com/dstackai/dstack-planner/agent/internal/runtime/process"
	"github.com/dstackai/dstack-planner/internal/version"
)

// Exit codes of the program.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 64
)

const usage = `dstack-agent runs jobs on one machine. It is started by dstack.

  dstack-agent serve --dir DIR [--blocks N]   the agent of one instance
  dstack-agent facts [--dir DIR]              what is true of this machine, as JSON
  dstack-agent host install|remove|serve|keep|connect
                                              what a machine needs to be a host that is reached over SSH
  dstack-agent gateway --dir DIR [--port P] [--domain D]
                                              the local gateway
  dstack-agent hello --port P                 a server that says who it is
  dstack-agent parrot --port P [--model NAME] a model that says what it is told, as examples use it
  dstack-agent version
`

// command is one subcommand; it reads its own flags.
type command struct {
	name string
	run  func(ctx context.Context, io streams, args []string) error
}

type streams struct {
	in       io.Reader
	out, err io.Writer
}

// errUsage is wrapped by errors of somebody who called the program wrongly.
var errUsage = errors.New("usage")

func commands() []command {
	return []command{
		{"serve", runServe},
		{"supervise", runSupervise},
		{"stage", func(context.Context, streams, []string) error { return process.Stage() }},
		{docker.Command, runPID1},
		{docker.BesideCommand, runBeside},
		{docker.DialCommand, runDial},
		{"facts", runFacts},
		{"host", runHost},
		{"gateway", runGateway},
		{"hello", runHello},
		{"inside", runInside},
		{"shell", runShell},
		{"parrot", runParrot},
		{"version", runVersion},
	}
}

// IsCommand reports whether name is a subcommand. Programs that can stand in for dstack-agent, such as tests that run
// themselves as one, use it to see what they were started as.
func IsCommand(name string) bool {
	return slices.ContainsFunc(commands(), func(c command) bool { return c.name == name })
}

// Main runs the program dstack-agent with its arguments, without its name, and returns its exit code.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		fmt.Fprint(errOut, usage)
		return exitUsage
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		err := c.run(context.Background(), streams{in, out, errOut}, args[1:])
		switch {
		case err == nil:
			return exitOK
		case errors.As(err, new(exited)):
			code, _ := errors.AsType[exited](err)
			return int(code)
		case errors.Is(err, process.ErrReported):
			return exitError
		case errors.Is(err, errUsage), errors.Is(err, flag.ErrHelp):
			fmt.Fprintln(errOut, "dstack-agent:", err)
			return exitUsage
		}
		fmt.Fprintln(errOut, "dstack-agent:", err)
		if errors.Is(err, disk.ErrLocked) {
			return api.ExitTaken
		}
		return exitError
	}
	fmt.Fprintf(errOut, "dstack-agent: there is no command %q\n\n%s", args[0], usage)
	return exitUsage
}

// flags parses the arguments of a subcommand that takes no others.
func flags(s streams, name string, args []string, define func(*flag.FlagSet)) error {
	set := flag.NewFlagSet("dstack-agent "+name, flag.ContinueOnError)
	set.SetOutput(s.err)
	define(set)
	if err := set.Parse(args); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if set.NArg() > 0 {
		return fmt.Errorf("%w: %s takes no argument %q", errUsage, name, set.Arg(0))
	}
	return nil
}

func runServe(ctx context.Context, s streams, args []string) error {
	var o Options
	err := flags(s, "serve", args, func(f *flag.FlagSet) {
		f.StringVar(&o.Dir, "dir", "", "folder of the instance")
		f.IntVar(&o.Blocks, "blocks", 1, "number of host blocks that the machine is divided into")
	})
	if err != nil {
		return err
	}
	if o.Dir == "" {
		return fmt.Errorf("%w: serve needs --dir", errUsage)
	}
	o.DockerHost = os.Getenv("DOCKER_HOST")
	o.Logger = slog.New(slog.NewTextHandler(s.err, nil))
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return Serve(ctx, o)
}

func runFacts(ctx context.Context, s streams, args []string) error {
	var dir string
	if err := flags(s, "facts", args, func(f *flag.FlagSet) { f.StringVar(&dir, "dir", ".", "folder whose disk is asked") }); err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	facts, err := ReadFacts(ctx, dir, program, os.Getenv("DOCKER_HOST"))
	if err != nil {
		return err
	}
	return json.NewEncoder(s.out).Encode(facts)
}

func runGateway(ctx context.Context, s streams, args []string) error {
	var o gateway.Options
	err := flags(s, "gateway", args, func(f *flag.FlagSet) {
		f.StringVar(&o.Dir, "dir", "", "folder of the gateway")
		f.IntVar(&o.Port, "port", 0, "port on 127.0.0.1; 0 takes the one of the last run, else any")
		f.StringVar(&o.Domain, "domain", "", "what follows the service in a host name; empty keeps the last run's, else localhost")
	})
	if err != nil {
		return err
	}
	if o.Dir == "" {
		return fmt.Errorf("%w: gateway needs --dir", errUsage)
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return err
	}
	o.Version = version.String()
	o.Logger = slog.New(slog.NewTextHandler(s.err, nil))
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return gateway.Serve(ctx, o)
}

func runVersion(_ context.Context, s streams, args []string) error {
	if err := flags(s, "version", args, func(*flag.FlagSet) {}); err != nil {
		return err
	}
	_, err := fmt.Fprintln(s.out, "dstack-agent", version.String())
	return err
}
