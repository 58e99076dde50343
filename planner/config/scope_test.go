package config

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
)

// values is a Scope: what blocks are worth, by address.
type values map[string]cty.Value

func (s *values) Value(a addr.Block) (cty.Value, bool) {
	v, ok := (*s)[a.String()]
	return v, ok
}
