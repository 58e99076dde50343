package rendertest

import (
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// verdicts are plans about which somebody has said something: policies, providers, and what only looks like a change.
func verdicts() map[string]*plan.Plan {
	grows := func() *plan.Plan { k := kindsOf()["volume"]; return One(k.change("volume", plan.Update)) }
	denied, warned, all := grows(), grows(), grows()
	no := plan.Policy{Name: "budget", Enforcement: "deny", Result: plan.PolicyDenied, Message: "Research may not spend more than $120 an hour.", Declared: "policies/budget.dstack.hcl:1",
		Values: []diag.Value{{Traversal: "plan.cost.after.hourly_max", Statement: "is 131.2"}}}
	hm := plan.Policy{Name: "tags", Enforcement: "warn", Result: plan.PolicyWarned, Message: "volume.data has no tag team.", Declared: "main.dstack.hcl:61",
		Values: []diag.Value{{Traversal: "plan.changes", Statement: "is a list of 3 elements"}}}
	ok := plan.Policy{Name: "regions", Enforcement: "deny", Result: plan.PolicyPassed, Declared: "main.dstack.hcl:52"}
	denied.Policies, warned.Policies, all.Policies = []plan.Policy{no}, []plan.Policy{hm}, []plan.Policy{no, hm, ok}

	several := grows()
	several.Diagnostics = diag.List{
		{Severity: diag.Warning, Summary: "Backend cannot be asked for offers", Detail: "gcp: credentials expired 2 d ago. Offers of it are left out.\nTo renew them:\n  gcloud auth application-default login", Address: "backend.gcp"},
		{Severity: diag.Warning, Summary: "Mount is a link", Detail: "/data leads to /mnt/big.", Address: "task.a.job[0]", Range: &diag.Range{Filename: "main.dstack.hcl", Start: diag.Pos{Line: 4, Column: 3, Byte: 60}, End: diag.Pos{Line: 4, Column: 9, Byte: 66}},
			Snippet: &diag.Snippet{Context: `in task "a"`, Code: "  volumes = [\"/data\"]\n", StartLine: 4, Start: 2, End: 9}},
		{Severity: diag.Warning, Summary: "Mount is a link", Detail: "/data leads to /mnt/big.", Address: "task.a.job[1]", Range: &diag.Range{Filename: "main.dstack.hcl", Start: diag.Pos{Line: 4, Column: 3, Byte: 60}, End: diag.Pos{Line: 4, Column: 9, Byte: 66}},
			Snippet: &diag.Snippet{Context: `in task "a"`, Code: "  volumes = [\"/data\"]\n", StartLine: 4, Start: 2, End: 9}},
	}
	return map[string]*plan.Plan{
		"policies-denied": denied, "policies-warned": warned, "policies-of-all-results": all, "warnings": several,
		"only-drift": {Unchanged: 3, Drift: []*plan.Drift{
			{Address: "fleet.lab.instance[0]", Kind: "instance", Class: "informational", Diff: []plan.AttrDiff{{Path: "memory_mib", Before: JSON(262144), After: JSON(196608)}}},
			{Address: "volume.data", Kind: "volume", Class: "informational", Diff: []plan.AttrDiff{{Path: "status", Before: JSON("active"), After: JSON("in use")}}},
		}},
		"only-deferred": {Unchanged: 2, Deferred: []plan.Note{{Address: "service.llama", Text: "depends on task.finetune, which has not ended"}, {Text: "the number of fleet.eval is known after apply"}}},
		"only-outputs":  {Unchanged: 2, Outputs: map[string]*plan.Output{"url": {Action: plan.Update, Before: JSON("http://a"), After: JSON("http://b")}}},
		"only-forgotten": {Summary: plan.Summary{Forget: 2}, Changes: []*plan.Change{
			{Address: "volume.data[0]", Kind: "volume", Backend: "aws", Action: plan.Forget, Reason: "removed block with destroy = false, main.dstack.hcl:2", Before: JSON(Object{"size": "1TB", "backend": "aws", "region": "us-east-1"})},
			{Address: "volume.data[1]", Kind: "volume", Backend: "aws", Action: plan.Forget, Reason: "removed block with destroy = false, main.dstack.hcl:2", Before: JSON(Object{"size": "1TB", "backend": "aws", "region": "us-east-1"})},
		}},
	}
}
