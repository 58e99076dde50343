package planner_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// What a job runs in is in the plan: as its run says, else its fleet, else all backends that it can be on. One without an image
// that is a container has the default image.
func TestRuntimeOfJobs(t *testing.T) {
	const dstack = "dstack {\n  default_image = \"acme/base:1\"\n}\n"
	const task = "task \"tt\" {\n  fleet = fleet.ff\n  commands = [\"true\"]\n  RUN\n}\nfleet \"ff\" {\n  nodes = 1\n  FLEET\n}\nbackend \"cloud\" {\n  provider = \"fake\"\n  BACKEND\n}\n"
	for name, tc := range map[string]struct {
		hcl, run, fleet, backend string
		runtime, image           string
	}{
		"nothing said":                                {hcl: dstack + task, runtime: "auto"},
		"the run says docker":                         {hcl: dstack + task, run: `runtime = "docker"`, runtime: "docker", image: "acme/base:1"},
		"its fleet does":                              {hcl: dstack + task, fleet: `runtime = "docker"`, runtime: "docker", image: "acme/base:1"},
		"its backend does":                            {hcl: dstack + task, backend: `runtime = "docker"`, runtime: "docker", image: "acme/base:1"},
		"its fleet says otherwise":                    {hcl: dstack + task, fleet: `runtime = "process"`, backend: `runtime = "docker"`, runtime: "auto"},
		"the run says otherwise than all":             {hcl: dstack + task, run: `runtime = "process"`, fleet: `runtime = "docker"`, runtime: "process"},
		"no default image":                            {hcl: task, fleet: `runtime = "docker"`, runtime: "docker"},
		"an image of its own":                         {hcl: dstack + task, run: `image = "own:1"`, fleet: `runtime = "docker"`, runtime: "auto", image: "own:1"},
		"a Python":                                    {hcl: dstack + task, run: `python = "3.11"`, fleet: `runtime = "docker"`, runtime: "docker"},
		"no compiler":                                 {hcl: dstack + task, run: `nvcc = false`, fleet: `runtime = "docker"`, runtime: "docker", image: "acme/base:1"},
		"another backend of the fleet says docker":    {hcl: dstack + task + "backend \"other\" {\n  provider = \"fake\"\n  runtime = \"docker\"\n}\n", fleet: `backends = ["cloud"]`, runtime: "auto"},
		"the fleet's only backend of two says docker": {hcl: dstack + task + "backend \"other\" {\n  provider = \"fake\"\n}\n", fleet: `backends = ["cloud"]`, backend: `runtime = "docker"`, runtime: "docker", image: "acme/base:1"},
		"two backends that say different things":      {hcl: dstack + task + "backend \"other\" {\n  provider = \"fake\"\n}\n", backend: `runtime = "docker"`, runtime: "auto"},
		"no fleet, and a backend that says docker":    {hcl: dstack + strings.Replace(task, "  fleet = fleet.ff\n", "", 1), backend: `runtime = "docker"`, runtime: "docker", image: "acme/base:1"},
	} {
		t.Run(name, func(t *testing.T) {
			hcl := strings.NewReplacer("RUN", tc.run, "FLEET", tc.fleet, "BACKEND", tc.backend).Replace(tc.hcl)
			p, diags := makePlan(t, emptyState(), hcl)
			require.NoError(t, diags.Err())
			job := jobOf(t, p, "task.tt.job[0]")
			image, _ := job["image"].(string)
			require.Equal(t, tc.runtime, job["runtime"])
			require.Equal(t, tc.image, image)
		})
	}
}

// A service of a fleet whose jobs become containers starts again as one. Jobs that are containers anyway stay.
func TestRuntimeOfAFleetChanges(t *testing.T) {
	hcl := func(runtime string) string {
		return "dstack {\n  default_image = \"acme/base:1\"\n}\nfleet \"ff\" {\n  nodes = 1\n  blocks = 2\n  runtime = \"" + runtime + "\"\n}\n" +
			"service \"open\" {\n  fleet = fleet.ff\n  port = 80\n  gateway = false\n  commands = [\"serve\"]\n}\n" +
			"service \"own\" {\n  fleet = fleet.ff\n  port = 81\n  gateway = false\n  image = \"own:1\"\n}\n"
	}
	l := newLife(t)
	l.apply(hcl("auto"))
	p := l.plan(hcl("docker"))
	require.Equal(t, []string{"update fleet.ff.instance[0]", "delete,create service.open.job[0] on fleet.ff.instance[0]"}, outline(p)[:len(p.Changes)])
	require.Equal(t, "acme/base:1", jobOf(t, p, "service.open.job[0]")["image"])
	l.apply(hcl("docker"))
	l.apply(hcl("auto"))
}

// A run without a fleet may get an instance of a fleet that says how jobs run. Where that makes it another thing the plan refuses.
func TestRuntimeOfWhereThereIsRoom(t *testing.T) {
	for name, tc := range map[string]struct {
		fleet, run string
		err        string
	}{
		"containers, and no image":              {"docker", ``, "would get fleet.ff.instance[0], which runs only containers, and the job names no image. Say runtime in the run"},
		"containers, and an image":              {"docker", `image = "own:1"`, ""},
		"containers, and the run says so":       {"docker", `runtime = "docker"`, ""},
		"processes, and an image":               {"process", `image = "own:1"`, "runs only processes, and the job is to be a container"},
		"processes, and no image":               {"process", ``, ""},
		"processes, and the run says otherwise": {"process", `runtime = "docker"`, ""},
		"both":                                  {"auto", `image = "own:1"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			fleet := "fleet \"ff\" {\n  nodes = 1\n  runtime = \"" + tc.fleet + "\"\n}\n"
			l.apply(fleet)
			state, err := l.store.Read(t.Context())
			require.NoError(t, err)
			p, diags := l.planner(fleet+"task \"tt\" {\n  commands = [\"true\"]\n  "+tc.run+"\n}\n").Plan(t.Context(), planner.PlanOptions{State: state})
			if tc.err != "" {
				require.ErrorContains(t, diags.Err(), tc.err)
				return
			}
			require.NoError(t, diags.Err())
			require.Contains(t, outline(p), "create task.tt.job[0] on fleet.ff.instance[0]")
		})
	}
}

// jobOf is a job as a plan has it.
func jobOf(t *testing.T, p *plan.Plan, address string) map[string]any {
	t.Helper()
	i := slices.IndexFunc(p.Changes, func(c *plan.Change) bool { return c.Address == address })
	require.GreaterOrEqual(t, i, 0, "the plan has no %s", address)
	var out map[string]any
	require.NoError(t, json.Unmarshal(p.Changes[i].After, &out))
	return out
}
