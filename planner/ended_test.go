package planner_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// answers is a service that ends at once, and one that does not.
const answers = `
gateway "public" {
  region = "us-east-1"
  domain = "*.example.com"
}
service "llama" {
  port     = 8000
  tokens   = ["one"]
  commands = ["exit 0"]
  resources {
    gpu = "A10G:1"
  }
}
`

func TestAServiceThatEndedStartsAgainWithItsTokens(t *testing.T) {
	l := newLife(t)
	_, err := l.carry(answers, l.plan(answers))
	require.NoError(t, err)
	p := l.plan(answers)
	require.Equal(t, []string{`delete,create service.llama.support["route/0"]`, "create service.llama.job[0] on service.llama.instance[0]"}, actions(p))
	res, err := l.carry(answers, p)
	require.NoError(t, err)
	require.True(t, res.Complete(), "%+v", res.Steps)
	require.Contains(t, string(l.objects("job")[0].Attributes), `"tokens":["one"]`)
}

func TestAnUpdateKeepsTheTokensOfAService(t *testing.T) {
	l := newLife(t)
	running := strings.Replace(answers, "exit 0", "serve", 1)
	l.apply(running)
	l.apply(strings.Replace(running, "port ", "max_duration = \"9h\"\n  port ", 1))
	require.Contains(t, string(l.objects("job")[0].Attributes), `"tokens":["one"]`)
}

func TestAnInstanceOfARunThatIsOfNoUseIsReplacedOnlyForAJob(t *testing.T) {
	l := newLife(t)
	l.broken(own, `[{"fault": "partial", "kind": "instance"}]`)
	p := l.plan(own)
	require.Equal(t, []string{"delete,create task.solo.instance[0]", "create task.solo.job[0] on task.solo.instance[0]"}, actions(p))
	l.apply(own)
	require.Len(t, l.objects("instance"), 1)

	elsewhere := strings.Replace(own, "us-east-1", "us-west-2", 1)
	p = l.plan(elsewhere) // the job is done, and nothing needs the machine
	require.Contains(t, actions(p), "delete task.solo.instance[0]")
	require.NotContains(t, actions(p), "create task.solo.job[0] on task.solo.instance[0]")
	l.apply(elsewhere)
	require.Empty(t, l.objects("instance"))
}

func TestAnEndedJobIgnoresChangesAlsoWhenItsInstanceIsGone(t *testing.T) {
	l := newLife(t)
	l.apply(own)
	l.now = l.now.Add(time.Hour)
	l.apply(own)
	require.Empty(t, l.objects())
	changed := strings.Replace(own, "exit 0", "exit 1", 1)
	require.NotEmpty(t, actions(l.plan(changed)))
	l.still(strings.Replace(changed, "commands", "lifecycle {\n    ignore_changes = all\n  }\n  commands", 1))
}

const mounts = `
volume "data" {
  region = "us-east-1"
  size   = "1GB"
}
task "solo" {
  commands = ["exit 0"]
  volumes  = [{ volume = volume.data, path = "/data" }]
  resources {
    gpu = "A10G:1"
  }
}
`

func TestWhatAnEndedJobMountedIsDetachedWhenItsInstanceGoes(t *testing.T) {
	l := newLife(t)
	l.apply(mounts)
	l.now = l.now.Add(time.Hour)
	l.apply(mounts)
	require.Len(t, l.objects(), 1, "the volume stays")
}

func TestAnEndedJobLeavesWithItsVolume(t *testing.T) {
	for name, to := range map[string]string{
		"the volume is replaced": strings.Replace(mounts, "us-east-1", "us-west-2", 1),
		"the volume goes":        strings.Replace(mounts, "  region = ", "  count  = 0\n  region = ", 1),
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			l.apply(mounts)
			if strings.Contains(to, "count") {
				to = strings.Replace(to, "  volumes  = [{ volume = volume.data, path = \"/data\" }]\n", "  lifecycle {\n    ignore_changes = all\n  }\n", 1)
			}
			l.apply(to)
			require.Empty(t, l.objects("job"))
		})
	}
}

func TestANodeThatIsDoneDoesNotRunAgainBecauseItsRecordIsGone(t *testing.T) {
	l := newLife(t)
	three := strings.Replace(own, "regions ", "nodes    = 3\n  regions ", 1)
	l.apply(three)
	require.NoError(t, l.world.Delete(l.objects("job")[2].ID))
	l.apply(three)
	require.Equal(t, "done", l.mustState().Run("task.solo").Jobs[0].Status)
}

func TestAnInstanceWhoseIdleTimeIsOverServesAJobThatComes(t *testing.T) {
	for name, tc := range map[string]struct {
		to   string
		want string
	}{
		"it is good for the job": {strings.Replace(own, "exit 0", "sleep 1000", 1), "create task.solo.job[0] on task.solo.instance[0]"},
		"it is not":              {strings.NewReplacer("exit 0", "sleep 1000", "us-east-1", "us-west-2").Replace(own), "create task.solo.job[0] on task.solo.instance[0]"},
		"its block is another":   {strings.Replace(own, "solo", "other", 1), "create task.other.job[0] on task.other.instance[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			l.apply(own)
			before := l.objects("instance")[0].ID
			l.now = l.now.Add(time.Hour)
			p := l.apply(tc.to)
			require.Contains(t, actions(p), tc.want)
			require.Equal(t, name == "it is good for the job", l.objects("instance")[0].ID == before)
			require.Len(t, l.objects("instance"), 1)
		})
	}
}

func TestTheIdleTimeOfAnInstanceBeginsWhenItsLastJobHasLeft(t *testing.T) {
	const pool = `
fleet "pool" {
  nodes   = 1
  regions = ["us-east-1"]
  resources {
    gpu = "A10G:1"
  }
}
`
	l := newLife(t)
	l.apply(strings.Replace(own, "exit 0", "sleep 1000", 1))
	l.now = l.now.Add(time.Hour)
	moved := strings.NewReplacer("regions  = ", "fleet    = fleet.pool\n  regions  = ", "exit 0", "sleep 2000").Replace(own) + pool
	l.apply(moved)
	require.Len(t, l.objects("instance"), 2, "it has just become idle")
	l.now = l.now.Add(time.Hour)
	require.Contains(t, actions(l.plan(moved)), "delete task.solo.instance[0]")
}

func TestAJobThatStartsBecauseAnotherOneLeavesGetsAPlace(t *testing.T) {
	const both = own + `
task "watch" {
  idle_duration = "1h"
  commands      = ["exit 0"]
  env           = { PEER = try(task.solo.instance[0].internal_ip, "none") }
}
`
	l := newLife(t)
	l.apply(both)
	l.now = l.now.Add(10 * time.Minute)
	p := l.apply(both)
	require.Contains(t, actions(p), "delete task.solo.instance[0]")
	require.Contains(t, actions(p), "create task.watch.job[0] on task.watch.instance[0]")
}

func TestAJobIsReplacedWithItsInstanceThoughNothingElseOfItChanges(t *testing.T) {
	const refers = `
service "moves" {
  port     = 8000
  auth     = false
  gateway  = false
  commands = ["exit 0"]
}
task "solo" {
  regions  = ["us-east-1"]
  commands = ["sleep 1000"]
  env      = { WHO = try(service.moves.job[0].instance, "none") }
}
`
	l := newLife(t)
	_, err := l.carry(refers, l.plan(refers))
	require.NoError(t, err)
	changed := strings.Replace(refers, "us-east-1", "us-west-2", 1)
	p := l.plan(changed)
	require.Contains(t, actions(p), "delete,create task.solo.job[0] on task.solo.instance[0]")
	res, err := l.carry(changed, p)
	require.NoError(t, err)
	require.True(t, res.Complete(), "%+v", res.Steps)
}

func TestAJobThatStartsAgainStaysWhereItWas(t *testing.T) {
	const failing = `
task "last" {
  commands = ["exit 3"]
}
`
	const first = `
service "first" {
  port     = 8000
  auth     = false
  gateway  = false
  commands = ["serve"]
}
`
	l := newLife(t)
	_, err := l.carry(failing, l.plan(failing))
	require.NoError(t, err)
	require.Equal(t, []string{"create service.first.instance[0]", "create service.first.job[0] on service.first.instance[0]",
		"create task.last.job[0] on task.last.instance[0]"}, actions(l.plan(failing+first)))
}

func TestAnOutputOfAJobThatHasLeftComesToAnEnd(t *testing.T) {
	const shown = own + `
output "jobs" {
  value = [for j in task.solo.job : "${j.name} ${try(coalesce(j.host, "nowhere"), "")}"]
}
`
	l := newLife(t)
	l.apply(shown)
	l.now = l.now.Add(time.Hour)
	l.apply(shown)
	require.Empty(t, l.objects())
	l.plan(shown)
	_, err := l.carry(shown, l.plan(shown))
	require.NoError(t, err)
	l.still(shown)
	require.JSONEq(t, `["solo-0 nowhere"]`, string(l.mustState().Outputs()["jobs"].Value))
}

func TestANodeThatIsLostIsComparedWithTheSpecificationThatItHad(t *testing.T) {
	l := newLife(t)
	one := strings.Replace(own, "exit 0", "sleep 1000", 1)
	two := strings.Replace(one, "regions ", "nodes    = 2\n  regions ", 1)
	l.apply(one)
	l.apply(two) // the first attempt of the first node has ended
	for _, o := range l.objects("instance") {
		if o.Address == "task.solo.instance[1]" {
			require.NoError(t, l.world.Delete(o.ID))
		}
	}
	l.apply(two)
	require.Len(t, l.objects("job"), 1, "a lost node does not run again unasked")
}

func TestNothingIsMadeForAJobThatDoesNotStartInTheEnd(t *testing.T) {
	const refers = `
fleet "pool" {
  nodes   = 1
  regions = ["us-east-1"]
}
task "moves" {
  fleet    = fleet.pool
  commands = ["sleep 1000"]
}
task "done" {
  regions  = ["us-west-2"]
  commands = ["exit 0"]
  env      = { WHERE = task.moves.job[0].instance }
}
`
	l := newLife(t)
	l.apply(refers)
	l.now = l.now.Add(10 * time.Minute)
	p := l.apply(strings.Replace(refers, "sleep 1000", "sleep 2000", 1)) // until it is placed, nobody knows where it will be
	require.Contains(t, actions(p), "delete task.done.instance[0]")
	require.Contains(t, actions(p), "delete,create task.moves.job[0] on fleet.pool.instance[0]")
}
