package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// mostRounds is how many rounds --until-complete makes at most: far more than blocks depend on each other by numbers.
const mostRounds = 50

// applyRounds plans and applies until nothing is deferred. It ends as well when a round changes nothing, or when what it
// did has made nothing known: then another one would not either.
func (a *app) applyRounds(cmd *cobra.Command, ap applying, command string) error {
	var before []string
	for round := 1; ; round++ {
		var p *plan.Plan
		stuck := false
		if round > 1 && !a.json {
			a.printf("\nRound %d: what was deferred is planned now.\n\n", round)
		}
		f, err := a.applyOnce(cmd, ap, command, func(made *plan.Plan) {
			p = made
			stuck = round > 1 && !p.Complete && slices.Equal(before, deferredOf(p))
		})
		if err == nil && !p.Complete && (stuck || !planner.Changed(p) || round == mostRounds) {
			err = incomplete(p)
		}
		if err == nil && p.Complete {
			err = a.after(cmd.Context(), f, ap)
			f.close()
			return err
		}
		if f != nil {
			if m, asked := f.config.Moment(); asked { // the next round is one of the same apply
				ap.inputs.moment = &m
			}
			f.close()
		}
		if err != nil {
			return err
		}
		before = deferredOf(p)
	}
}

func deferredOf(p *plan.Plan) []string {
	var out []string
	for _, n := range p.Deferred {
		out = append(out, n.Address)
	}
	slices.Sort(out)
	return out
}

// incomplete says what is still deferred when no further round would help.
func incomplete(p *plan.Plan) error {
	var list diag.List
	for _, n := range p.Deferred {
		list = append(list, diag.Errorf("Block is still deferred", "Nothing is left to apply that would make it known: %s.", n.Text).For(n.Address)...)
	}
	return &exitErr{code: exitIncomplete, diags: list}
}
