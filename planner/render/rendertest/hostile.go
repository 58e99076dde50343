package rendertest

import (
	_ "embed" // for the corpus
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
)

//go:embed testdata/hostile.txt
var corpus string

// Text is one text of the corpus.
type Text struct {
	Name string
	Text string
	Long bool // so long that renderings leave parts of a plan out
}

// Hostile are texts that would fool a reader, a terminal, a browser or a CI system if they were shown as they are.
func Hostile() []Text {
	var out []Text
	for i, line := range strings.Split(corpus, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, quoted, _ := strings.Cut(line, " ")
		text, err := strconv.Unquote(strings.TrimSpace(quoted))
		if err != nil {
			panic(fmt.Sprintf("testdata/hostile.txt:%d: %v", i+1, err))
		}
		out = append(out, Text{Name: name, Text: text})
	}
	return append(out,
		Text{Name: "long-word", Text: strings.Repeat("x", 1<<17), Long: true},
		Text{Name: "long-sentence", Text: strings.Repeat("no changes ", 1<<13), Long: true},
		Text{Name: "long-backticks", Text: strings.Repeat("`", 1<<14), Long: true},
		Text{Name: "long-lines", Text: strings.Repeat("```\n", 1<<12), Long: true},
		Text{Name: "long-pipes", Text: strings.Repeat("|", 1<<12), Long: true},
	)
}

// Harmless is a text of the same kind that is none of this.
const Harmless = "harmless"

// With is a plan with a text in every place in which somebody else than dstack decides what stands there: in addresses,
// names, values, reasons, places, offers, outputs, policies, diagnostics, and what providers say.
func With(text string) *plan.Plan {
	p := &plan.Plan{
		Summary: plan.Summary{Create: 2, Update: 2, Replace: 1, Destroy: 2, Move: 1, Adopt: 1, Support: 2}, Unchanged: 3,
		Changes:    withChanges(text),
		NotChecked: []plan.Note{{Address: key("fleet.seen.instance", text), Text: text}, {Text: text + "."}},
		NotPlanned: []plan.Note{{Address: key("volume.left", text), Text: text}},
		Moves:      []plan.Move{{From: key("volume.from", text), To: key("volume.to", text), Declared: []string{text, text + ":1"}, Name: text, Count: 1}},
		Data:       []plan.Data{{Address: key("data.offers", text), Value: JSON(text), Found: text}},
		Notes:      []plan.Note{{Address: key("task.noted", text), Text: text}},
		Deferred:   []plan.Note{{Address: key("service.later", text), Text: text}, {Text: text}},
		Drift: []*plan.Drift{
			{Address: key("volume.drifted", text), Kind: "volume", Class: "informational", Diff: []plan.AttrDiff{{Path: key("tags", text), Before: JSON(text), After: JSON(text + "!")}}},
			{Address: key("volume.gone", text), Kind: "volume", Class: text, Gone: true},
		},
		Outputs: map[string]*plan.Output{
			text: {Action: plan.Create, After: JSON(text)}, "list": {Action: plan.Update, Before: JSON([]string{text}), After: JSON(Object{text: text})},
			"script": {Action: plan.Update, Before: JSON("a\n" + text + "\nb"), After: JSON(text + "\n" + text)},
		},
		Policies: []plan.Policy{
			{Name: text, Enforcement: "deny", Result: plan.PolicyDenied, Message: text, Declared: text + ":1", Values: []diag.Value{{Traversal: text, Statement: text}}},
			{Name: text, Enforcement: "warn", Result: plan.PolicyWarned, Message: text, Declared: text},
			{Name: text, Enforcement: "deny", Result: plan.PolicyPassed, Values: []diag.Value{{Traversal: text, Statement: text}}},
		},
		Diagnostics: diag.List{
			{Severity: diag.Warning, Rule: text, Summary: text, Detail: text, Address: key("volume.warned", text), Range: &diag.Range{Filename: text, Start: diag.Pos{Line: 2, Column: 1}, End: diag.Pos{Line: 3, Column: 1}},
				Snippet: &diag.Snippet{Context: text, Code: text, StartLine: 2, Start: 0, End: min(3, len(text)), Values: []diag.Value{{Traversal: text, Statement: text}}}},
			{Severity: diag.Warning, Summary: "A check failed", Detail: "It says:\n" + text},
		},
		Checks: []plan.Check{{Address: key("check.c", text), Kind: text, Status: plan.CheckUnknown, Unknown: 1, Problems: []plan.Problem{{Message: text, Place: text}}}},
		Cost: plan.Cost{Before: CostOf(2, 2), After: plan.Amount{Hourly: CostOf(3, 3).Hourly, HourlyMax: CostOf(4, 4).Hourly, Unknown: 1}, Lines: []plan.CostLine{
			{Address: key("fleet.priced", text), Count: 2, Before: CostOf(1, 1), After: CostOf(2, 3)}, {Address: key("volume.paid", text), Before: CostOf(1, 1), After: CostOf(1, 1)},
		}},
		Sources:  []plan.Source{{Path: text, Text: text, Digest: "sha256:00"}},
		Backends: map[string]plan.Backend{text: {Provider: text, Version: text, Identity: text}},
	}
	complete(p)
	p.Store = text
	p.Steps = []plan.Step{
		{Address: key("task.stopped.job", text), Op: plan.OpDelete},
		{Address: key("fleet.old.instance", text) + `.support["attachment/` + text + `"]`, Op: plan.OpDelete},
		{Address: key("fleet.old.instance", text), Op: plan.OpDelete, Needs: []int{0, 1}},
	}
	return p
}

func key(base, text string) string { return base + `["` + text + `"]` }

func withChanges(text string) []*plan.Change {
	offer := schema.Offer{Backend: text, Region: text, Zones: []string{text}, InstanceType: text, CPUs: 1, MemoryMiB: 1024, GPUs: []schema.GPU{{Name: text, MemoryMiB: 1024}}, Price: CostOf(1, 1).Hourly}
	other, unpriced := offer, offer
	other.Price, unpriced.PriceUnknown = CostOf(2, 2).Hourly, true
	machine := JSON(Object{"instance_type": text, "region": text, "availability_zone": text, "hostname": text})
	return []*plan.Change{
		{
			Address: key("volume.grown", text), Kind: "volume", Backend: text, Action: plan.Update, Reason: text, Declared: text + ":3", UnchangedAttrs: 2,
			Cause: []plan.Cause{{Attribute: text, Place: text + ":1", From: text}, {Attribute: "size", Place: text, From: "var." + text}},
			Diff: []plan.AttrDiff{
				{Path: "name", Before: JSON(text), After: JSON(text + "x"), Applied: JSON(text + "y"), Why: text}, {Path: key("tags", text), After: JSON(text)}, {Path: key("tags", text+"y"), Before: JSON([]string{text})},
				{Path: text, Before: JSON(Object{text: text}), Unknown: true}, {Path: key("env", text), Sensitive: true, Before: JSON(nil), After: JSON(nil)},
			},
		},
		{Address: key("volume.lost", text), Kind: "volume", Backend: text, Action: plan.Delete, Reason: text, DataAtRisk: text, Before: JSON(Object{"size": text, "region": text, "backend": text, "volume_id": text})},
		{Address: key("fleet.old.instance", text), Kind: "instance", Backend: text, Action: plan.Delete, Reason: text, Before: machine, Deposed: text},
		{
			Address: key("fleet.new.instance", text), Kind: "instance", Backend: text, Action: plan.Create, Reason: text, Zone: text, Offer: &offer, Declared: text + ":4",
			Candidates: []plan.Candidate{{Offer: offer, Zone: text}, {Offer: other, Zone: text}}, LeftOut: []plan.LeftOut{{Offer: other, Why: text}},
			Needs: []string{key("volume.grown", text)}, AfterUnknown: []string{key("env", text)}, WaitsFor: map[string]string{key("env", text): text},
		},
		{Address: key("fleet.unpriced.instance", text), Kind: "instance", Action: plan.Create, Reason: text, Offer: &unpriced, NoOther: text},
		{
			Address: key("task.run.job", text), Kind: "job", Action: plan.DeleteThenCreate, Reason: text, ReplacePaths: []string{"commands"},
			Before:    JSON(Object{"status": "running", "type": "task", "started_at": Noon().Add(-time.Hour), "instance": text}),
			After:     JSON(Object{"volumes": []Object{{"volume": []string{text}, "path": text}, {"instance_path": text, "path": text}}}),
			Diff:      []plan.AttrDiff{{Path: "commands[0]", Before: JSON("a\n" + text + "\nb\nc"), After: JSON("a\nb\n" + text), Forces: true, Why: text}, {Path: "image", Before: JSON(text), After: JSON("x" + text), Forces: true}},
			Sensitive: []string{key("env", text), text}, Placement: &plan.Placement{Instance: text, Blocks: 1, Of: 2}, Needs: []string{key("fleet.new.instance", text)},
		},
		{Address: key("fleet.flying.instance", text), Kind: "instance", Backend: text, Zone: text, Action: plan.Create, InFlight: &plan.InFlight{Since: Noon(), By: text, ID: text, Found: true}},
		{Address: key("volume.moved", text), PreviousAddress: key("volume.before", text), Kind: "volume", Action: plan.NoOp, Reason: text},
		{Address: key("gateway.g", text), Kind: "gateway", Backend: text, Action: plan.Update, Reason: text, Diff: []plan.AttrDiff{{Path: "domain", Before: JSON(text), After: JSON("*." + text)}}, After: JSON(Object{"domain": text, "region": text})},
		{Address: key("fleet.new.instance", text) + `.support["` + text + `"]`, Kind: "support", Action: plan.Create, Reason: text},
		{Address: `backend.aws.support["` + text + `"]`, Kind: "support", Action: plan.Delete, Reason: text},
	}
}
