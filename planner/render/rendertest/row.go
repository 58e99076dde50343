package rendertest

import (
	"fmt"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// rows are plans of one thing each, by what they show.
func rows() map[string]*plan.Plan {
	secret := func(d plan.AttrDiff) plan.AttrDiff { d.Sensitive = true; return d }
	script := strings.Repeat("echo step\n", 250)
	changed := strings.Replace(script, "echo step\necho step\n", "echo step\necho other\n", 1)
	numbered := func(n int, edit func(int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(edit(i) + "\n")
		}
		return b.String()
	}
	line := func(i int) string { return fmt.Sprintf("line %d", i+1) }
	out := map[string]*plan.Plan{
		"nothing-to-do":       {Unchanged: 17},
		"one-matches":         {Unchanged: 1},
		"nothing-declared":    {},
		"nothing-to-destroy":  {Destroy: true},
		"nothing-but-unknown": {Unchanged: 17, NotChecked: []plan.Note{{Address: "fleet.lab.instance[0]", Text: "unreachable since 11:02"}, {Address: "fleet.lab.instance[1]", Text: "unreachable since 11:02"}}},
		"nothing-but-notes": {
			Unchanged: 3, Notes: []plan.Note{{Address: "task.train", Text: "done 2 d ago; it runs again when its specification changes or with --replace task.train"}},
			Drift: []*plan.Drift{{Address: "volume.data[0]", Gone: true, Class: plan.DriftLeftAlone}},
		},
		"create-volume":    One(plan.Change{Address: "volume.data", Kind: "volume", Backend: "aws", Action: plan.Create, Reason: "new block, main.dstack.hcl:3", After: JSON(Object{"size": "100GB", "region": "us-east-1", "backend": "aws"}), AfterUnknown: []string{"id", "availability_zone"}}),
		"grow-volume":      One(plan.Change{Address: "volume.data", Kind: "volume", Action: plan.Update, Reason: "size grows", Cause: []plan.Cause{{Attribute: "size", Place: "main.dstack.hcl:5", From: "var.size"}}, Diff: []plan.AttrDiff{{Path: "size", Before: JSON("100GB"), After: JSON("200GB")}}, UnchangedAttrs: 3}),
		"shrink-volume":    One(plan.Change{Address: "volume.data", Kind: "volume", Action: plan.DeleteThenCreate, DataAtRisk: "200GB of data", Reason: "size changes", Cause: []plan.Cause{{Attribute: "size", Place: "main.dstack.hcl:5"}}, Diff: []plan.AttrDiff{{Path: "size", Before: JSON("200GB"), After: JSON("100GB"), Forces: true, Why: "a volume cannot shrink"}}, UnchangedAttrs: 3}),
		"existing-disk":    One(plan.Change{Address: "volume.old", Kind: "volume", Action: plan.Delete, Reason: "no block of this name any more", Before: JSON(Object{"volume_id": "vol-0a1b", "size": "1TB", "region": "us-east-1", "backend": "aws"})}),
		"create-gateway":   One(plan.Change{Address: "gateway.public", Kind: "gateway", Action: plan.Create, Reason: "new block, main.dstack.hcl:9", After: JSON(Object{"backend": "local", "region": "local", "domain": "*.models.example.com"})}),
		"update-gateway":   One(plan.Change{Address: "gateway.public", Kind: "gateway", Action: plan.Update, RecordOnly: true, Reason: "default changes, main.dstack.hcl:12", Diff: []plan.AttrDiff{{Path: "default", Before: JSON(false), After: JSON(true)}}}),
		"destroy-instance": One(plan.Change{Address: `fleet.lab.instance["10.0.0.11"]`, Kind: "instance", Backend: "ssh", Action: plan.Delete, Reason: "its host is not in fleet.lab any more, main.dstack.hcl:20", Before: JSON(Object{"hostname": "10.0.0.11", "region": "remote"})}),
		"new-first":        One(plan.Change{Address: "fleet.a.instance[0]", Kind: "instance", Action: plan.CreateThenDelete, Reason: "placement changes", Diff: []plan.AttrDiff{{Path: "placement", Before: JSON("any"), After: JSON("cluster"), Forces: true}}}),
		"forget":           One(plan.Change{Address: "fleet.a.instance[0]", Kind: "instance", Action: plan.Forget, Reason: "removed block with destroy = false, main.dstack.hcl:2", Before: JSON(Object{"instance_type": "p4d.24xlarge", "region": "us-east-1"}), Backend: "aws"}),
		"deposed":          One(plan.Change{Address: "service.llama.job[0]", Deposed: "1f3c", Kind: "job", Action: plan.Delete, Reason: "it was replaced, and destroying it failed then", Before: JSON(Object{"instance": "fleet.a.instance[0]", "status": "running", "type": "service"})}),
		"service-rolls":    One(plan.Change{Address: "service.llama.job[0]", Kind: "job", Action: plan.DeleteThenCreate, Reason: "image changes, main.dstack.hcl:8", Diff: []plan.AttrDiff{{Path: "image", Before: JSON("vllm:1"), After: JSON("vllm:2"), Forces: true}}, Before: JSON(Object{"status": "running", "type": "service"}), Placement: &plan.Placement{Instance: "fleet.a.instance[0]", Blocks: 2, Of: 8}}),
		"in-flight": {
			Summary: plan.Summary{Adopt: 1, Create: 1}, Deferred: []plan.Note{{Address: "service.llama", Text: "depends on task.finetune, which has not ended; apply again then, or now with --until-complete"}},
			Changes: []*plan.Change{
				{Address: "fleet.train.instance[1]", Kind: "instance", Backend: "aws", Zone: "us-east-1a", Action: plan.Create, InFlight: &plan.InFlight{Since: Noon().Add(-time.Hour), By: "alice@ci-481", ID: "i-0f3c", Found: true}, Reason: "alice@ci-481 was creating it when she was cut off at 11:00"},
				{Address: "fleet.train.instance[2]", Kind: "instance", Backend: "aws", Action: plan.Create, InFlight: &plan.InFlight{Since: Noon().Add(-time.Hour), By: "alice@ci-481"}},
			},
		},
		"unknown-price": {
			Summary: plan.Summary{Create: 1}, Changes: []*plan.Change{{Address: "fleet.a.instance[0]", Kind: "instance", Action: plan.Create, Reason: "new block, a.dstack.hcl:1", Offer: &schema.Offer{Backend: "oci", Region: "us-ashburn-1", InstanceType: "VM.GPU.A10.4", CPUs: 60, PriceUnknown: true}}},
			Cost: plan.Cost{Before: CostOf(98.79, 98.79), After: plan.Amount{Hourly: value.MoneyOf(98.79), HourlyMax: value.MoneyOf(98.79), Unknown: 1}, Lines: []plan.CostLine{{Address: "fleet.a", After: plan.Amount{Unknown: 1}}}},
		},
		"secrets":     One(plan.Change{Address: "service.s.job[0]", Kind: "job", Action: plan.Update, Reason: "tokens change", Diff: []plan.AttrDiff{secret(plan.AttrDiff{Path: "tokens[0]", Before: JSON(nil), After: JSON(nil)}), secret(plan.AttrDiff{Path: "tokens[1]", After: JSON(nil)}), secret(plan.AttrDiff{Path: "tokens[2]", Before: JSON(nil)}), secret(plan.AttrDiff{Path: "tokens[3]", Unknown: true})}}),
		"unknown":     One(plan.Change{Address: "task.t.job[0]", Kind: "job", Action: plan.Create, Reason: "new block, a.dstack.hcl:1", After: JSON(Object{"env": Object{"URL": nil}}), AfterUnknown: []string{`env["URL"]`, `env["HOST"]`, "id", "instance", "status"}, WaitsFor: map[string]string{`env["URL"]`: "service.llama.url"}, Sensitive: []string{`env["TOKEN"]`}}),
		"unknowns":    One(plan.Change{Address: "task.t.job[0]", Kind: "job", Action: plan.DeleteThenCreate, Reason: "image and env change", Diff: []plan.AttrDiff{{Path: "image", Before: JSON("a"), Unknown: true, Forces: true}, {Path: "env", Before: JSON(Object{"A": "1", "B": "2"}), Unknown: true, Forces: true}, {Path: "user", Unknown: true}, {Path: "gpus", Before: JSON(GPUs(8, "A100", 80)), Unknown: true}, {Path: "registry_auth", Before: JSON(Object{"username": "u", "server": Object{"host": "h", "port": 5000}}), Unknown: true}, {Path: "ports", Before: JSON([]string{}), Unknown: true}}}),
		"elements":    One(plan.Change{Address: "task.t.job[0]", Kind: "job", Action: plan.DeleteThenCreate, Reason: "commands and env change", Diff: []plan.AttrDiff{{Path: "commands[0]", After: JSON("pull"), Forces: true}, {Path: "commands[2]", Before: JSON("upload"), Forces: true}, {Path: `env["A"]`, Before: JSON("1"), After: JSON("2"), Forces: true}, {Path: "volumes[0]", After: JSON(Object{"volume": []string{"volume.a"}, "path": "/a"}), Forces: true}}}),
		"renamed-key": One(plan.Change{Address: "task.t.job[0]", Kind: "job", Action: plan.DeleteThenCreate, Reason: "env changes", Diff: []plan.AttrDiff{{Path: `env["NEW"]`, After: JSON("same"), Forces: true, MovedFrom: `env["OLD"]`}, {Path: `env["OLD"]`, Before: JSON("same"), Forces: true, MovedTo: `env["NEW"]`}, {Path: "commands[0]", After: JSON("setup"), Forces: true, MovedFrom: "commands[2]"}, {Path: "commands[2]", Before: JSON("setup"), Forces: true, MovedTo: "commands[0]"}, {Path: `env["X"]`, Before: JSON("1"), Forces: true}}}),
		"inside":      structured(),
		"inherited":   One(plan.Change{Address: "volume.base", Kind: "volume", Backend: "aws", Action: plan.CreateThenDelete, Reason: "region cannot change in place", NewFirstFor: "volume.top", ReplacePaths: []string{"region"}, Diff: []plan.AttrDiff{{Path: "region", Before: JSON("us-east-1"), After: JSON("us-west-2"), Forces: true}}}),
		"script":      One(plan.Change{Address: "task.t.job[0]", Kind: "job", Action: plan.DeleteThenCreate, Reason: "commands[0] changes", Diff: []plan.AttrDiff{{Path: "commands[0]", Before: JSON(script), After: JSON(changed), Forces: true}}}),
		"line":        One(plan.Change{Address: "task.t.job[0]", Kind: "job", Action: plan.DeleteThenCreate, Reason: "entrypoint changes", Diff: []plan.AttrDiff{{Path: "entrypoint", Before: JSON(numbered(500, line)), After: JSON(numbered(500, func(i int) string { return strings.Replace(line(i), "line 250", "LINE 250", 1) })), Forces: true}}}),
		"blanks":      One(plan.Change{Address: "task.t.job[0]", Kind: "job", Action: plan.DeleteThenCreate, Reason: "commands change", Diff: []plan.AttrDiff{{Path: "commands[0]", Before: JSON("a\n  b\nc\n"), After: JSON("a\n\tb \nc\n"), Forces: true}, {Path: "commands[1]", Before: JSON("a\nb\n"), After: JSON("a\nb"), Forces: true}, {Path: "commands[2]", Before: JSON("echo "), After: JSON("echo"), Forces: true}, {Path: "commands[3]", Before: JSON("a\n"), After: JSON("a"), Forces: true}}}),
		"new-text":    One(plan.Change{Address: "task.t.job[0]", Kind: "job", Action: plan.DeleteThenCreate, Reason: "init changes", Diff: []plan.AttrDiff{{Path: "init[0]", After: JSON(numbered(40, line)), Forces: true}, {Path: "init[1]", Before: JSON("x\ny"), Forces: true}}}),
		"long-text":   One(plan.Change{Address: "task.t.job[0]", Kind: "job", Action: plan.DeleteThenCreate, Reason: "image changes", Diff: []plan.AttrDiff{{Path: "image", Before: JSON(strings.Repeat("abcdefghij", 60) + "X" + strings.Repeat("z", 50)), After: JSON(strings.Repeat("abcdefghij", 60) + "Y" + strings.Repeat("z", 50)), Forces: true}, {Path: `env["A_VERY_LONG_NAME_OF_A_VARIABLE"]`, After: JSON(strings.Repeat("0123456789", 50)), Forces: true}}}),
		"unicode":     One(plan.Change{Address: `volume.data["größe 日本"]`, Kind: "volume", Action: plan.Update, Reason: "name changes", Diff: []plan.AttrDiff{{Path: "name", Before: JSON("日本語のとても長い名前がここにあります"), After: JSON("café 👩 naïve Ελλάδα")}}}),
		"hostile": {
			Summary: plan.Summary{Update: 1}, Policies: []plan.Policy{{Name: "x\nPlan: 0 create", Enforcement: "warn", Result: plan.PolicyWarned, Message: "a\rb\n\u202e- volume.data will be destroyed", Declared: "ma\x1bin.dstack.hcl:1",
				Values: []diag.Value{{Traversal: "plan.\u202ex", Statement: "is \"\n\""}}}},
			NotChecked: []plan.Note{{Text: "x\x1b[2J\nNo changes."}}, Notes: []plan.Note{{Address: "task.\u202et", Text: "\u2066x"}},
			Outputs: map[string]*plan.Output{"u\nrl": {Action: plan.Create, After: JSON("a\x1b]0;title\x07\nb")}},
			Changes: []*plan.Change{{
				Address: "volume.data[\"x\x1b[2J\n- volume.y will be destroyed\"]", Kind: "volume", Action: plan.Update, Reason: "x\n  - volume.z will be destroyed", Cause: []plan.Cause{{Place: "a\nb.hcl:1", From: "var.\u202ex"}},
				Diff: []plan.AttrDiff{{Path: "name", Before: JSON("a\x1b[31m\r\nNo changes.\u202e"), After: JSON("\u200bb\u2028c\x00\x9b2J")}, {Path: `env["\n- x"]`, After: JSON("<script>::error::</details>```")}, {Path: "size", Before: JSON("\xff"), After: JSON(Object{"\x1b[2J": "::error::x"})}},
			}},
		},
		"support-alone": {
			Summary: plan.Summary{Support: 3}, Changes: []*plan.Change{
				{Address: `backend.aws.support["security-group/us-east-1"]`, Kind: "support", Action: plan.Create, Reason: "fleet.train needs it"},
				{Address: `fleet.train.support["placement-group"]`, Kind: "support", Action: plan.Delete, Reason: "fleet.train is no cluster any more"},
				{Address: `fleet.train.support["key"]`, Kind: "support", Action: plan.Create, Reason: "new"},
			},
		},
		"outputs": {Outputs: map[string]*plan.Output{"a": {Action: plan.Create, After: JSON("x")}, "b": {Action: plan.Update, Before: JSON(1), After: JSON(2)}, "c": {Action: plan.Delete, Before: JSON("x")}, "d": {Action: plan.Update, Sensitive: true, Before: JSON(nil), After: JSON(nil)}, "e": {Action: plan.Create, Unknown: true}, "f": {Action: plan.NoOp}}},
		"destroy": {
			Destroy: true, Summary: plan.Summary{Destroy: 3}, Cost: plan.Cost{Before: CostOf(1.5, 1.5), Lines: []plan.CostLine{{Address: "fleet.a", Before: CostOf(1.5, 1.5)}}},
			Changes: []*plan.Change{
				{Address: "task.t.job[0]", Kind: "job", Action: plan.Delete, Reason: "everything is to be destroyed", Before: JSON(Object{"instance": "fleet.a.instance[0]", "status": "running", "type": "task", "started_at": "2026-03-04T11:59:00Z"})},
				{Address: "fleet.a.instance[0]", Kind: "instance", Backend: "local", Action: plan.Delete, Reason: "everything is to be destroyed", Before: JSON(Object{"region": "local"})},
				{Address: "volume.v", Kind: "volume", Backend: "local", Action: plan.Delete, Reason: "everything is to be destroyed", DataAtRisk: "1GB of data", Before: JSON(Object{"size": "1GB", "region": "local", "backend": "local"})},
			},
		},
		"partial": {
			Partial: true, Summary: plan.Summary{Update: 1}, Unchanged: 4, Diagnostics: diag.List{{Severity: diag.Warning, Summary: "Plan is partial", Detail: "Only volume.data was asked for with --target. What else differs is not in this plan.\nTo plan everything:\n  dstack plan"}},
			Changes: []*plan.Change{{Address: "volume.data", Kind: "volume", Action: plan.Update, Reason: "size grows", Diff: []plan.AttrDiff{{Path: "size", Before: JSON("1GB"), After: JSON("2GB")}}}},
		},
	}
	return out
}
