package planner

import (
	"fmt"

	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/statefile"
)

// answerDigest is the name under which the answer of a call is digested.
func answerDigest(call string) string { return "answer " + call }

// momentSeed is the name under which a plan's seed is encrypted.
const momentSeed = "moment.seed"

// MomentOf gives what functions that are not pure went by when a plan was made, for loading its configuration again; nil
// if the plan has nothing that depends on it. The state is the one that the plan was made from: only that can read it.
func MomentOf(p *plan.Plan, state *statefile.State) (*config.Moment, error) {
	if p.Moment == nil {
		return nil, nil
	}
	seed, err := state.Decrypt(momentSeed, p.Moment.Seed)
	if err != nil {
		return nil, fmt.Errorf("the plan's moment cannot be read: %w", err)
	}
	m := &config.Moment{Time: p.Moment.Time.UTC()}
	if copy(m.Seed[:], seed) != len(m.Seed) || len(seed) != len(m.Seed) {
		return nil, fmt.Errorf("the plan's moment cannot be read: its seed has %d bytes", len(seed))
	}
	return m, nil
}
