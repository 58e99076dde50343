package cli

import (
	"encoding"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
	"github.com/dstackai/dstack-planner/statefile"
)

// grammarFlag is a flag whose value has one of the language's grammars.
type grammarFlag struct {
	value interface {
		encoding.TextUnmarshaler
		fmt.Stringer
	}
}

func (f grammarFlag) String() string {
	if f.value == nil {
		return ""
	}
	return f.value.String()
}

func (grammarFlag) Type() string { return "string" }

func (f grammarFlag) Set(s string) error { return f.value.UnmarshalText([]byte(s)) }

// offerJSON is what offer --json prints.
type offerJSON struct {
	Offers   []schema.Offer  `json:"offers"`
	Rejected []rejectedOffer `json:"rejected,omitempty"`
	Total    int             `json:"total"`
}

type rejectedOffer struct {
	schema.Offer
	Lacks []string `json:"lacks"`
}

func offerCommand(a *app) *cobra.Command {
	var in inputs
	var need schema.Requirements
	var nodes, limit int
	var spot string
	var all bool
	cmd := &cobra.Command{
		Use: "offer", Short: "List what machines can be had now, and at what price", Args: args(0, 0, ""),
		Long: "Asks the backends of the configuration for offers, cheapest first. Values are written as in a block: --gpu A100:80GB:8, --memory 64GB.., --cpu 8..",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || nodes < 1 {
				return usage(cmd, "--limit and --nodes are at least 1.")
			}
			if spot != "" {
				if err := need.Spot.UnmarshalText([]byte(spot)); err != nil {
					return usage(cmd, "--spot-policy: %v.", err)
				}
			} else {
				need.Spot = value.SpotAuto
			}
			need.MultiNode = nodes > 1
			ctx, cancel := a.interruptible(cmd.Context())
			defer cancel()
			f, err := a.open(ctx, in)
			if err != nil {
				return err
			}
			defer f.close()
			st, err := f.store.Read(ctx)
			if errors.Is(err, statefile.ErrNotInitialised) {
				st, err = statefile.New("", nil), nil
			}
			if err != nil {
				return failedWith(err, "State cannot be read")
			}
			sel, list := f.planner().Offers(ctx, st, offer.Query{Need: need, Count: nodes})
			if ctx.Err() != nil {
				return exit(exitInterrupted)
			}
			if list.HasErrors() {
				return failed(list)
			}
			a.complain(list)
			return a.printOffers(sel, need, limit, all)
		},
	}
	in.register(cmd)
	jsonFlag(a, cmd, "print one JSON object")
	fs := cmd.Flags()
	fs.Var(grammarFlag{&need.Resources.GPU}, "gpu", "GPUs by vendor, name, memory and count")
	fs.Var(grammarFlag{&need.Resources.CPU}, "cpu", "logical CPUs")
	fs.Var(grammarFlag{&need.Resources.Memory}, "memory", "memory")
	fs.Var(grammarFlag{&need.Resources.Disk}, "disk", "disk")
	fs.Var(grammarFlag{&need.MaxPrice}, "max-price", "the most that a machine may cost, in dollars an hour")
	fs.StringVar(&spot, "spot-policy", "", "spot, on-demand or auto; auto unless set")
	fs.StringSliceVar(&need.Backends, "backend", nil, "only these backends")
	fs.StringSliceVar(&need.Regions, "region", nil, "only these regions")
	fs.StringSliceVar(&need.InstanceTypes, "instance-type", nil, "only these types")
	fs.IntVar(&nodes, "nodes", 1, "how many machines that can form a cluster")
	fs.IntVar(&limit, "limit", 20, "how many are listed")
	fs.BoolVar(&all, "all", false, "list what does not fit as well, with what it lacks")
	return cmd
}

func (a *app) printOffers(sel offer.Selection, need schema.Requirements, limit int, all bool) error {
	usable := offer.FoldZones(sel.Usable)
	shown := usable[:min(len(usable), limit)]
	var rejected []offer.Rejected
	if all || len(usable) == 0 {
		rejected = offer.Closest(sel.Rejected, limit)
	}
	if a.json {
		out := offerJSON{Offers: shown, Total: len(usable)}
		for _, r := range rejected {
			j := rejectedOffer{Offer: r.Offer}
			for _, l := range r.Lacks {
				j.Lacks = append(j.Lacks, l.Text)
			}
			out.Rejected = append(out.Rejected, j)
		}
		return a.printJSON(out)
	}
	if len(usable) == 0 {
		a.say("No offer fits %s.", offer.Describe(need))
		if len(rejected) == 0 {
			return exit(exitError)
		}
		a.say("The closest:")
	}
	var rows []render.OfferRow
	for _, o := range shown {
		rows = append(rows, render.OfferRow{Offer: o})
	}
	for _, r := range rejected {
		rows = append(rows, render.OfferRow{Offer: r.Offer, Note: offer.LacksText(r.Lacks)})
	}
	a.printf("%s", render.Offers(rows, a.options()))
	if more := len(usable) - len(shown); more > 0 {
		a.say("%d more; --limit shows more.", more)
	}
	if len(usable) == 0 {
		if next := offer.NextStep(need, sel.Rejected); next != "" {
			a.say("%s", next)
		}
		return exit(exitError)
	}
	return nil
}
