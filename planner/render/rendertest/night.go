package rendertest

import (
	"fmt"
	"time"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// Night is the plan of the first page of the documentation: something of everything.
func Night() *plan.Plan {
	p4de := OfferOf("aws", "us-east-1", "p4de.24xlarge", 40.97, 96, 1152, GPUs(8, "A100", 80))
	g2 := OfferOf("gcp", "us-central1", "g2-standard-48", 4, 48, 192, GPUs(4, "L4", 24))
	g5 := *OfferOf("aws", "us-east-1", "g5.12xlarge", 5.67, 48, 192, GPUs(4, "A10G", 24))
	p := &plan.Plan{
		CreatedAt: Noon(),
		Summary:   plan.Summary{Create: 2, Replace: 4, Destroy: 1, Support: 4},
		Unchanged: 12,
		NotChecked: []plan.Note{
			{Address: `fleet.lab.instance["10.0.0.12"]`, Text: "unreachable since 14:02, no route to host; kept as recorded"},
		},
		Drift: []*plan.Drift{{Address: `fleet.lab.instance["10.0.0.11"]`, Kind: "instance", Class: "informational", Diff: []plan.AttrDiff{{Path: "memory_mib", Before: JSON(262144), After: JSON(196608)}}}},
		Policies: []plan.Policy{{Name: "budget", Enforcement: "deny", Result: plan.PolicyPassed, Declared: "main.dstack.hcl:70",
			Values: []diag.Value{{Traversal: "plan.cost.after.hourly_max", Statement: "is 100.46"}}}},
		Cost: plan.Cost{
			Before: CostOf(78.44, 78.44), After: CostOf(98.79, 100.46),
			Lines: []plan.CostLine{
				{Address: "fleet.eval", After: CostOf(4, 5.67)},
				{Address: "fleet.train", Before: CostOf(65.54, 65.54), After: CostOf(81.94, 81.94)},
				{Address: "service.llama", Before: CostOf(12.74, 12.74), After: CostOf(12.74, 12.74)},
				{Address: "volume.data", Count: 2, Before: CostOf(0.1096, 0.1096), After: CostOf(0.1096, 0.1096)},
				{Address: "volume.scratch", Before: CostOf(0.0548, 0.0548)},
			},
		},
		Changes: []*plan.Change{
			{
				Address: "fleet.eval.instance[0]", Kind: "instance", Action: plan.Create, Reason: "new block, main.dstack.hcl:52", Declared: "main.dstack.hcl:52", Offer: g2, Zone: "us-central1-a",
				Candidates: []plan.Candidate{{Offer: *g2, Zone: "us-central1-a"}, {Offer: g5, Zone: "us-east-1a"}, {Offer: g5, Zone: "us-east-1b"}},
				Cost:       &plan.CostLine{Address: "fleet.eval.instance[0]", After: CostOf(4, 5.67)},
				LeftOut:    []plan.LeftOut{{Offer: *OfferOf("oci", "us-ashburn-1", "VM.GPU.A10.4", 3.6, 60, 960, GPUs(4, "A10", 24)), Why: "not in backends of fleet.eval"}},
			},
			{
				Address: "task.eval.job[0]", Kind: "job", Action: plan.Create, Reason: "new block, main.dstack.hcl:60", Declared: "main.dstack.hcl:60",
				Placement: &plan.Placement{Instance: "fleet.eval.instance[0]", Blocks: 1, Of: 1}, After: JSON(Object{"commands": []string{"python eval.py"}}),
				Needs: []string{"fleet.eval.instance[0]"},
			},
			{
				Address: "volume.scratch", Kind: "volume", Backend: "aws", Action: plan.Delete, Reason: "no block of this name any more (was main.dstack.hcl:31)",
				DataAtRisk: "500GB of data", Cost: &plan.CostLine{Address: "volume.scratch", Before: CostOf(0.0548, 0.0548)}, Before: JSON(Object{"size": "500GB", "backend": "aws", "region": "us-east-1", "availability_zone": "us-east-1a"}),
			},
		},
	}
	for i := range 2 {
		p.Changes = append(p.Changes, &plan.Change{
			Address: fmt.Sprintf("fleet.train.instance[%d]", i), Kind: "instance", Action: plan.DeleteThenCreate,
			Reason: "resources.gpu changes the instance type", Declared: "main.dstack.hcl:11", Cause: []plan.Cause{{Attribute: "resources.gpu", Place: "main.dstack.hcl:14", From: "var.gpu"}},
			Diff: []plan.AttrDiff{
				{Path: "resources.gpu", Before: JSON("A100:40GB:8"), After: JSON("A100:80GB:8"), Forces: true},
				{Path: "instance_type", Before: JSON("p4d.24xlarge"), After: JSON("p4de.24xlarge")},
			},
			Offer: p4de, Zone: "us-east-1a", NoOther: "volume.data[0] and [1] are in us-east-1a", UnchangedAttrs: 11,
			Cost:  &plan.CostLine{Address: fmt.Sprintf("fleet.train.instance[%d]", i), Before: CostOf(32.77, 32.77), After: CostOf(40.97, 40.97)},
			Needs: []string{fmt.Sprintf("volume.data[%d]", i)},
		}, &plan.Change{
			Address: fmt.Sprintf("task.finetune.job[%d]", i), Kind: "job", Action: plan.DeleteThenCreate,
			Reason: "their instances are replaced; the run starts from its beginning", Declared: "main.dstack.hcl:38", UnchangedAttrs: 14,
			Before:    JSON(Object{"status": "running", "started_at": Noon().Add(-192 * time.Minute).Format(time.RFC3339), "type": "task"}),
			After:     JSON(Object{"volumes": []Object{{"volume": []string{fmt.Sprintf("volume.data[%d]", i)}, "path": "/data"}}}),
			Sensitive: []string{`env["HF_TOKEN"]`}, Placement: &plan.Placement{Instance: fmt.Sprintf("fleet.train.instance[%d]", i), Blocks: 1, Of: 1},
			Needs: []string{"fleet.train.instance[0]", "fleet.train.instance[1]", fmt.Sprintf("volume.data[%d]", i)},
		}, &plan.Change{
			Address: fmt.Sprintf(`fleet.train.instance[%d].support["attachment/volume.data[%d]"]`, i, i), Kind: "support", Action: plan.DeleteThenCreate, Reason: "the instance is replaced",
		})
	}
	step := func(op plan.Op, address string, needs ...int) {
		p.Steps = append(p.Steps, plan.Step{Address: address, Op: op, Needs: needs})
	}
	step(plan.OpDelete, "task.finetune.job[0]")
	step(plan.OpDelete, "task.finetune.job[1]")
	step(plan.OpJoin, "task.finetune", 0, 1)
	step(plan.OpDelete, `fleet.train.instance[0].support["attachment/volume.data[0]"]`, 2)
	step(plan.OpDelete, `fleet.train.instance[1].support["attachment/volume.data[1]"]`, 2)
	step(plan.OpDelete, "fleet.train.instance[0]", 2, 3)
	step(plan.OpDelete, "fleet.train.instance[1]", 2, 4)
	step(plan.OpDelete, "volume.scratch")
	step(plan.OpCreate, "fleet.train.instance[0]", 5)
	step(plan.OpCreate, "fleet.train.instance[1]", 6)
	step(plan.OpCreate, "task.finetune.job[0]", 8, 9)
	step(plan.OpCreate, "task.finetune.job[1]", 8, 9)
	step(plan.OpCreate, "fleet.eval.instance[0]")
	step(plan.OpCreate, "task.eval.job[0]", 12)
	return p
}
