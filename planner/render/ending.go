package render

import (
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// endings are what ends before something else can.
type endings struct {
	stops    []string // runs
	detaches []string // volumes
	others   []string // support objects of other sorts
}

// endBefore gathers what the needs of step i end, those behind joins included, except for jobs of the block itself.
func (v *changeView) endBefore(i int, block string, e *endings) {
	for _, n := range v.p.Steps[i].Needs {
		if n < 0 || n >= i { // needs come before; what a damaged plan says is not followed
			continue
		}
		switch s := v.p.Steps[n]; s.Op {
		case plan.OpJoin:
			j, ok := v.joins[n]
			if !ok {
				j = &endings{}
				v.joins[n] = j
				v.endBefore(n, "", j)
			}
			for _, run := range j.stops {
				if run != block && !slices.Contains(e.stops, run) {
					e.stops = append(e.stops, run)
				}
			}
			e.detaches = append(e.detaches, j.detaches...)
			e.others = append(e.others, j.others...)
		case plan.OpDelete:
			v.ending(s.Address, block, e)
		}
	}
}

func (v *changeView) ending(a, block string, e *endings) {
	_, support, isSupport := strings.Cut(a, `.support["`)
	switch volume, isAttachment := strings.CutPrefix(support, "attachment/"); {
	case isAttachment:
		e.detaches = append(e.detaches, strings.ReplaceAll(strings.TrimSuffix(volume, `"]`), `\"`, `"`))
	case isSupport:
		e.others = append(e.others, a)
	case v.kindOf(a) == addr.KindJob:
		if run := blockOf(a); run != block && !slices.Contains(e.stops, run) {
			e.stops = append(e.stops, run)
		}
	}
}

func (v *changeView) kindOf(address string) string {
	if c := v.changes[address]; c != nil {
		return c.Kind
	}
	base, _ := splitAddress(address)
	if strings.HasSuffix(base, ".job") {
		return addr.KindJob
	}
	return ""
}
