package planner

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
	"github.com/dstackai/dstack-planner/statefile"
)

// cost adds up what everything costs before and after, by block and in total.
func (w *walk) cost(p *plan.Plan) {
	lines := map[string]*plan.CostLine{}
	changes := map[string]*plan.Change{}
	for _, c := range p.Changes {
		changes[c.Address] = c
	}
	for _, it := range w.order {
		if it.kind == addr.KindJob || it.kind == addr.KindSupport {
			continue // their instance and gateway are paid for
		}
		var line plan.CostLine
		if it.rec != nil && it.exists() {
			add(&line.Before, it.rec.live())
			line.Before.HourlyMax = line.Before.Hourly
		}
		gone := it.rec != nil && !it.exists() && !it.comes() // nobody pays for it, though it is recorded
		if it.action != plan.Delete && it.planned != cty.NilVal && !gone {
			add(&line.After, it.planned)
			line.After.HourlyMax = line.After.Hourly
			if m := w.placed.group(it.addr); m != nil {
				for _, c := range m.Candidates {
					line.After.HourlyMax = max(line.After.HourlyMax, c.Offer.Price)
				}
			}
		}
		if line == (plan.CostLine{}) {
			continue
		}
		name := it.addr.Block.Block.String() // all repetitions together
		sum := lines[name]
		if sum == nil {
			sum = &plan.CostLine{Address: name}
			lines[name] = sum
		}
		sum.Count++
		plus(&sum.Before, line.Before)
		plus(&sum.After, line.After)
		if c := changes[it.name]; c != nil {
			line.Address = it.name
			line.Before.Monthly, line.After.Monthly = line.Before.Hourly.PerMonth(), line.After.Hourly.PerMonth()
			c.Cost = &line
		}
	}
	for _, name := range sortedKeys(lines) {
		l := lines[name]
		plus(&p.Cost.Before, l.Before)
		plus(&p.Cost.After, l.After)
		l.Before.Monthly, l.After.Monthly = l.Before.Hourly.PerMonth(), l.After.Hourly.PerMonth()
		p.Cost.Lines = append(p.Cost.Lines, *l)
	}
	settleCost(&p.Cost)
}

// settleCost works out what follows from the totals before and after.
func settleCost(c *plan.Cost) {
	c.Difference = plan.Amount{Hourly: c.After.Hourly - c.Before.Hourly, HourlyMax: c.After.HourlyMax - c.Before.Hourly, Unknown: c.After.Unknown}
	for _, a := range []*plan.Amount{&c.Before, &c.After, &c.Difference} {
		a.Monthly = a.Hourly.PerMonth()
	}
}

// costNow is what a plan does to the bill of the state as it is now: what others did to resources that the plan leaves alone
// counts. What the plan changes costs what it says, done already or not.
func costNow(p *plan.Plan, state *statefile.State) plan.Cost {
	out := plan.Cost{Lines: p.Cost.Lines}
	changed := make(map[string]bool, len(p.Changes))
	for _, c := range p.Changes {
		if c.Deposed == "" {
			changed[c.Address] = true
			changed[c.PreviousAddress] = true // where it is recorded until it has moved
		}
		if c.Cost != nil {
			plus(&out.Before, c.Cost.Before)
			plus(&out.After, c.Cost.After)
		}
	}
	for _, r := range state.Resources() {
		if changed[r.Address] || r.Deposed != "" || r.Kind == addr.KindJob || r.Kind == addr.KindSupport {
			continue
		}
		v, err := schema.UnmarshalValue(schema.KindObject(r.Kind), r.Attributes)
		if err != nil || v.IsNull() {
			continue // no price is known of it; the next plan says what is wrong with it
		}
		var a plan.Amount
		add(&a, v)
		a.HourlyMax = a.Hourly
		plus(&out.Before, a)
		plus(&out.After, a)
	}
	settleCost(&out)
	return out
}

// add adds the price of a value; a price that nobody knows is counted.
func add(a *plan.Amount, v cty.Value) {
	price, _ := v.GetAttr("price").Unmark()
	switch {
	case !price.IsKnown():
		a.Unknown++
	case !price.IsNull():
		f, _ := price.AsBigFloat().Float64()
		a.Hourly += value.MoneyOf(f)
	}
}

func plus(sum *plan.Amount, a plan.Amount) {
	sum.Hourly += a.Hourly
	sum.HourlyMax += a.HourlyMax
	sum.Unknown += a.Unknown
}

// PlusPrice is an amount with the price of a recorded instance, volume or gateway; one that nobody knows is counted.
func PlusPrice(a plan.Amount, v cty.Value) plan.Amount {
	add(&a, v)
	return a
}
