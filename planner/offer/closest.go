package offer

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// Closest returns the n offers that are nearest to what is needed, with what each lacks. Several that differ in the
// region alone and lack the same count once. Ties go by price, then by the order of the offers.
func Closest(rejected []Rejected, n int) []Rejected {
	sorted := slices.Clone(rejected)
	slices.SortStableFunc(sorted, func(a, b Rejected) int {
		return cmp.Or(cmp.Compare(weight(a), weight(b)), compare(a.Offer, b.Offer))
	})
	var out []Rejected
	seen := map[string]bool{}
	for _, r := range sorted {
		key := strings.Join([]string{r.Offer.Backend, r.Offer.InstanceType, strconv.FormatBool(r.Offer.Spot), LacksText(r.Lacks)}, "\x00")
		if len(out) == n {
			break
		}
		if !seen[key] {
			seen[key] = true
			out = append(out, r)
		}
	}
	return out
}

// LacksText joins what is lacking with semicolons.
func LacksText(lacks []Lack) string {
	texts := make([]string, len(lacks))
	for i, l := range lacks {
		texts[i] = l.Text
	}
	return strings.Join(texts, "; ")
}

// QuotaText says that a quota does not suffice.
func QuotaText(q schema.Quota, needed int) string {
	return "quota " + q.Name + " has " + strconv.Itoa(max(q.Left, 0)) + " left, " + strconv.Itoa(needed) + " needed"
}

// NextStep says what to change so that something fits: "Raise max_price to 41, or allow spot (lowest $12.55/h)." Only
// what would help alone is named. It is empty if nothing would.
func NextStep(need schema.Requirements, rejected []Rejected) string {
	best := map[Kind]schema.Offer{}
	for _, r := range rejected {
		if len(r.Lacks) != 1 || r.Offer.PriceUnknown && r.Lacks[0].Kind == LackPrice {
			continue
		}
		k := r.Lacks[0].Kind
		if had, ok := best[k]; !ok || cheaper(r.Offer, had) {
			best[k] = r.Offer
		}
	}
	var steps []string
	for _, k := range []Kind{LackPrice, LackSpot, LackZone, LackRegion, LackType, LackBackend, LackBlocks} {
		o, ok := best[k]
		if !ok {
			continue
		}
		lowest := " (lowest " + priceText(o) + ")"
		switch k {
		case LackPrice:
			steps = append(steps, "raise max_price to "+roundedUp(o.Price))
		case LackSpot:
			if o.Spot {
				steps = append(steps, "allow spot"+lowest)
			} else {
				steps = append(steps, "allow on-demand"+lowest)
			}
		case LackZone:
			if len(o.Zones) > 0 {
				steps = append(steps, "add "+o.Zones[0]+" to availability_zones"+lowest)
			} else {
				steps = append(steps, "leave availability_zones out"+lowest)
			}
		case LackRegion:
			steps = append(steps, "add "+o.Region+" to regions"+lowest)
		case LackType:
			steps = append(steps, "add "+o.InstanceType+" to instance_types"+lowest)
		case LackBackend:
			if need.Backends != nil && !slices.Contains(need.Backends, o.Backend) {
				steps = append(steps, "add "+o.Backend+" to backends"+lowest)
			}
		case LackBlocks:
			steps = append(steps, "change blocks")
		}
	}
	if len(steps) == 0 {
		if o, ok := best[LackAvailability]; ok {
			return "Ask " + o.Backend + " for more quota in " + o.Region + ", wait for capacity, or allow other offers."
		}
		return ""
	}
	text := strings.Join(steps, ", or ")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// roundedUp is a price that one would write as a limit: whole dollars, or cents under a dollar.
func roundedUp(m value.Money) string {
	unit := value.Dollar
	if m < value.Dollar {
		unit = value.Dollar / 100
	}
	return ((m + unit - 1) / unit * unit).Decimal()
}

func priceText(o schema.Offer) string {
	if o.PriceUnknown {
		return "price unknown"
	}
	return o.Price.Hourly()
}

func weight(r Rejected) float64 {
	sum := 0.0
	for _, l := range r.Lacks {
		sum += l.Weight
	}
	return sum
}

func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + more
}
