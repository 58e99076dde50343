package rendertest

import (
	"fmt"
	"maps"

	"github.com/dstackai/dstack-planner/planner/plan"
)

// refactorings are plans in which addresses change.
func refactorings() map[string]*plan.Plan {
	moved := func(from, to, kind string) *plan.Change {
		return &plan.Change{Address: to, PreviousAddress: from, Kind: kind, Backend: "aws", Action: plan.NoOp, After: JSON(Object{"name": "a"})}
	}
	volume := func(p *plan.Plan, moves ...plan.Move) *plan.Plan {
		p.Moves, p.Summary.Move = moves, len(moves)
		return p
	}
	out := map[string]*plan.Plan{
		"moved": volume(&plan.Plan{Changes: []*plan.Change{moved("volume.aa", "volume.bb", "volume")}},
			plan.Move{From: "volume.aa", To: "volume.bb", Declared: []string{"main.dstack.hcl:2"}, Name: "aa", Count: 1}),
		"moved-and-updated": volume(One(plan.Change{Address: "volume.bb", PreviousAddress: "volume.aa", Kind: "volume", Action: plan.Update, Reason: "size changes",
			Diff: []plan.AttrDiff{{Path: "size", Before: JSON("100GB"), After: JSON("200GB")}}, UnchangedAttrs: 3}),
			plan.Move{From: "volume.aa", To: "volume.bb", Declared: []string{"main.dstack.hcl:2"}, Count: 1}),
		"moved-on-and-on": volume(&plan.Plan{Changes: []*plan.Change{moved("volume.aa", `module.net["eu"].volume.cc`, "volume")}, Unchanged: 4},
			plan.Move{From: "volume.aa", To: `module.net["eu"].volume.cc`, Declared: []string{"main.dstack.hcl:2", "net/main.dstack.hcl:7"}, Name: "aa", Count: 1}),
		"moved-by-count": volume(&plan.Plan{Summary: plan.Summary{Create: 1}, Changes: []*plan.Change{moved("volume.aa", "volume.aa[0]", "volume"),
			{Address: "volume.aa[1]", Kind: "volume", Backend: "aws", Action: plan.Create, Reason: "[1] is new in the block, main.dstack.hcl:4", After: JSON(Object{"size": "1TB", "backend": "aws", "region": "us-east-1"})}}},
			plan.Move{From: "volume.aa", To: "volume.aa[0]", Name: "aa", Count: 1}),
	}
	out["moved"].Summary.Update, out["moved-on-and-on"].Summary.Update = 0, 0

	// A fleet gets another name, its volumes get keys, what ran on one of its instances is destroyed, and a gateway goes on by itself.
	all := &plan.Plan{Summary: plan.Summary{Destroy: 1, Forget: 1, Move: 7}, Unchanged: 3}
	for n := range 3 {
		all.Changes = append(all.Changes, moved(fmt.Sprintf("fleet.lab.instance[%d]", n), fmt.Sprintf("fleet.gpus.instance[%d]", n), "instance"),
			moved(fmt.Sprintf("volume.data[%d]", n), fmt.Sprintf("volume.disk[%d]", n), "volume"),
			moved(fmt.Sprintf(`fleet.lab.instance[%d].support["attachment/volume.data[%d]"]`, n, n), fmt.Sprintf(`fleet.gpus.instance[%d].support["attachment/volume.disk[%d]"]`, n, n), "support"))
		all.Moves = append(all.Moves, plan.Move{From: fmt.Sprintf("volume.data[%d]", n), To: fmt.Sprintf("volume.disk[%d]", n), Declared: []string{"main.dstack.hcl:12"}, Name: fmt.Sprintf("data-%d", n), Count: 1})
	}
	all.Changes = append(all.Changes,
		&plan.Change{Address: "task.tune.job[0]", PreviousAddress: "task.train.job[0]", Kind: "job", Backend: "aws", Action: plan.Delete, Reason: "no block of this name any more (was main.dstack.hcl:31)",
			Before: JSON(Object{"instance": "fleet.gpus.instance[0]", "status": "running", "type": "task"})},
		&plan.Change{Address: "gateway.public", Kind: "gateway", Backend: "aws", Action: plan.Forget, Reason: "removed block with destroy = false, main.dstack.hcl:20",
			Before: JSON(Object{"backend": "aws", "region": "us-east-1", "domain": "*.models.example.com"})})
	all.Moves = append(all.Moves, plan.Move{From: "fleet.lab", To: "fleet.gpus", Declared: []string{"main.dstack.hcl:8"}, Name: "lab", Count: 3},
		plan.Move{From: "task.train", To: "task.tune", Declared: []string{"main.dstack.hcl:16"}, Name: "train", Count: 1})
	out["refactored"] = all
	maps.Copy(out, imports())
	return out
}

// imports are plans in which something is taken over.
func imports() map[string]*plan.Plan {
	disk := Object{"name": "data", "backend": "aws", "region": "us-east-1", "availability_zone": "us-east-1a", "size": "1TB"}
	volume := func(address, id string, c plan.Change) *plan.Change {
		c.Address, c.Kind, c.Backend, c.Before, c.After = address, "volume", "aws", JSON(disk), JSON(disk)
		c.Import = &plan.Import{ID: id, Object: id, Backend: "aws", Declared: "main.dstack.hcl:9"}
		if c.Action == plan.NoOp {
			c.Reason = c.Import.Why()
		}
		return &c
	}
	of := func(s plan.Summary, changes ...*plan.Change) *plan.Plan {
		return &plan.Plan{Summary: s, Changes: changes, Unchanged: 2}
	}
	foreign := volume("volume.data", "vol-0a1b2c3d4e5f60718", plan.Change{Action: plan.NoOp})
	foreign.Import.Lineage, foreign.Import.Address = "5f1c2d3e-0000-4000-8000-1234567890ab", `module.net["eu"].volume.old`
	size := []plan.AttrDiff{{Path: "size", Before: JSON("1TB"), After: JSON("2TB")}}
	forced := []plan.AttrDiff{{Path: "size", Before: JSON("1TB"), After: JSON("500GB"), Forces: true}}
	return map[string]*plan.Plan{
		"imported": of(plan.Summary{Import: 3}, volume("volume.data", "vol-0a1b2c3d4e5f60718", plan.Change{Action: plan.NoOp}),
			volume(`volume.each["eu"]`, "vol-1", plan.Change{Action: plan.NoOp}), volume(`volume.each["us"]`, "vol-2", plan.Change{Action: plan.NoOp})),
		"imported-from-another-state": of(plan.Summary{Import: 1}, foreign),
		"imported-and-updated": of(plan.Summary{Import: 1, Update: 1},
			volume("volume.data", "vol-0a1b2c3d4e5f60718", plan.Change{Action: plan.Update, Reason: "size changes", Diff: size, UnchangedAttrs: 4})),
		"imported-and-recorded": of(plan.Summary{Import: 1}, volume("volume.data", "vol-0a1b2c3d4e5f60718", plan.Change{Action: plan.Update, RecordOnly: true, Reason: "auto_cleanup_duration changes",
			Diff: []plan.AttrDiff{{Path: "auto_cleanup_duration", After: JSON("7d")}}, UnchangedAttrs: 4})),
		"imported-and-replaced": of(plan.Summary{Import: 1, Replace: 1}, volume("volume.data", "vol-0a1b2c3d4e5f60718", plan.Change{Action: plan.DeleteThenCreate,
			Reason: "size cannot change in place: a disk cannot shrink", Diff: forced, ReplacePaths: []string{"size"}, DataAtRisk: "1TB of data", UnchangedAttrs: 3})),
	}
}
