package planner

import (
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/statefile"
)

// Scope gives what the configuration's blocks are worth as the state has them recorded: no provider is asked. What is not
// recorded is not known. It is for expressions that a person tries out; a plan knows more, because it asks.
// The Scope is for one goroutine.
func (p *Planner) Scope(state *statefile.State) config.Scope {
	return newResolver(p, func() *statefile.State { return state })
}
