package rendertest

import (
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// remarkables are plans that say something beside what changes: what they left out, looked up and checked, and how what
// changes came to be as it is.
func remarkables() map[string]*plan.Plan {
	grows := func() *plan.Plan { k := kindsOf()["volume"]; return One(k.change("volume", plan.Update)) }
	checked, looked, left, unsure, chosen := grows(), grows(), grows(), grows(), grows()
	checked.Checks = []plan.Check{
		{Address: "volume.data", Kind: "resource", Status: plan.CheckPass, Passed: 4},
		{Address: "fleet.lab", Kind: "resource", Status: plan.CheckUnknown, Passed: 1, Unknown: 2},
		{Address: "check.budget", Kind: "check", Status: plan.CheckFail, Failed: 1, Problems: []plan.Problem{{Message: "A night may not cost more than $100.", Place: "main.dstack.hcl:40"}}},
		{Address: "output.url", Kind: "output", Status: plan.CheckError, Failed: 1, Problems: []plan.Problem{{Message: "It cannot be evaluated.", Place: "main.dstack.hcl:52"}}},
	}
	checked.Diagnostics = diag.List{{Severity: diag.Warning, Summary: "Check failed", Detail: "A night may not cost more than $100.", Address: "check.budget",
		Range:   &diag.Range{Filename: "main.dstack.hcl", Start: diag.Pos{Line: 40, Column: 5, Byte: 700}, End: diag.Pos{Line: 40, Column: 33, Byte: 728}},
		Snippet: &diag.Snippet{Context: `in check "budget"`, Code: "    condition = local.night <= 100", StartLine: 40, Start: 16, End: 34, Values: []diag.Value{{Traversal: "local.night", Statement: "is 131.2"}}}}}
	looked.Data = []plan.Data{
		{Address: "data.offers.cheap", Value: JSON(Object{"offers": []Object{{"backend": "aws", "price": 0.5}}}), Found: "12 offers, from $0.50/h"},
		{Address: "data.offers.none", Value: JSON(Object{"offers": []Object{}}), Found: "no offer"},
	}
	left.Partial = true
	left.NotPlanned = []plan.Note{
		{Address: "task.train.job[0]", Text: "it stands on volume.other, which is excluded"}, {Address: "task.train.job[1]", Text: "it stands on volume.other, which is excluded"},
		{Address: "gateway.public", Text: "it is no target"},
	}
	unsure.Policies = []plan.Policy{
		{Name: "budget", Enforcement: "deny", Result: plan.PolicyUnknown, Message: "plan.cost.after.hourly_max is known after apply.", Declared: "main.dstack.hcl:61"},
		{Name: "night", Enforcement: "warn", Result: plan.PolicyUnknown, Message: "The number of machines is known after apply.", Declared: "main.dstack.hcl:70"},
	}
	chosen.Profile = "spot"

	refreshed := &plan.Plan{RefreshOnly: true, Unchanged: 2, Summary: plan.Summary{Update: 1, Forget: 1}, Changes: []*plan.Change{
		{Address: "volume.data", Kind: "volume", Backend: "aws", Action: plan.Update, RecordOnly: true, Reason: "the provider reports it", Before: JSON(Object{"size": "100GB"}), After: JSON(Object{"size": "200GB"}), Diff: []plan.AttrDiff{{Path: "size", Before: JSON("100GB"), After: JSON("200GB")}}, UnchangedAttrs: 4},
		{Address: "volume.lost", Kind: "volume", Backend: "aws", Action: plan.Forget, Reason: plan.Vanished, Before: JSON(Object{"size": "100GB"})},
	}, Drift: []*plan.Drift{
		{Address: "task.train.job[0]", Kind: "job", Class: plan.DriftLeftAlone, Gone: true},
	}}

	volume, job, machine := kindsOf()["volume"], kindsOf()["job"], kindsOf()["instance"]
	half := volume.change("volume", plan.DeleteThenCreate)
	half.Tainted, half.Reason, half.Cause, half.Diff, half.ReplacePaths = true, "its creation failed half way", nil, nil, nil
	again := job.change("job", plan.Create)
	again.Attempt, again.Reason = 2, "image changes, main.dstack.hcl:15; ended failed 2 h ago"
	ends := job.change("job", plan.Delete)
	ends.EndsRun = true

	spot := machine.change("instance", plan.Create)
	offer := *spot.Offer
	offer.Spot, offer.Zones = true, []string{"us-east-1a", "us-east-1b"}
	other := offer
	other.Spot, other.Price = false, offer.Price*2
	spot.Offer = &offer
	spot.Candidates = []plan.Candidate{{Offer: offer, Zone: "us-east-1a"}, {Offer: offer, Zone: "us-east-1b"}, {Offer: other, Zone: "us-east-1a"}}
	support := kindsOf()["support"].change("support", plan.Create)
	support.OnlyCandidate = true
	spots := One(spot)
	spots.Changes = append(spots.Changes, &support)

	return map[string]*plan.Plan{
		"checks": checked, "looked-up": looked, "left-out": left, "policies-unknown": unsure, "profile": chosen, "refresh-only": refreshed,
		"half-made": One(half), "another-attempt": One(again), "ends-a-run": One(ends), "spot-with-candidates": spots,
	}
}
