package rendertest

import (
	"encoding/json"
	"time"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// Noon is when the plans were made.
func Noon() time.Time { return time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC) }

// JSON is v as plans hold values.
func JSON(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// Object is a value with attributes.
type Object = map[string]any

// GPUs are n equal GPUs.
func GPUs(n int, name string, gb int64) []schema.GPU {
	out := make([]schema.GPU, n)
	for i := range out {
		out[i] = schema.GPU{Name: name, Vendor: "nvidia", MemoryMiB: gb * 1024}
	}
	return out
}

// OfferOf is an offer at a price in dollars for each hour.
func OfferOf(backend, region, typ string, dollars float64, cpus int, memoryGB int64, g []schema.GPU) *schema.Offer {
	return &schema.Offer{Backend: backend, Region: region, InstanceType: typ, CPUs: cpus, MemoryMiB: memoryGB * 1024, GPUs: g, Price: value.MoneyOf(dollars)}
}

// CostOf is an amount in dollars for each hour, with the most that candidates allow.
func CostOf(hourly, most float64) plan.Amount {
	m := value.MoneyOf(hourly)
	return plan.Amount{Hourly: m, HourlyMax: value.MoneyOf(most), Monthly: m.PerMonth()}
}
