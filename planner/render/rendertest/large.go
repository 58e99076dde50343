package rendertest

import (
	"fmt"
	"strings"

	"github.com/dstackai/dstack-planner/planner/plan"
)

// neighbours are resources whose addresses differ in their number alone.
func neighbours() *plan.Plan {
	p := &plan.Plan{Summary: plan.Summary{Destroy: 500, Create: 504}}
	add := func(c plan.Change) { p.Changes = append(p.Changes, &c) }
	for i := range 500 {
		add(plan.Change{Address: fmt.Sprintf("fleet.train.instance[%d]", 499-i), Kind: "instance", Action: plan.Delete, Backend: "aws", Reason: "no block of this name any more", Before: JSON(Object{"region": "us-east-1", "instance_type": "p4d.24xlarge"})})
		add(plan.Change{Address: fmt.Sprintf("task.big.job[%d]", i), Kind: "job", Action: plan.Create, Reason: "new block, a.dstack.hcl:3", Placement: &plan.Placement{Instance: fmt.Sprintf("fleet.big.instance[%d]", i), Blocks: 1, Of: 1}})
	}
	for _, i := range []int{0, 1, 2, 7} {
		add(plan.Change{Address: fmt.Sprintf("volume.v[%d]", i), Kind: "volume", Action: plan.Create, Backend: "aws", Reason: "new block, a.dstack.hcl:9", After: JSON(Object{"size": "1GB", "region": "us-east-1"})})
	}
	return p
}

// fiveHundred are resources of 500 blocks, of all actions.
func fiveHundred() *plan.Plan {
	p := &plan.Plan{}
	k := kindsOf()["volume"]
	for i := range 500 {
		action := []plan.Action{plan.Create, plan.Update, plan.Create, plan.Delete, plan.DeleteThenCreate}[i%5]
		c := k.change("volume", action)
		c.Address = fmt.Sprintf("volume.data-%03d", i)
		p.Changes = append(p.Changes, &c)
	}
	p.Summary = plan.Summary{Create: 200, Update: 100, Destroy: 100, Replace: 100}
	return p
}

// Large is a plan of n changes, of which destroys are destroyed. No two addresses are neighbours, and those of what is
// destroyed have 60 characters.
func Large(n, destroys int) *plan.Plan {
	p := &plan.Plan{}
	for i := range n {
		var c plan.Change
		if i < destroys {
			k := kindsOf()["volume"]
			c = k.change("volume", plan.Delete)
			c.Address = fmt.Sprintf("volume.%s%06d", strings.Repeat("x", 60-len("volume.")-6), i)
			p.Summary.Destroy++
		} else {
			k := kindsOf()["job"]
			c = k.change("job", plan.Create)
			c.Address = fmt.Sprintf("task.train-%06d.job[0]", i)
			p.Summary.Create++
		}
		c.Reason = fmt.Sprintf("a reason of its own, main.dstack.hcl:%d", i+1)
		p.Changes = append(p.Changes, &c)
	}
	return complete(p)
}

// Woven is a plan of n changes that stand on each other: machines are replaced and volumes and jobs with them, in an order
// of steps with joins, as in a cluster that gets other GPUs.
func Woven(n int) *plan.Plan {
	p := &plan.Plan{}
	add := func(kind, address string, action plan.Action, needs ...string) {
		c := kindsOf()[kind].change(kind, action)
		c.Address, c.Needs = address, needs
		p.Changes = append(p.Changes, &c)
		p.Summary.Replace++
	}
	step := func(op plan.Op, address string, needs ...int) int {
		p.Steps = append(p.Steps, plan.Step{Address: address, Op: op, Needs: needs})
		return len(p.Steps) - 1
	}
	const nodes = 8 // of a run, all of which stop before the first machine goes
	for len(p.Changes) < n {
		run := len(p.Changes) / 3 / nodes
		var stops []int
		for rank := range nodes {
			stops = append(stops, step(plan.OpDelete, fmt.Sprintf("task.t%d.job[%d]", run, rank)))
		}
		join := step(plan.OpJoin, fmt.Sprintf("task.t%d", run), stops...)
		for rank := range nodes {
			machine, volume, job := fmt.Sprintf("fleet.f%d.instance[%d]", run, rank), fmt.Sprintf("volume.v%d[%d]", run, rank), fmt.Sprintf("task.t%d.job[%d]", run, rank)
			gone := step(plan.OpDelete, machine, join)
			came := step(plan.OpCreate, machine, gone)
			step(plan.OpCreate, job, came)
			add("volume", volume, plan.Update)
			add("instance", machine, plan.DeleteThenCreate, volume)
			add("job", job, plan.DeleteThenCreate, machine, volume)
		}
	}
	p.Changes = p.Changes[:n]
	return complete(p)
}
