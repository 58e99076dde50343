package desired

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// limits are the attributes of fleets, runs and instances that limit the choice of offer.
type limits struct {
	schema.Limits `name:",inline"`
	Resources     *schema.Resources `name:"resources"`
	Blocks        value.Blocks      `name:"blocks"`
}

// Requirements is what a fleet's, a run's or an instance's value asks of a machine. What is not known yet asks nothing.
func Requirements(v cty.Value) (schema.Requirements, error) {
	attrs := map[string]cty.Value{}
	for _, name := range schema.Of[limits]().Names() {
		if v.Type().HasAttribute(name) {
			attrs[name] = v.GetAttr(name)
		}
	}
	if b, ok := attrs["blocks"]; ok && b.Type() != cty.String {
		delete(attrs, "blocks") // a job's own blocks are a number of shares
	}
	l, err := schema.Decode[limits](cty.ObjectVal(attrs))
	if err != nil {
		return schema.Requirements{}, fmt.Errorf("read requirements: %w", err)
	}
	need := schema.Requirements{
		Backends: l.Backends, Regions: l.Regions, Zones: l.AvailabilityZones, InstanceTypes: l.InstanceTypes,
		Spot: l.SpotPolicy, MaxPrice: l.MaxPrice, Reservation: l.Reservation, Blocks: l.Blocks,
	}
	if l.Resources != nil {
		need.Resources = *l.Resources
	}
	return need, nil
}
