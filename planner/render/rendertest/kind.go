package rendertest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/planner/plan"
)

// kindOf is what a plan says of the resources of one kind.
type kindOf struct {
	address       string
	before, after Object
	path          string // of what differs
	from, to      any
}

func kindsOf() map[string]kindOf {
	instance := func(typ string) Object {
		return Object{"name": "lab-0", "backend": "aws", "region": "us-east-1", "availability_zone": "us-east-1a", "instance_type": typ, "resources": Object{"gpu": "A100:1"}}
	}
	volume := func(size string) Object {
		return Object{"name": "data", "backend": "aws", "region": "us-east-1", "availability_zone": "us-east-1a", "size": size}
	}
	gateway := func(domain string) Object {
		return Object{"name": "public", "backend": "aws", "region": "us-east-1", "domain": domain}
	}
	job := func(image, status string) Object {
		return Object{"name": "train", "type": "task", "image": image, "instance": "fleet.lab.instance[0]", "status": status}
	}
	support := func(name string) Object { return Object{"type": "placement-group", "name": name} }
	return map[string]kindOf{
		"instance": {"fleet.lab.instance[0]", instance("p4d.24xlarge"), instance("p4de.24xlarge"), "instance_type", "p4d.24xlarge", "p4de.24xlarge"},
		"volume":   {"volume.data", volume("100GB"), volume("200GB"), "size", "100GB", "200GB"},
		"gateway":  {"gateway.public", gateway("*.a.example.com"), gateway("*.b.example.com"), "domain", "*.a.example.com", "*.b.example.com"},
		"job":      {"task.train.job[0]", job("vllm:1", "running"), job("vllm:2", ""), "image", "vllm:1", "vllm:2"},
		"support":  {`fleet.lab.support["placement-group"]`, support("a"), support("b"), "name", "a", "b"},
	}
}

func actions() map[string]plan.Action {
	return map[string]plan.Action{
		"create": plan.Create, "update": plan.Update, "destroy": plan.Delete, "replace": plan.DeleteThenCreate, "replace-new-first": plan.CreateThenDelete,
		"forget": plan.Forget, "move": plan.NoOp,
	}
}

// kinds are each action of each kind.
func kinds() map[string]*plan.Plan {
	out := map[string]*plan.Plan{}
	for kind, k := range kindsOf() {
		for name, action := range actions() {
			if kind == "support" && action == plan.NoOp {
				continue // it goes where its owner goes, and nobody is told
			}
			out[kind+"-"+name] = One(k.change(kind, action))
		}
	}
	return out
}

func (k kindOf) change(kind string, action plan.Action) plan.Change {
	c := plan.Change{Address: k.address, Kind: kind, Backend: "aws", Action: action, Reason: "a reason", Declared: "main.dstack.hcl:14"}
	if action != plan.Create {
		c.Before = JSON(k.before)
	}
	if action != plan.Delete && action != plan.Forget {
		c.After = JSON(k.after)
	}
	if kind == "volume" && (action == plan.Delete || action.IsReplace()) {
		c.DataAtRisk = "100GB of data"
	}
	switch {
	case action == plan.NoOp:
		c.PreviousAddress, c.Reason, c.After = "old."+k.address, "moved block, main.dstack.hcl:2", c.Before
	case action == plan.Update || action.IsReplace():
		c.Diff = []plan.AttrDiff{{Path: k.path, Before: JSON(k.from), After: JSON(k.to), Forces: action.IsReplace()}}
		c.Reason, c.UnchangedAttrs = k.path+" changes", 4
		c.Cause = []plan.Cause{{Attribute: k.path, Place: "main.dstack.hcl:15", From: "var.x"}}
	}
	if action.IsReplace() {
		c.ReplacePaths = []string{k.path}
	}
	if comes := action == plan.Create || action.IsReplace(); comes && kind == "instance" {
		c.Offer, c.Zone = OfferOf("aws", "us-east-1", "p4de.24xlarge", 40.97, 96, 1152, GPUs(8, "A100", 80)), "us-east-1a"
		c.Cost = &plan.CostLine{Address: k.address, After: CostOf(40.97, 40.97)}
	} else if comes && kind == "job" {
		c.Placement = &plan.Placement{Instance: "fleet.lab.instance[0]", Blocks: 1, Of: 1}
	}
	return c
}

// everyAction has each kind in each action, one below the other.
func everyAction() *plan.Plan {
	p := &plan.Plan{}
	for kind, address := range map[string]string{
		"instance": "fleet.a.instance[%d]", "volume": "volume.a[%d]", "gateway": "gateway.a[%d]", "job": "task.a.job[%d]", "support": `fleet.b.support["x%d"]`,
	} {
		for i, action := range []plan.Action{plan.NoOp, plan.Create, plan.Update, plan.Delete, plan.DeleteThenCreate, plan.CreateThenDelete, plan.Forget} {
			c := &plan.Change{Address: fmt.Sprintf(address, i), Kind: kind, Backend: "aws", Action: action, Reason: "a reason, a.dstack.hcl:1"}
			state := JSON(Object{"name": "x", "size": "1GB", "backend": "aws", "region": "us-east-1", "instance_type": "p4d.24xlarge", "domain": "*.example.com", "instance": "fleet.a.instance[0]", "status": "running"})
			if action != plan.Create {
				c.Before = state
			}
			if action != plan.Delete && action != plan.Forget {
				c.After = state
			}
			if action == plan.Update || action.IsReplace() {
				c.Diff = []plan.AttrDiff{{Path: "name", Before: JSON("w"), After: JSON("x"), Forces: action.IsReplace()}}
			}
			p.Changes = append(p.Changes, c)
		}
	}
	slices.SortFunc(p.Changes, func(a, b *plan.Change) int { return strings.Compare(a.Address, b.Address) })
	return p
}
