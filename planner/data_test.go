package planner_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/plan"
)

const cheapest = `
data "offers" "cheap" {
  resources {
    gpu = "A10G:1"
  }
  limit = 3
}
fleet "lab" {
  nodes          = 1
  backends       = [data.offers.cheap.first.backend]
  regions        = [data.offers.cheap.first.region]
  instance_types = [data.offers.cheap.offers[0].instance_type]
  max_price      = data.offers.cheap.first.price
  resources {
    gpu = data.offers.cheap.first.resources.gpu
  }
}
output "price" {
  value = data.offers.cheap.first.price
}
output "names" {
  value = [for o in data.offers.cheap.offers : "${o.instance_type} in ${o.region} with ${o.gpus[0].count} ${o.gpus[0].name}"]
}
`

func TestOffersAreLookedUpWhenAPlanIsMade(t *testing.T) {
	l := newLife(t)
	p := l.plan(cheapest)
	require.Contains(t, actions(p), "create fleet.lab.instance[0]")
	require.Len(t, p.Data, 1)
	require.Equal(t, "data.offers.cheap", p.Data[0].Address)
	require.Regexp(t, `^3 offers, first cloud eu-west-1  \S+  \$\S+/h$`, p.Data[0].Found)
	var found struct {
		Offers []struct {
			Price     float64
			Resources struct{ CPU, Memory, GPU string }
		}
		First struct{ Price float64 }
	}
	require.NoError(t, json.Unmarshal(p.Data[0].Value, &found))
	require.Len(t, found.Offers, 3)
	require.Equal(t, found.Offers[0].Price, found.First.Price)
	require.LessOrEqual(t, found.Offers[0].Price, found.Offers[1].Price)
	require.Equal(t, "A10G:24GB:1", found.Offers[0].Resources.GPU)
	require.NotEmpty(t, found.Offers[0].Resources.Memory)
	price, err := json.Marshal(found.First.Price)
	require.NoError(t, err)
	require.JSONEq(t, string(price), string(p.Outputs["price"].After))

	// What the plan has found is not asked for again.
	l.fault = `[{"fault": "transient", "op": "offers"}]`
	res, err := l.carry(cheapest, p)
	require.NoError(t, err)
	require.True(t, res.Complete())
	require.JSONEq(t, string(price), string(l.mustState().Outputs()["price"].Value))
	l.fault = ""
	l.still(cheapest)
}

func TestWhatDataDependsOn(t *testing.T) {
	for name, tc := range map[string]struct{ hcl, why string }{
		"an argument that is not known": {`
data "offers" "cheap" {
  regions = [volume.data.location]
}`, "what it looks up depends on volume.data.location, which is known only after volume.data is created"},
		"an argument by way of a local": {`
locals {
  where = volume.data.location
}
data "offers" "cheap" {
  resources {
    gpu = local.where
  }
}`, "what it looks up depends on volume.data.location (by way of local.where), which is known only after volume.data is created"},
		"depends_on": {`
data "offers" "cheap" {
  depends_on = [volume.data]
}`, "it depends on volume.data, and volume.data is created first"},
		"how many": {`
data "offers" "cheap" {
  count = volume.data.location == "" ? 1 : 2
}`, "how many there are depends on volume.data.location, which is known only after volume.data is created"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			p := l.plan(oneVolume + tc.hcl)
			require.False(t, p.Complete)
			require.Equal(t, []plan.Note{{Address: "data.offers.cheap", Text: tc.why}}, p.Deferred)
			require.Empty(t, p.Data)
		})
	}
	t.Run("nothing that changes", func(t *testing.T) {
		l := newLife(t)
		l.apply(oneVolume)
		p := l.plan(oneVolume + "data \"offers\" \"cheap\" {\n  depends_on = [volume.data]\n}\n")
		require.True(t, p.Complete)
		require.Len(t, p.Data, 1)
	})
}

func TestWhatDependsOnDeferredDataIsDeferred(t *testing.T) {
	l := newLife(t)
	const hcl = oneVolume + `
data "offers" "cheap" {
  regions = [substr(volume.data.location, 0, 0) == "" ? "us-east-1" : "nowhere"]
  resources {
    gpu = "A10G:1"
  }
}
volume "more" {
  region = data.offers.cheap.first.region
  size   = "1GB"
}
output "region" {
  value = data.offers.cheap.first.region
}
`
	p := l.plan(hcl)
	require.Equal(t, []string{"create volume.data"}, actions(p))
	require.Len(t, p.Deferred, 2)
	require.Contains(t, p.Deferred[1].Text, "data.offers.cheap.first.region, which is deferred")
	_, err := l.carry(hcl, p)
	require.NoError(t, err)
	require.Equal(t, "null", string(l.mustState().Outputs()["region"].Value))
	p = l.apply(hcl)
	require.True(t, p.Complete)
	require.Equal(t, []string{"create volume.more"}, actions(p))
	require.Equal(t, `"us-east-1"`, string(l.mustState().Outputs()["region"].Value))
}

func TestDataOfEach(t *testing.T) {
	l := newLife(t)
	p := l.plan(`
data "offers" "by_region" {
  for_each = toset(["us-east-1", "us-west-2"])
  regions  = [each.key]
  lifecycle {
    postcondition {
      condition     = self.first != null
      error_message = "No offers in ${each.key}."
    }
  }
}
output "regions" {
  value = { for k, d in data.offers.by_region : k => d.first.region }
}
output "one" {
  value = data.offers.by_region["us-east-1"].first.region
}
`)
	require.Len(t, p.Data, 2)
	require.Equal(t, `data.offers.by_region["us-east-1"]`, p.Data[0].Address)
	require.JSONEq(t, `{"us-east-1": "us-east-1", "us-west-2": "us-west-2"}`, string(p.Outputs["regions"].After))
	require.JSONEq(t, `"us-east-1"`, string(p.Outputs["one"].After))

	why := l.refused(`
data "offers" "none" {
  regions = ["atlantis"]
  lifecycle {
    postcondition {
      condition     = length(self.offers) > 0
      error_message = "No offers at all."
    }
  }
}
`, planner.PlanOptions{})
	require.Contains(t, why, "No offers at all.")
}

// One backend that cannot be asked is a warning; of all of them it is an error.
func TestBackendsThatCannotBeAskedForData(t *testing.T) {
	const hcl = `
backend "other" {
  provider = "fake"
  settings = { account = "other" }
}
data "offers" "cheap" {
  resources {
    gpu = "A10G:1"
  }
}
output "backend" {
  value = data.offers.cheap.first.backend
}
`
	l := newLife(t)
	l.fault = `[{"fault": "auth", "op": "offers", "times": 1}]`
	p, diags := l.planner(hcl).Plan(t.Context(), planner.PlanOptions{State: l.mustState()})
	require.NoError(t, diags.Err())
	require.Len(t, diags.Warnings(), 1)
	require.Contains(t, []string{"backend.cloud", "backend.other"}, diags.Warnings()[0].Address)
	require.Contains(t, diags.Warnings()[0].Detail, `Backend "`)
	require.Contains(t, []string{`"cloud"`, `"other"`}, string(p.Outputs["backend"].After))

	l.fault = `[{"fault": "auth", "op": "offers"}]`
	require.Contains(t, l.refused(hcl, planner.PlanOptions{}), "Backend")
}
