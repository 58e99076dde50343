package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are what the flags say.
type options struct {
	bin    string
	runs   int
	sizes  []int
	large  int
	linked int
	limit  time.Duration
	peers  bool
	strict bool
	parse  string
}

// errBelow says that a bar is missed.
var errBelow = errors.New("a requirement is not met")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(64)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchpeers:", err)
		os.Exit(1)
	}
}

func parseFlags(args []string, getenv func(string) string, stderr io.Writer) (options, error) {
	o := options{bin: getenv("BIN")}
	if o.bin == "" {
		o.bin = "bin"
	}
	flags := flag.NewFlagSet("benchpeers", flag.ContinueOnError)
	flags.SetOutput(stderr)
	sizes := flags.String("sizes", "100,1000", "numbers of resources at which the tools are compared; the largest is the one that requirements speak of")
	flags.IntVar(&o.runs, "runs", 3, "how often everything is measured")
	flags.IntVar(&o.large, "large", 10_000, "number of resources that only dstack is measured with; 0 leaves it out")
	flags.IntVar(&o.linked, "linked", 500, "length of the chain, and number of pairs; 0 leaves them out")
	flags.DurationVar(&o.limit, "limit", 5*time.Minute, "time that one command may take")
	flags.BoolVar(&o.peers, "peers", true, "compare with terraform and tofu")
	flags.BoolVar(&o.strict, "strict", false, "exit with 1 if a requirement is not met")
	flags.StringVar(&o.parse, "parse-only", "", "parse the files of this folder and do nothing else (what a plan is compared with)")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("benchpeers takes flags only, not %q", flags.Arg(0))
	}
	for _, s := range strings.Split(*sizes, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n < 1 {
			return o, fmt.Errorf("-sizes %q: %q is no number above 0", *sizes, s)
		}
		o.sizes = append(o.sizes, n)
	}
	if o.runs < 1 || o.large < 0 || o.linked < 0 {
		return o, errors.New("-runs must be above 0, and -large and -linked not below")
	}
	slices.Sort(o.sizes)
	return o, nil
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	o, err := parseFlags(args, getenv, stderr)
	if err != nil {
		return err
	}
	if o.parse != "" {
		return parseOnly(o.parse)
	}
	release, err := lock(o.bin)
	if err != nil {
		return err
	}
	defer release()
	tools, missing, err := find(ctx, o.bin)
	if err != nil {
		return err
	}
	if !o.peers {
		tools = tools[:1]
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program, which parses alone as a process of its own: %w", err)
	}
	b := &bench{tools: tools, runs: o.runs, limit: o.limit, self: self, took: map[measured][]taken{},
		log: func(format string, args ...any) { fmt.Fprintf(stderr, format+"\n", args...) }}
	parts := partsOf(o)
	if err := b.measure(ctx, parts); err != nil {
		return err
	}
	if o.large > 0 {
		if err := b.parser(ctx, o.large); err != nil {
			return fmt.Errorf("plan beside the parser: %w", err)
		}
	}
	b.print(stdout, parts, missing)
	if !printRequired(stdout, b.requirements(o.sizes[len(o.sizes)-1], o.large, o.linked)) && o.strict {
		return errBelow
	}
	return nil
}

// partsOf lists what is measured.
func partsOf(o options) []part {
	var out []part
	for _, n := range o.sizes {
		out = append(out, part{shape: flat, n: n})
	}
	if o.linked > 0 {
		for _, s := range []shape{chain, couples, written} {
			out = append(out, part{shape: s, n: linkedSize(s, o.linked), steps: []string{"first plan", "apply"}})
		}
	}
	if o.large > 0 {
		out = append(out, part{shape: flat, n: o.large, alone: true})
	}
	return out
}

// linkedSize is the number of resources of so many links: a pair is two.
func linkedSize(s shape, linked int) int {
	if s == chain {
		return linked
	}
	return 2 * linked
}
