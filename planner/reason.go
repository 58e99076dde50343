package planner

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema/value"
)

// whyCreate says why something comes.
func (w *walk) whyCreate(it *item) string {
	if it.rec != nil {
		return plan.Vanished
	}
	place := it.place()
	if it.kind == addr.KindSupport {
		return "needed by " + it.addr.Owner().String()
	}
	if it.kind == addr.KindInstance && it.addr.Block.Type != "fleet" {
		return "no instance that exists has room for " + it.addr.Block.String()
	}
	if w.known[it.addr.Block.Block] {
		switch {
		case it.addr.Block.Key.IsSet() && len(w.byBlock[it.addr.Block]) == 0:
			return fmt.Sprintf("%s is new in the block, %s", it.addr.Block.Key, place)
		case it.addr.Key().IsSet():
			return fmt.Sprintf("%s is new in the block, %s", it.addr.Key(), place)
		}
	}
	return "new block, " + place
}

// place is where the item's block stands: main.dstack.hcl:52.
func (it *item) place() string {
	if it.decl == nil {
		return ""
	}
	return fmt.Sprintf("%s:%d", it.decl.Block.DefRange.Filename, it.decl.Block.DefRange.Start.Line)
}

// why names what changes.
func (it *item) why(diffs []plan.AttrDiff) string {
	var paths []string
	for _, d := range diffs {
		root, _, _ := strings.Cut(d.Path, "[")
		if !slices.Contains(paths, root) {
			paths = append(paths, root)
		}
	}
	if len(paths) > 3 {
		return fmt.Sprintf("%s and %d more change", strings.Join(paths[:2], ", "), len(paths)-2)
	}
	if len(paths) == 1 {
		return paths[0] + " changes"
	}
	return strings.Join(paths, ", ") + " change"
}

// whyReplace gives the sentence of what forces the replacement.
func (it *item) whyReplace() string {
	if it.asked {
		return it.forced[askedFor]
	}
	for _, path := range it.after.Forces {
		if why := it.forced[path]; why != "" {
			switch {
			case path == "instance" || path == "owner" || path == "target" || path == "volumes" || path == triggerPath:
				return why // it is about what it stands on, not about itself
			case strings.HasPrefix(why, "needs "):
				return path + " " + why
			}
			return path + " cannot change in place: " + why
		}
	}
	if len(it.after.Forces) == 0 {
		return it.why(it.after.Diffs)
	}
	return it.after.Forces[0] + " cannot change in place"
}

// causes says where each changed attribute was written and from what.
func (it *item) findCauses() []plan.Cause {
	if it.decl == nil {
		return nil
	}
	var out []plan.Cause
	seen := map[string]bool{}
	for _, d := range it.after.Diffs {
		place, from, ok := it.decl.Origin(d.Path)
		if !ok {
			continue
		}
		c := plan.Cause{Attribute: d.Path, Place: fmt.Sprintf("%s:%d", place.Filename, place.Start.Line), From: strings.Join(from, ", ")}
		if key := c.Place + c.From; !seen[key] {
			seen[key] = true
			out = append(out, c)
		}
	}
	return out
}

// idleLimit is how long an instance is kept without a job; false means for ever.
func idleLimit(v cty.Value) (time.Duration, bool) {
	d, err := value.ParseIdleDuration(desired.Text(v, "idle_duration"))
	if err != nil || d.IsZero() || d.Never() {
		return 0, false
	}
	limit, limited := d.Limit()
	return limit, limited
}

// limitedBy is the attribute that an offer's lack is about.
func limitedBy(k offer.Kind) string {
	switch k {
	case offer.LackPrice:
		return "max_price"
	case offer.LackSpot:
		return "spot_policy"
	case offer.LackZone:
		return "availability_zones"
	case offer.LackRegion:
		return "regions"
	case offer.LackBackend:
		return "backends"
	case offer.LackType:
		return "instance_types"
	case offer.LackCPU:
		return "resources.cpu"
	case offer.LackMemory:
		return "resources.memory"
	case offer.LackDisk:
		return "resources.disk"
	case offer.LackGPU:
		return "resources.gpu"
	}
	return string(k)
}

// ago is an age in words of two units at most.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%d m ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d d ago", int(d.Hours()/24))
}

func errorf(format string, args ...any) error { return fmt.Errorf(format, args...) }

func join(words []string) string { return strings.Join(words, ", ") }
