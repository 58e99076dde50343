package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema/value"
)

// costLine is the second line of a plan: "$78.44/h -> $98.79/h (+$20.35/h, +$14,852/month; at most +$22.02/h)". It is
// empty where nothing costs anything.
func costLine(p *plan.Plan) string {
	before, after := p.Cost.Before, p.Cost.After
	if before == (plan.Amount{}) && after == (plan.Amount{}) {
		return ""
	}
	diff := after.Hourly - before.Hourly
	most := after.HourlyMax - before.Hourly
	note := ""
	if most > diff {
		note = "at most " + change(most)
	}
	if before == after && diff == 0 && note == "" {
		return amount(after) + ", unchanged" + unknownNote(p)
	}
	text := amount(before) + " -> " + amount(after)
	var parts []string
	if diff != 0 {
		parts = append(parts, change(diff)+", "+diff.MonthlyChange())
	}
	if note != "" {
		parts = append(parts, note)
	}
	if len(parts) > 0 {
		text += " (" + strings.Join(parts, "; ") + ")"
	}
	return text + unknownNote(p)
}

func unknownNote(p *plan.Plan) string {
	if p.Cost.After.Unknown == 0 {
		return ""
	}
	var names []string
	for _, c := range p.Changes {
		if o := c.Offer; o != nil && o.PriceUnknown {
			if name := join(" ", clean(o.Backend), clean(o.InstanceType)); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	text := ", " + Count(p.Cost.After.Unknown, "price") + " unknown"
	if len(names) > 0 {
		text += " (" + strings.Join(names, ", ") + ")"
	}
	return text
}

func amount(a plan.Amount) string {
	if a.Unknown > 0 {
		return "at least " + a.Hourly.Hourly()
	}
	return a.Hourly.Hourly()
}

// change writes a difference with its sign, also where it is nothing.
func change(m value.Money) string {
	if m == 0 {
		return "+$0/h"
	}
	return m.HourlyChange()
}

// unchangedLines is how many blocks whose cost stays are listed before they are counted.
const unchangedLines = 12

// costTable is the bill by block, the largest difference first.
func costTable(p *plan.Plan, o Options) string {
	rows := costRows(p)
	if len(rows) == 0 {
		return ""
	}
	for i := range rows {
		rows[i][0] = "  " + rows[i][0]
	}
	t := Table{Columns: []Column{{Title: "Cost"}, {Title: "now"}, {Title: "after"}, {Title: "difference"}, {Title: "", Drop: 1}}, Rows: rows, Plain: true}
	return t.Text(o)
}

// costRows are the rows of the bill, the total last: block, now, after, difference, at most. There are none where nothing
// of it changes.
func costRows(p *plan.Plan) [][]string {
	lines := slices.Clone(p.Cost.Lines)
	if len(lines) == 0 || !slices.ContainsFunc(lines, func(l plan.CostLine) bool { return l.Before != l.After }) {
		return nil
	}
	size := func(l plan.CostLine) value.Money {
		d := l.After.Hourly - l.Before.Hourly
		return max(d, -d)
	}
	slices.SortStableFunc(lines, func(a, b plan.CostLine) int {
		return cmp.Or(cmp.Compare(size(b), size(a)), cmp.Compare(b.After.Hourly, a.After.Hourly), compareNatural(a.Address, b.Address))
	})
	rows := [][]string{}
	rest, restCost := 0, value.Money(0)
	for i, l := range lines {
		if size(l) == 0 && l.Before == l.After && i >= unchangedLines {
			rest++
			restCost += l.After.Hourly
			continue
		}
		name := clean(l.Address)
		if l.Count > 1 {
			name += fmt.Sprintf(" (%s)", grouped(l.Count))
		}
		rows = append(rows, costRow(name, l.Before, l.After, false))
	}
	if rest > 0 {
		rows = append(rows, []string{Count(rest, "other"), restCost.Hourly(), restCost.Hourly(), "", ""})
	}
	return append(rows, costRow("total", p.Cost.Before, p.Cost.After, true))
}

func costRow(name string, before, after plan.Amount, total bool) []string {
	row := []string{name, "", "", "", ""}
	for i, a := range []plan.Amount{before, after} {
		switch {
		case a.Unknown > 0 && a.Hourly == 0 && !total:
			row[1+i] = "unknown"
		case a != (plan.Amount{}) || total:
			row[1+i] = amount(a)
		}
	}
	diff := after.Hourly - before.Hourly
	if diff != 0 {
		row[3] = diff.HourlyChange()
	}
	if most := after.HourlyMax - before.Hourly; most > diff {
		row[4] = "at most " + change(most)
	}
	return row
}
