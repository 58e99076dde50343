package render

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/internal/golden"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func js(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

type object = map[string]any

func gpus(n int, name string, gb int64) []schema.GPU {
	out := make([]schema.GPU, n)
	for i := range out {
		out[i] = schema.GPU{Name: name, Vendor: "nvidia", MemoryMiB: gb * 1024}
	}
	return out
}

func offerOf(backend, region, typ string, dollars float64, cpus int, memoryGB int64, g []schema.GPU) *schema.Offer {
	return &schema.Offer{Backend: backend, Region: region, InstanceType: typ, CPUs: cpus, MemoryMiB: memoryGB * 1024, GPUs: g, Price: value.MoneyOf(dollars)}
}

func cost(hourly, most float64) plan.Amount {
	m := value.MoneyOf(hourly)
	return plan.Amount{Hourly: m, HourlyMax: value.MoneyOf(most), Monthly: m.PerMonth()}
}

// night is the plan of the first page of the documentation: something of everything.
func night() *plan.Plan {
	p4de := offerOf("aws", "us-east-1", "p4de.24xlarge", 40.97, 96, 1152, gpus(8, "A100", 80))
	g2 := offerOf("gcp", "us-central1", "g2-standard-48", 4, 48, 192, gpus(4, "L4", 24))
	g5 := *offerOf("aws", "us-east-1", "g5.12xlarge", 5.67, 48, 192, gpus(4, "A10G", 24))
	p := &plan.Plan{
		CreatedAt: noon,
		Summary:   plan.Summary{Create: 2, Replace: 4, Destroy: 1, Support: 4},
		Unchanged: 12,
		NotChecked: []plan.Note{
			{Address: `fleet.lab.instance["10.0.0.12"]`, Text: "unreachable since 14:02, no route to host; kept as recorded"},
		},
		Drift:    []*plan.Drift{{Address: `fleet.lab.instance["10.0.0.11"]`, Kind: "instance", Class: "informational", Diff: []plan.AttrDiff{{Path: "memory_mib", Before: js(262144), After: js(196608)}}}},
		Policies: []plan.Policy{{Name: "budget", Result: "passed", Message: "plan.cost.after.hourly_max is 100.46"}},
		Cost: plan.Cost{
			Before: cost(78.44, 78.44), After: cost(98.79, 100.46),
			Lines: []plan.CostLine{
				{Address: "fleet.eval", After: cost(4, 5.67)},
				{Address: "fleet.train", Before: cost(65.54, 65.54), After: cost(81.94, 81.94)},
				{Address: "service.llama", Before: cost(12.74, 12.74), After: cost(12.74, 12.74)},
				{Address: "volume.data", Count: 2, Before: cost(0.1096, 0.1096), After: cost(0.1096, 0.1096)},
				{Address: "volume.scratch", Before: cost(0.0548, 0.0548)},
			},
		},
		Changes: []*plan.Change{
			{
				Address: "fleet.eval.instance[0]", Kind: "instance", Action: plan.Create, Reason: "new block, main.dstack.hcl:52", Offer: g2, Zone: "us-central1-a",
				Candidates: []plan.Candidate{{Offer: *g2, Zone: "us-central1-a"}, {Offer: g5, Zone: "us-east-1a"}, {Offer: g5, Zone: "us-east-1b"}},
				LeftOut:    []plan.LeftOut{{Offer: *offerOf("oci", "us-ashburn-1", "VM.GPU.A10.4", 3.6, 60, 960, gpus(4, "A10", 24)), Why: "not in backends of fleet.eval"}},
			},
			{
				Address: "task.eval.job[0]", Kind: "job", Action: plan.Create, Reason: "new block, main.dstack.hcl:60",
				Placement: &plan.Placement{Instance: "fleet.eval.instance[0]", Blocks: 1, Of: 1}, After: js(object{"commands": []string{"python eval.py"}}),
			},
			{
				Address: "volume.scratch", Kind: "volume", Backend: "aws", Action: plan.Delete, Reason: "no block of this name any more (was main.dstack.hcl:31)",
				DataAtRisk: "500GB of data", Before: js(object{"size": "500GB", "backend": "aws", "region": "us-east-1", "availability_zone": "us-east-1a"}),
			},
		},
	}
	for i := range 2 {
		p.Changes = append(p.Changes, &plan.Change{
			Address: fmt.Sprintf("fleet.train.instance[%d]", i), Kind: "instance", Action: plan.DeleteThenCreate,
			Reason: "resources.gpu changes the instance type", Cause: []plan.Cause{{Attribute: "resources.gpu", Place: "main.dstack.hcl:14", From: "var.gpu"}},
			Diff: []plan.AttrDiff{
				{Path: "resources.gpu", Before: js("A100:40GB:8"), After: js("A100:80GB:8"), Forces: true},
				{Path: "instance_type", Before: js("p4d.24xlarge"), After: js("p4de.24xlarge")},
			},
			Offer: p4de, Zone: "us-east-1a", NoOther: "volume.data[0] and [1] are in us-east-1a", UnchangedAttrs: 11,
		}, &plan.Change{
			Address: fmt.Sprintf("task.finetune.job[%d]", i), Kind: "job", Action: plan.DeleteThenCreate,
			Reason: "their instances are replaced; the run starts from its beginning", UnchangedAttrs: 14,
			Before:    js(object{"status": "running", "started_at": noon.Add(-192 * time.Minute).Format(time.RFC3339), "type": "task"}),
			After:     js(object{"volumes": []object{{"volume": []string{fmt.Sprintf("volume.data[%d]", i)}, "path": "/data"}}}),
			Sensitive: []string{`env["HF_TOKEN"]`}, Placement: &plan.Placement{Instance: fmt.Sprintf("fleet.train.instance[%d]", i), Blocks: 1, Of: 1},
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
	for i, a := range []string{"fleet.train.instance[0]", "fleet.train.instance[1]", "task.finetune.job[0]", "task.finetune.job[1]"} {
		step(plan.OpCreate, a, 5+i%2)
	}
	step(plan.OpCreate, "fleet.eval.instance[0]")
	step(plan.OpCreate, "task.eval.job[0]", 12)
	return p
}

func TestPlanOfEverything(t *testing.T) {
	o := Options{Saved: "night.plan"}
	for _, width := range []int{60, 80, 120} {
		o.Width = width
		golden.Assert(t, fmt.Sprintf("testdata/plan/night-%d.golden", width), Text(night(), o))
	}
	golden.Assert(t, "testdata/plan/night-verbose.golden", Text(night(), Options{Verbose: true}))
	golden.Assert(t, "testdata/plan/night-color.golden", Text(night(), Options{Color: true}))
}

func TestColorRepeatsWhatIsSaid(t *testing.T) {
	colored, bare := Text(night(), Options{Color: true, Width: 60}), Text(night(), Options{Width: 60})
	require.NotEqual(t, bare, colored)
	require.Equal(t, bare, stripColor(colored), "without its colours the text is the same")
}

// situations are plans of one thing each.
func situations() map[string]*plan.Plan {
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
			Drift: []*plan.Drift{{Address: "volume.data[0]", Gone: true, Class: "conflict"}},
		},
		"create-volume":     one(plan.Change{Address: "volume.data", Kind: "volume", Backend: "aws", Action: plan.Create, Reason: "new block, main.dstack.hcl:3", After: js(object{"size": "100GB", "region": "us-east-1", "backend": "aws"}), AfterUnknown: []string{"id", "availability_zone"}}),
		"grow-volume":       one(plan.Change{Address: "volume.data", Kind: "volume", Action: plan.Update, Reason: "size grows", Cause: []plan.Cause{{Attribute: "size", Place: "main.dstack.hcl:5", From: "var.size"}}, Diff: []plan.AttrDiff{{Path: "size", Before: js("100GB"), After: js("200GB")}}, UnchangedAttrs: 3}),
		"shrink-volume":     one(plan.Change{Address: "volume.data", Kind: "volume", Action: plan.DeleteThenCreate, DataAtRisk: "200GB of data", Reason: "size changes", Cause: []plan.Cause{{Attribute: "size", Place: "main.dstack.hcl:5"}}, Diff: []plan.AttrDiff{{Path: "size", Before: js("200GB"), After: js("100GB"), Forces: true, Why: "a volume cannot shrink"}}, UnchangedAttrs: 3}),
		"existing-disk":     one(plan.Change{Address: "volume.old", Kind: "volume", Action: plan.Delete, Reason: "no block of this name any more", Before: js(object{"volume_id": "vol-0a1b", "size": "1TB", "region": "us-east-1", "backend": "aws"})}),
		"create-gateway":    one(plan.Change{Address: "gateway.public", Kind: "gateway", Action: plan.Create, Reason: "new block, main.dstack.hcl:9", After: js(object{"backend": "local", "region": "local", "domain": "*.models.example.com"})}),
		"update-gateway":    one(plan.Change{Address: "gateway.public", Kind: "gateway", Action: plan.Update, RecordOnly: true, Reason: "default changes, main.dstack.hcl:12", Diff: []plan.AttrDiff{{Path: "default", Before: js(false), After: js(true)}}}),
		"destroy-instance":  one(plan.Change{Address: `fleet.lab.instance["10.0.0.11"]`, Kind: "instance", Backend: "ssh", Action: plan.Delete, Reason: "its host is not in fleet.lab any more, main.dstack.hcl:20", Before: js(object{"hostname": "10.0.0.11", "region": "remote"})}),
		"new-first":         one(plan.Change{Address: "fleet.a.instance[0]", Kind: "instance", Action: plan.CreateThenDelete, Reason: "placement changes", Diff: []plan.AttrDiff{{Path: "placement", Before: js("any"), After: js("cluster"), Forces: true}}}),
		"forget":            one(plan.Change{Address: "fleet.a.instance[0]", Kind: "instance", Action: plan.Forget, Reason: "removed block with destroy = false, main.dstack.hcl:2", Before: js(object{"instance_type": "p4d.24xlarge", "region": "us-east-1"}), Backend: "aws"}),
		"moved":             one(plan.Change{Address: "volume.b", PreviousAddress: "volume.a", Kind: "volume", Action: plan.NoOp, Reason: "moved block, main.dstack.hcl:2"}),
		"moved-and-updated": one(plan.Change{Address: "volume.b", PreviousAddress: "volume.a", Kind: "volume", Action: plan.Update, Reason: "name changes", Diff: []plan.AttrDiff{{Path: "name", Before: js("a"), After: js("b")}}}),
		"deposed":           one(plan.Change{Address: "service.llama.job[0]", Deposed: "1f3c", Kind: "job", Action: plan.Delete, Reason: "it was replaced, and destroying it failed then", Before: js(object{"instance": "fleet.a.instance[0]", "status": "running", "type": "service"})}),
		"service-rolls":     one(plan.Change{Address: "service.llama.job[0]", Kind: "job", Action: plan.DeleteThenCreate, Reason: "image changes, main.dstack.hcl:8", Diff: []plan.AttrDiff{{Path: "image", Before: js("vllm:1"), After: js("vllm:2"), Forces: true}}, Before: js(object{"status": "running", "type": "service"}), Placement: &plan.Placement{Instance: "fleet.a.instance[0]", Blocks: 2, Of: 8}}),
		"in-flight": {
			Summary: plan.Summary{Adopt: 1, Create: 1}, Deferred: []plan.Note{{Address: "service.llama", Text: "depends on task.finetune, which has not ended; apply again then, or now with --until-complete"}},
			Changes: []*plan.Change{
				{Address: "fleet.train.instance[1]", Kind: "instance", Backend: "aws", Zone: "us-east-1a", Action: plan.Create, InFlight: &plan.InFlight{Since: noon.Add(-time.Hour), By: "alice@ci-481", ID: "i-0f3c", Found: true}, Reason: "alice@ci-481 was creating it when she was cut off at 11:00"},
				{Address: "fleet.train.instance[2]", Kind: "instance", Backend: "aws", Action: plan.Create, InFlight: &plan.InFlight{Since: noon.Add(-time.Hour), By: "alice@ci-481"}},
			},
		},
		"unknown-price": {
			Summary: plan.Summary{Create: 1}, Changes: []*plan.Change{{Address: "fleet.a.instance[0]", Kind: "instance", Action: plan.Create, Reason: "new block, a.dstack.hcl:1", Offer: &schema.Offer{Backend: "oci", Region: "us-ashburn-1", InstanceType: "VM.GPU.A10.4", CPUs: 60, PriceUnknown: true}}},
			Cost: plan.Cost{Before: cost(98.79, 98.79), After: plan.Amount{Hourly: value.MoneyOf(98.79), HourlyMax: value.MoneyOf(98.79), Unknown: 1}, Lines: []plan.CostLine{{Address: "fleet.a", After: plan.Amount{Unknown: 1}}}},
		},
		"secrets":     one(plan.Change{Address: "service.s.job[0]", Kind: "job", Action: plan.Update, Reason: "tokens change", Diff: []plan.AttrDiff{secret(plan.AttrDiff{Path: "tokens[0]", Before: js(nil), After: js(nil)}), secret(plan.AttrDiff{Path: "tokens[1]", After: js(nil)}), secret(plan.AttrDiff{Path: "tokens[2]", Before: js(nil)}), secret(plan.AttrDiff{Path: "tokens[3]", Unknown: true})}}),
		"unknown":     one(plan.Change{Address: "task.t.job[0]", Kind: "job", Action: plan.Create, Reason: "new block, a.dstack.hcl:1", After: js(object{"env": object{"URL": nil}}), AfterUnknown: []string{`env["URL"]`, "id", "instance", "status"}, Sensitive: []string{`env["TOKEN"]`}}),
		"unknowns":    one(plan.Change{Address: "task.t.job[0]", Kind: "job", Action: plan.DeleteThenCreate, Reason: "image and env change", Diff: []plan.AttrDiff{{Path: "image", Before: js("a"), Unknown: true, Forces: true}, {Path: "env", Before: js(object{"A": "1", "B": "2"}), Unknown: true, Forces: true}, {Path: "user", Unknown: true}}}),
		"elements":    one(plan.Change{Address: "task.t.job[0]", Kind: "job", Action: plan.DeleteThenCreate, Reason: "commands and env change", Diff: []plan.AttrDiff{{Path: "commands[0]", After: js("pull"), Forces: true}, {Path: "commands[2]", Before: js("upload"), Forces: true}, {Path: `env["A"]`, Before: js("1"), After: js("2"), Forces: true}, {Path: "volumes[0]", After: js(object{"volume": []string{"volume.a"}, "path": "/a"}), Forces: true}}}),
		"renamed-key": one(plan.Change{Address: "task.t.job[0]", Kind: "job", Action: plan.DeleteThenCreate, Reason: "env changes", Diff: []plan.AttrDiff{{Path: `env["NEW"]`, After: js("same"), Forces: true}, {Path: `env["OLD"]`, Before: js("same"), Forces: true}, {Path: `env["X"]`, Before: js("1"), Forces: true}}}),
		"script":      one(plan.Change{Address: "task.t.job[0]", Kind: "job", Action: plan.DeleteThenCreate, Reason: "commands[0] changes", Diff: []plan.AttrDiff{{Path: "commands[0]", Before: js(script), After: js(changed), Forces: true}}}),
		"line":        one(plan.Change{Address: "task.t.job[0]", Kind: "job", Action: plan.DeleteThenCreate, Reason: "entrypoint changes", Diff: []plan.AttrDiff{{Path: "entrypoint", Before: js(numbered(500, line)), After: js(numbered(500, func(i int) string { return strings.Replace(line(i), "line 250", "LINE 250", 1) })), Forces: true}}}),
		"blanks":      one(plan.Change{Address: "task.t.job[0]", Kind: "job", Action: plan.DeleteThenCreate, Reason: "commands change", Diff: []plan.AttrDiff{{Path: "commands[0]", Before: js("a\n  b\nc\n"), After: js("a\n\tb \nc\n"), Forces: true}, {Path: "commands[1]", Before: js("a\nb\n"), After: js("a\nb"), Forces: true}, {Path: "commands[2]", Before: js("echo "), After: js("echo"), Forces: true}, {Path: "commands[3]", Before: js("a\n"), After: js("a"), Forces: true}}}),
		"new-text":    one(plan.Change{Address: "task.t.job[0]", Kind: "job", Action: plan.DeleteThenCreate, Reason: "init changes", Diff: []plan.AttrDiff{{Path: "init[0]", After: js(numbered(40, line)), Forces: true}, {Path: "init[1]", Before: js("x\ny"), Forces: true}}}),
		"long-text":   one(plan.Change{Address: "task.t.job[0]", Kind: "job", Action: plan.DeleteThenCreate, Reason: "image changes", Diff: []plan.AttrDiff{{Path: "image", Before: js(strings.Repeat("abcdefghij", 60) + "X" + strings.Repeat("z", 50)), After: js(strings.Repeat("abcdefghij", 60) + "Y" + strings.Repeat("z", 50)), Forces: true}, {Path: `env["A_VERY_LONG_NAME_OF_A_VARIABLE"]`, After: js(strings.Repeat("0123456789", 50)), Forces: true}}}),
		"unicode":     one(plan.Change{Address: `volume.data["größe 日本"]`, Kind: "volume", Action: plan.Update, Reason: "name changes", Diff: []plan.AttrDiff{{Path: "name", Before: js("日本語のとても長い名前がここにあります"), After: js("café 👩 naïve Ελλάδα")}}}),
		"hostile": {
			Summary: plan.Summary{Update: 1}, Policies: []plan.Policy{{Name: "x\nPlan: 0 create", Result: "passed", Message: "a\rb"}},
			NotChecked: []plan.Note{{Text: "x\x1b[2J\nNo changes."}}, Notes: []plan.Note{{Address: "task.\u202et", Text: "\u2066x"}},
			Outputs: map[string]*plan.Output{"u\nrl": {Action: plan.Create, After: js("a\x1b]0;title\x07\nb")}},
			Changes: []*plan.Change{{
				Address: "volume.data[\"x\x1b[2J\n- volume.y will be destroyed\"]", Kind: "volume", Action: plan.Update, Reason: "x\n  - volume.z will be destroyed", Cause: []plan.Cause{{Place: "a\nb.hcl:1", From: "var.\u202ex"}},
				Diff: []plan.AttrDiff{{Path: "name", Before: js("a\x1b[31m\r\nNo changes.\u202e"), After: js("\u200bb\u2028c\x00\x9b2J")}, {Path: `env["\n- x"]`, After: js("<script>::error::</details>```")}, {Path: "size", Before: json.RawMessage("{bad"), After: json.RawMessage("\"\xff\"")}},
			}},
		},
		"support-alone": {
			Summary: plan.Summary{Support: 3}, Changes: []*plan.Change{
				{Address: `backend.aws.support["security-group/us-east-1"]`, Kind: "support", Action: plan.Create, Reason: "fleet.train needs it"},
				{Address: `fleet.train.support["placement-group"]`, Kind: "support", Action: plan.Delete, Reason: "fleet.train is no cluster any more"},
				{Address: `fleet.train.support["key"]`, Kind: "support", Action: plan.Create, Reason: "new"},
			},
		},
		"outputs": {Outputs: map[string]*plan.Output{"a": {Action: plan.Create, After: js("x")}, "b": {Action: plan.Update, Before: js(1), After: js(2)}, "c": {Action: plan.Delete, Before: js("x")}, "d": {Action: plan.Update, Sensitive: true, Before: js(nil), After: js(nil)}, "e": {Action: plan.Create, Unknown: true}, "f": {Action: plan.NoOp}}},
		"destroy": {
			Destroy: true, Summary: plan.Summary{Destroy: 3}, Cost: plan.Cost{Before: cost(1.5, 1.5), Lines: []plan.CostLine{{Address: "fleet.a", Before: cost(1.5, 1.5)}}},
			Changes: []*plan.Change{
				{Address: "task.t.job[0]", Kind: "job", Action: plan.Delete, Reason: "everything is to be destroyed", Before: js(object{"instance": "fleet.a.instance[0]", "status": "running", "type": "task", "started_at": "2026-03-04T11:59:00Z"})},
				{Address: "fleet.a.instance[0]", Kind: "instance", Backend: "local", Action: plan.Delete, Reason: "everything is to be destroyed", Before: js(object{"region": "local"})},
				{Address: "volume.v", Kind: "volume", Backend: "local", Action: plan.Delete, Reason: "everything is to be destroyed", DataAtRisk: "1GB of data", Before: js(object{"size": "1GB", "region": "local", "backend": "local"})},
			},
		},
		"partial": {
			Partial: true, Summary: plan.Summary{Update: 1}, Unchanged: 4, Diagnostics: diag.List{{Severity: diag.Warning, Summary: "Plan is partial", Detail: "Only volume.data was asked for with --target. What else differs is not in this plan.\nTo plan everything:\n  dstack plan"}},
			Changes: []*plan.Change{{Address: "volume.data", Kind: "volume", Action: plan.Update, Reason: "size grows", Diff: []plan.AttrDiff{{Path: "size", Before: js("1GB"), After: js("2GB")}}}},
		},
	}
	return out
}

// one is a plan of one change.
func one(c plan.Change) *plan.Plan {
	p := &plan.Plan{Changes: []*plan.Change{&c}}
	switch {
	case c.Action == plan.Create:
		p.Summary.Create = 1
	case c.Action == plan.Update:
		p.Summary.Update = 1
	case c.Action.IsReplace():
		p.Summary.Replace = 1
	case c.Action == plan.Delete:
		p.Summary.Destroy = 1
	case c.Action == plan.Forget:
		p.Summary.Forget = 1
	default:
		p.Summary.Move = 1
	}
	return p
}

func TestSituations(t *testing.T) {
	for name, p := range situations() {
		t.Run(name, func(t *testing.T) {
			p.CreatedAt = noon
			golden.Assert(t, "testdata/plan/"+name+".golden", Text(p, Options{Now: noon.Add(2 * time.Second)}))
		})
	}
}

func TestEqualNeighboursAreOne(t *testing.T) {
	p := &plan.Plan{Summary: plan.Summary{Destroy: 500, Create: 504}}
	add := func(c plan.Change) { p.Changes = append(p.Changes, &c) }
	for i := range 500 {
		add(plan.Change{Address: fmt.Sprintf("fleet.train.instance[%d]", 499-i), Kind: "instance", Action: plan.Delete, Backend: "aws", Reason: "no block of this name any more", Before: js(object{"region": "us-east-1", "instance_type": "p4d.24xlarge"})})
		add(plan.Change{Address: fmt.Sprintf("task.big.job[%d]", i), Kind: "job", Action: plan.Create, Reason: "new block, a.dstack.hcl:3", Placement: &plan.Placement{Instance: fmt.Sprintf("fleet.big.instance[%d]", i), Blocks: 1, Of: 1}})
	}
	for _, i := range []int{0, 1, 2, 7} {
		add(plan.Change{Address: fmt.Sprintf("volume.v[%d]", i), Kind: "volume", Action: plan.Create, Backend: "aws", Reason: "new block, a.dstack.hcl:9", After: js(object{"size": "1GB", "region": "us-east-1"})})
	}
	golden.Assert(t, "testdata/plan/neighbours.golden", Text(p, Options{}))
}

// TestFoldedBlocksSayNothingFalse has jobs whose instances do not run along with their numbers.
func TestFoldedBlocksSayNothingFalse(t *testing.T) {
	for name, c := range map[string]struct {
		on   []int
		want []string
	}{
		"side by side":         {[]int{0, 1, 2}, []string{"task.a.job[0-2] (3) will", "fleet.f.instance[0-2], whole"}},
		"all on one":           {[]int{0, 0, 0}, []string{"task.a.job[0-2] (3) will", "fleet.f.instance[0], whole"}},
		"all on another":       {[]int{7, 7, 7}, []string{"task.a.job[0-2] (3) will", "fleet.f.instance[7], whole"}},
		"back to the first":    {[]int{0, 1, 0}, []string{"task.a.job[0], job[1] will", "fleet.f.instance[0], [1], whole", "task.a.job[2] will", "fleet.f.instance[0], whole"}},
		"two on one, one gone": {[]int{0, 0, 2}, []string{"task.a.job[0], job[1] will", "fleet.f.instance[0], whole", "task.a.job[2] will", "fleet.f.instance[2], whole"}},
		"crossed":              {[]int{1, 0}, []string{"task.a.job[0] will", "fleet.f.instance[1], whole", "task.a.job[1] will", "fleet.f.instance[0], whole"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := &plan.Plan{}
			for i, n := range c.on {
				p.Changes = append(p.Changes, &plan.Change{Address: fmt.Sprintf("task.a.job[%d]", i), Kind: "job", Action: plan.Create, Placement: &plan.Placement{Instance: fmt.Sprintf("fleet.f.instance[%d]", n), Blocks: 1, Of: 1}})
			}
			text := Text(p, Options{})
			for _, want := range c.want {
				at := strings.Index(text, want)
				require.GreaterOrEqual(t, at, 0, "%q is missing in\n%s", want, text)
				text = text[at+len(want):]
			}
			require.NotContains(t, text, "will be", "nothing is left")
		})
	}
}

// TestEveryActionOfEveryKind shows each kind in each action, one below the other.
func TestEveryActionOfEveryKind(t *testing.T) {
	p := &plan.Plan{CreatedAt: noon}
	for kind, address := range map[string]string{
		"instance": "fleet.a.instance[%d]", "volume": "volume.a[%d]", "gateway": "gateway.a[%d]", "job": "task.a.job[%d]", "support": `fleet.b.support["x%d"]`,
	} {
		for i, action := range []plan.Action{plan.NoOp, plan.Create, plan.Update, plan.Delete, plan.DeleteThenCreate, plan.CreateThenDelete, plan.Forget} {
			c := &plan.Change{Address: fmt.Sprintf(address, i), Kind: kind, Backend: "aws", Action: action, Reason: "a reason, a.dstack.hcl:1"}
			state := js(object{"name": "x", "size": "1GB", "backend": "aws", "region": "us-east-1", "instance_type": "p4d.24xlarge", "domain": "*.example.com", "instance": "fleet.a.instance[0]", "status": "running"})
			if action != plan.Create {
				c.Before = state
			}
			if action != plan.Delete && action != plan.Forget {
				c.After = state
			}
			if action == plan.Update || action.IsReplace() {
				c.Diff = []plan.AttrDiff{{Path: "name", Before: js("w"), After: js("x"), Forces: action.IsReplace()}}
			}
			p.Changes = append(p.Changes, c)
		}
	}
	golden.Assert(t, "testdata/plan/every-action.golden", Text(p, Options{}))
}

// TestMoneyAndSizesHaveTheirUnits finds attributes that are shown as bare numbers though they have a unit.
func TestMoneyAndSizesHaveTheirUnits(t *testing.T) {
	require.Equal(t, "$2.50/h", valueText("price", js(2.5), true))
	require.Equal(t, "$45.00/h", valueText("max_price", js("45"), false))
	require.Equal(t, "192GB", valueText("memory_mib", js(196608), true))
	require.Equal(t, "80GB", valueText("gpus[0].memory_mib", js(81920), true))
	require.Equal(t, "7", valueText("replica", js(7), false))
	require.Equal(t, `{ A = "1", "b-1.x" = [1, null, true] }`, valueText("env", json.RawMessage(`{"b-1.x":[1,null,true],"A":"1"}`), false))
	require.Equal(t, "12345678901234567890", valueText("x", json.RawMessage("12345678901234567890"), false), "numbers keep their digits")
}

// TestNoValueForgesALine holds whatever comes from outside against what would move the cursor or begin a line of its own.
func TestNoValueForgesALine(t *testing.T) {
	text := Text(situations()["hostile"], Options{})
	for _, r := range text {
		if r != '\n' && !printable(r) {
			t.Errorf("%U is in the text", r)
		}
	}
	for _, line := range strings.Split(text, "\n") {
		for _, forged := range []string{"No changes.", "Plan: 0", "  - volume.z", "  - volume.y", "- volume"} {
			if strings.HasPrefix(line, forged) {
				t.Errorf("a value wrote the line %q", line)
			}
		}
	}
}

func TestLinesFitTheTerminal(t *testing.T) {
	for name, p := range situations() {
		for _, width := range []int{60, 80, 120} {
			for _, line := range strings.Split(Text(p, Options{Width: width}), "\n") {
				if displayWidth(line) > width && len(strings.Fields(line)) > 2 && name != "hostile" {
					t.Errorf("%s at %d: %d columns: %s", name, width, displayWidth(line), line)
				}
			}
		}
	}
}

func BenchmarkText(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		p := night()
		one := *p.Changes[3]
		p.Changes = nil
		for i := range n {
			c := one
			c.Address = fmt.Sprintf("fleet.f%d.instance[0]", i)
			p.Changes = append(p.Changes, &c)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				Text(p, Options{})
			}
		})
	}
}
