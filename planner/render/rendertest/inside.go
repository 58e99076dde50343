package rendertest

import (
	"fmt"
	"strings"

	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// structured is a plan of texts that are JSON and YAML: of one that differs in a few places, of one that is only laid out
// otherwise, of more than are shown, and of a program that looks like neither.
func structured() *plan.Plan {
	text := func(path, before, after string) plan.AttrDiff {
		d := plan.AttrDiff{Path: path, Before: JSON(before), After: JSON(after), Forces: true}
		d.Inside = diff.Inside(d.Before, d.After)
		return d
	}
	values := func(from int) string {
		var b strings.Builder
		for i := range 80 {
			fmt.Fprintf(&b, "key_%02d: %d\n", i, from+i)
		}
		return b.String()
	}
	const config = "# how many\nreplicas: 1\nimage:\n  name: nginx\n  tag: \"1.2\"\nenv:\n  - name: A\n    value: one\n  - name: B\n    value: two\n"
	p := One(plan.Change{Address: "task.t.job[0]", Kind: "job", Action: plan.DeleteThenCreate, Reason: "env changes", Diff: []plan.AttrDiff{
		text(`env["DS_CONFIG"]`, `{"train_batch_size": 16, "fp16": {"enabled": true}, "optimizer": {"type": "Adam"}}`, `{"train_batch_size": 32, "bf16": {"enabled": true}, "optimizer": {"type": "Adam"}}`),
		text(`env["LAID_OUT"]`, `{"a": 1, "b": [1, 2]}`, "{\n  \"b\": [1, 2],\n  \"a\": 1\n}"),
		text(`env["HELM"]`, config, strings.NewReplacer("replicas: 1", "replicas: 3", "value: two", "value: \"two and a half\"", "# how many", "# how many there are").Replace(config)),
		text(`env["COMMENTS"]`, config, strings.Replace(config, "# how many", "#cloud-config", 1)),
		text(`env["LARGE"]`, values(0), values(1)),
		text("commands[0]", "echo: a\nkey: b\necho: c\n", "echo: a\nkey: b\necho: d\n"),
	}})
	p.Outputs = map[string]*plan.Output{"config": {Action: plan.Update, Before: JSON(`{"port":80}`), After: JSON(`{"port":8080}`)}}
	p.Outputs["config"].Inside = diff.Inside(p.Outputs["config"].Before, p.Outputs["config"].After)
	p.Drift = []*plan.Drift{{Address: `gateway.g.support["route/0"]`, Kind: "support", Class: plan.DriftInformational, Diff: []plan.AttrDiff{text(`data["spec"]`, `{"a":1,"b":2,"c":3}`, `{"a":2,"b":3,"c":4}`)}}}
	return p
}
