package chart

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/internal/golden"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render/rendertest"
)

const text = `
variable "size" {
  default = "1GB"
}
backend "local" {}
locals {
  where = "${local.inner}!"
  inner = volume.data.id
  count = length(volume.more)
}
volume "data" {
  backend = "local"
  size    = var.size
}
volume "more" {
  count = 2
  size  = var.size
}
fleet "lab" {
  nodes = 1
}
task "first" {
  fleet    = fleet.lab
  commands = ["echo ${local.where} ${volume.data.id} ${volume.data.size}"]
}
task "second" {
  commands   = ["echo ${local.count}"]
  depends_on = [task.first]
}
task "third" {
  commands   = ["echo ${task.first.name}"]
  depends_on = [task.first]
}
output "where" {
  value = local.where
}
`

func load(t *testing.T, text string) *config.Config {
	t.Helper()
	c, list := config.Load(t.Context(), config.LoadOptions{Sources: []config.Source{{Path: "main.dstack.hcl", Text: []byte(text)}}})
	require.NoError(t, list.Err())
	return c
}

func edges(c *Chart) []string {
	out := []string{}
	for _, e := range c.Edges {
		arrow := " -> "
		if e.DependsOn {
			arrow = " ~> "
		}
		out = append(out, e.From+arrow+e.To)
	}
	return out
}

func ids(c *Chart) []string {
	out := []string{}
	for _, n := range c.Nodes {
		out = append(out, n.ID)
	}
	return out
}

func TestBlocksAndWhatTheyReferTo(t *testing.T) {
	c := OfConfig(load(t, text), false)
	require.Empty(t, cmp.Diff([]string{"backend.local", "fleet.lab", "output.where", "task.first", "task.second", "task.third", "volume.data", "volume.more"}, ids(c)))
	require.Empty(t, cmp.Diff([]string{
		"output.where -> volume.data", // by way of two locals
		"task.first -> fleet.lab",
		"task.first -> volume.data", // three mentions, one of them by way of locals
		"task.second ~> task.first",
		"task.second -> volume.more",
		"task.third -> task.first", // a reference says it as well
		"volume.data -> backend.local",
	}, edges(c)))
	require.Equal(t, "main.dstack.hcl:11", c.Nodes[6].Place)
}

func TestAllThatRefersToSomething(t *testing.T) {
	c := OfConfig(load(t, text), true)
	require.Subset(t, ids(c), []string{"var.size", "local.where", "local.inner"})
	got := edges(c)
	require.Subset(t, got, []string{"task.first -> local.where", "local.where -> local.inner", "local.inner -> volume.data", "volume.data -> var.size", "task.first -> volume.data"})
	require.NotContains(t, got, "output.where -> volume.data")
}

const called = `
variable "sites" {
  default = ["a", "b"]
}
locals {
  size = "1GB"
}
module "site" {
  source     = "./site"
  for_each   = toset(var.sites)
  size       = local.size
  depends_on = [fleet.lab]
}
fleet "lab" {
  nodes = 1
}
task "one" {
  commands = ["echo ${module.site["a"].id}"]
}
task "all" {
  commands   = ["x"]
  depends_on = [module.site]
}
`

const site = `
variable "size" {}
volume "data" {
  size = var.size
}
volume "other" {
  size = "1GB"
}
output "id" {
  value = volume.data.id
}
`

func loadModules(t *testing.T) *config.Config {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "site"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.dstack.hcl"), []byte(called), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "site", "main.dstack.hcl"), []byte(site), 0o600))
	c, list := config.Load(t.Context(), config.LoadOptions{Dir: dir})
	require.NoError(t, list.Err())
	return c
}

func TestModules(t *testing.T) {
	cfg := loadModules(t)
	c := OfConfig(cfg, false)
	require.Empty(t, cmp.Diff([]string{"fleet.lab", "task.all", "task.one", "module.site.volume.data", "module.site.volume.other"}, ids(c)))
	require.Empty(t, cmp.Diff([]string{
		"module.site.volume.data ~> fleet.lab",
		"module.site.volume.other ~> fleet.lab",
		"task.all ~> module.site.volume.data",
		"task.all ~> module.site.volume.other",
		"task.one ~> fleet.lab", // what the module gives back waits for it
		"task.one -> module.site.volume.data",
	}, edges(c)))
	require.Contains(t, c.DOT(), "subgraph \"cluster_module.site\"")
	require.Contains(t, c.Mermaid(), "subgraph m0[\"module.site\"]")

	var steps []string
	for _, s := range Why(cfg, "task.one", "var.sites").Steps {
		steps = append(steps, s.From+" -> "+s.To+" "+s.Place)
	}
	require.Empty(t, cmp.Diff([]string{
		"task.one -> module.site.output.id main.dstack.hcl:18",
		"module.site.output.id -> module.site main.dstack.hcl:8",
		"module.site -> var.sites main.dstack.hcl:10",
	}, steps))
	require.NotNil(t, Why(cfg, "module.site.volume.data", "local.size"))
	require.Nil(t, Why(cfg, "module.site.volume.other", "local.size"), "another of the same module has it")
	name, ok := Resolve(cfg, `module.site["a"].volume.data`)
	require.True(t, ok)
	require.Equal(t, "module.site.volume.data", name)
}

func TestWhy(t *testing.T) {
	c := load(t, text)
	chain := Why(c, "output.where", "backend.local")
	require.NotNil(t, chain)
	require.Empty(t, cmp.Diff(`output.where -> local.where
  main.dstack.hcl:35: value uses local.where
    value = local.where
local.where -> local.inner
  main.dstack.hcl:7: uses local.inner
    where = "${local.inner}!"
local.inner -> volume.data
  main.dstack.hcl:8: uses volume.data.id
    inner = volume.data.id
volume.data -> backend.local
  main.dstack.hcl:12: backend is "local"
    backend = "local"
`, chain.Text(0)))
	require.Contains(t, Why(c, "task.second", "task.first").Text(0), "has task.first in depends_on")
	require.Contains(t, Why(c, "task.first", "volume.data").Text(0), "commands uses volume.data.id", "the shortest way is not the one by locals")
	require.Contains(t, chain.Text(30), "    where = \"${local.inner}!\"\n")
	require.Contains(t, Why(c, "task.first", "volume.data").Text(40), "...\n")
	require.Nil(t, Why(c, "volume.data", "task.first"))
	require.Nil(t, Why(c, "volume.data", "volume.data"))

	for name, want := range map[string]string{
		"fleet.lab": "fleet.lab", "fleet.lab.instance[0]": "fleet.lab", "volume.more[1]": "volume.more", `task.first.job[0].support["x"]`: "task.first",
		"local.inner": "local.inner", "var.size": "var.size", "output.where": "output.where",
	} {
		got, ok := Resolve(c, name)
		require.Truef(t, ok, "%s", name)
		require.Equal(t, want, got)
	}
	for _, name := range []string{"", "volume", "volume.nope", "local.nope", "fleet.lab[", "size"} {
		_, ok := Resolve(c, name)
		require.Falsef(t, ok, "%q", name)
	}
}

// hostile is a chart whose names mean something in every language that it is drawn in.
func hostile() *Chart {
	c := &Chart{Of: Plan, Nodes: []Node{
		{ID: `a"b\`, Kind: "volume", Action: "create"},
		{ID: "c]#quot;<script>`x`\n-->\x1b[31m", Kind: "variable", Module: `module.x["\"}"]`},
		{ID: "end", Kind: "output"}, {ID: "größe \xff", Kind: "backend", Place: `a"b`},
	}, Edges: []Edge{{From: "end", To: `a"b\`}, {From: `a"b\`, To: "end", DependsOn: true}}}
	c.sort()
	return c
}

func TestNamesCannotLeaveTheirQuotes(t *testing.T) {
	for _, s := range []string{`a"b`, `a\`, `a\"`, "a\nb", "\x1b", "\xff"} {
		q := dotText(s)
		require.Equal(t, 2, strings.Count(strings.NewReplacer(`\\`, "", `\"`, "").Replace(q), `"`), q)
		require.NotContains(t, q, "\n")
		require.NotContains(t, q, "\x1b")
		m := mermaidText(s)
		require.NotContains(t, m, `"`)
		require.NotContains(t, m, "\n")
		require.NotContains(t, m, "\x1b")
	}
	require.Equal(t, "#60;b#62;<br>#35;", mermaidText("<b>\n#"))
	golden.Assert(t, "testdata/hostile.dot", hostile().DOT())
	golden.Assert(t, "testdata/hostile.mermaid", hostile().Mermaid())
}

// TestEveryPlanCanBeDrawn holds for each plan of the situations that plans are shown for.
func TestEveryPlanCanBeDrawn(t *testing.T) {
	for _, situation := range rendertest.Situations() {
		name, p := situation.Name, situation.Plan
		for _, all := range []bool{false, true} {
			c := OfPlan(p, all)
			known := map[string]bool{}
			drawn := map[string]bool{}
			for _, n := range c.Nodes {
				require.Falsef(t, known[n.ID], "%s: %s stands twice", name, n.ID)
				require.NotEmpty(t, n.Addresses)
				known[n.ID] = true
				for _, a := range n.Addresses {
					drawn[a] = true
				}
			}
			for _, e := range c.Edges {
				require.Truef(t, known[e.From] && known[e.To], "%s: %s -> %s", name, e.From, e.To)
			}
			for _, ch := range p.Changes {
				if !all && ch.Kind != "support" {
					require.Truef(t, drawn[ch.Address], "%s: %s is not drawn", name, ch.Address)
				}
			}
			require.Equal(t, c.DOT(), OfPlan(p, all).DOT())
			require.Equal(t, c.Mermaid(), OfPlan(p, all).Mermaid())
			_, err := json.Marshal(c)
			require.NoError(t, err)
		}
	}
}

func TestPlan(t *testing.T) {
	change := func(address, kind string, a plan.Action, needs ...string) *plan.Change {
		return &plan.Change{Address: address, Kind: kind, Action: a, Needs: needs}
	}
	p := &plan.Plan{
		Changes: []*plan.Change{
			change("fleet.lab.instance[0]", "instance", plan.Create, "backend.aws.support[\"group\"]"),
			change("fleet.lab.instance[1]", "instance", plan.Create),
			change("fleet.lab.instance[2]", "instance", plan.DeleteThenCreate),
			change(`fleet.lab.instance[0].support["attachment"]`, "support", plan.Create, "volume.data"),
			change("task.a.job[0]", "job", plan.Create, "fleet.lab", "fleet.lab.instance[0]", `fleet.lab.instance[0].support["attachment"]`, "volume.data"),
			change("task.b.job[0]", "job", plan.Create, "task.a"),
			change("volume.old", "volume", plan.Delete),
			change("task.old.job[0]", "job", plan.Delete),
		},
		Deferred: []plan.Note{{Address: "task.late", Text: "later"}, {Address: "task.a", Text: "in part"}, {Text: "of nothing"}},
		Steps: []plan.Step{
			{Address: "task.old.job[0]", Op: plan.OpDelete}, {Address: "task.old", Op: plan.OpJoin, Needs: []int{0}},
			{Address: "volume.old", Op: plan.OpDelete, Needs: []int{1}}, {Address: "task.old", Op: plan.OpJoin},
		},
	}
	c := OfPlan(p, false)
	var labels []string
	for _, n := range c.Nodes {
		labels = append(labels, strings.ReplaceAll(n.Label(), "\n", ": "))
	}
	require.Empty(t, cmp.Diff([]string{
		"fleet.lab.instance (2): create", "fleet.lab.instance[2]: replace", "task.a.job[0]: create", "task.b.job[0]: create", "task.late: deferred",
		"task.old.job[0]: delete", "volume.data: unchanged", "volume.old: delete",
	}, labels))
	require.Empty(t, cmp.Diff([]string{
		"task.a.job create -> fleet.lab.instance create",
		"task.a.job create -> volume.data unchanged",
		"task.b.job create -> task.a.job create",
		"task.old.job delete -> volume.old delete",
	}, edges(c)))

	all := OfPlan(p, true)
	require.Empty(t, cmp.Diff([]string{"delete task.old.job[0]", "delete volume.old", "join task.old", "join task.old (2)"}, ids(all)))
	require.Empty(t, cmp.Diff([]string{"delete volume.old -> join task.old", "join task.old -> delete task.old.job[0]"}, edges(all)))
}

func TestManyInstancesAreOneBox(t *testing.T) {
	p := &plan.Plan{}
	for i := range 2000 {
		p.Changes = append(p.Changes, &plan.Change{Address: fmt.Sprintf("fleet.lab.instance[%d]", i), Kind: "instance", Action: plan.Create})
		p.Changes = append(p.Changes, &plan.Change{Address: fmt.Sprintf("task.a[%d].job[0]", i), Kind: "job", Action: plan.Create, Needs: []string{fmt.Sprintf("fleet.lab.instance[%d]", i)}})
	}
	c := OfPlan(p, false)
	require.Len(t, c.Nodes, 2)
	require.Len(t, c.Edges, 1)
	require.Less(t, len(c.Mermaid()), 1000)
	require.Len(t, c.Nodes[0].Addresses, 2000)
}
