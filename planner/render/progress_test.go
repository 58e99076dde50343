package render

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/internal/golden"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render/rendertest"
)

// story is an apply as it tells itself.
func story() []Event {
	at := func(s int) time.Time { return rendertest.Noon().Add(time.Duration(s) * time.Second) }
	return []Event{
		{Time: at(0), Type: Started, Address: "volume.scratch", Action: "delete"},
		{Time: at(2), Type: Done, Address: "volume.scratch", Action: "delete", Elapsed: 2 * time.Second},
		{Time: at(14), Type: Started, Address: "fleet.train.instance[0]", Action: "create"},
		{Time: at(14), Type: Started, Address: "fleet.train.instance[1]", Action: "create"},
		{Time: at(40), Type: Progress, Address: "fleet.train.instance[1]", Action: "create", Phase: "waiting for SSH", Done: 3, Total: 5},
		{Time: at(41), Type: Retry, Address: "fleet.train.instance[0]", Action: "create", Message: "no capacity for p4de.24xlarge"},
		{Time: at(60), Type: Failed, Address: "fleet.train.instance[0]", Action: "create", Message: "no capacity for p4de.24xlarge (InsufficientInstanceCapacity)"},
		{Time: at(60), Type: Skipped, Address: "task.finetune.job[0]", Action: "create", Message: "fleet.train.instance[0] failed"},
	}
}

func TestEventsOnAPipe(t *testing.T) {
	var b strings.Builder
	for _, e := range story() {
		b.WriteString(e.Line() + "\n")
	}
	for _, e := range []Event{
		{Type: Progress, Address: "volume.\x1b[2Jx", Phase: "a\nb"},
		{Type: Retry, Address: "volume.a", Deposed: "1f3c", Action: "delete", Wait: 5 * time.Second, Message: "throttled"},
		{Type: Candidate, Address: "fleet.a.instance[0]", Action: "create", Message: "aws us-east-1b g5.12xlarge, as us-east-1a has no capacity"},
		{Type: Failed, Address: "task.a.job[0]", Action: "create", Message: "ports binding failed\nport 8000 is taken by another process\n\n  last line\n"},
		{Type: Interrupted, Message: "1 step is in flight: fleet.a.instance[0]"},
	} {
		e.Time = rendertest.Noon()
		b.WriteString(e.Line() + "\n")
	}
	golden.Assert(t, "testdata/apply/events.golden", b.String())
}

func TestLiveBlock(t *testing.T) {
	l := NewLive(rendertest.Night(), "night.plan", 10, rendertest.Noon())
	var b strings.Builder
	for i, e := range story() {
		l.Add(e)
		for _, line := range l.Block(Options{Now: e.Time.Add(12 * time.Second)}, 24) {
			require.LessOrEqual(t, displayWidth(line), 80)
			b.WriteString(line + "\n")
		}
		fmt.Fprintf(&b, "-- after %d\n", i+1)
	}
	golden.Assert(t, "testdata/apply/live.golden", b.String())
}

func TestLiveBlockFitsAnyTerminal(t *testing.T) {
	p := &plan.Plan{Steps: []plan.Step{{Address: "volume.a", Op: plan.OpCreate}}}
	for i := range 10_000 {
		a := fmt.Sprintf("fleet.a.instance[%d]", i)
		p.Changes = append(p.Changes, &plan.Change{Address: a, Kind: "instance"})
		p.Steps = append(p.Steps, plan.Step{Address: a, Op: plan.OpCreate, Needs: []int{0}}, plan.Step{Op: plan.OpJoin, Address: "fleet.a"})
	}
	l := NewLive(p, strings.Repeat("a long name 日本 ", 10), 10, rendertest.Noon())
	l.Add(Event{Time: rendertest.Noon(), Type: Started, Address: "volume.a", Action: "create"})
	for i := range 9_000 {
		e := Event{Time: rendertest.Noon(), Type: Started, Address: fmt.Sprintf("fleet.a.instance[%d]", i), Action: "create"}
		l.Add(e)
		if i < 8_995 {
			e.Type = Done
			l.Add(e)
			l.Add(e) // told twice, counted once
		}
	}
	for _, height := range []int{0, 3, 5, 24, 200} {
		for _, width := range []int{40, 80} {
			lines := l.Block(Options{Now: rendertest.Noon().Add(time.Hour), Width: width, Color: true}, height)
			require.LessOrEqual(t, len(lines), max(height, 3))
			for _, line := range lines {
				require.LessOrEqual(t, displayWidth(line), width, line)
			}
			require.Equal(t, "[8995/10000] 5 running, 1000 waiting", lines[len(lines)-1])
		}
	}
}

func TestLiveSaysWhatWaitsForWhat(t *testing.T) {
	change := func(address, kind string) *plan.Change { return &plan.Change{Address: address, Kind: kind} }
	p := &plan.Plan{Changes: []*plan.Change{
		change("fleet.a.instance[0]", "instance"), change("fleet.a.instance[1]", "instance"), change(`fleet.a.instance[0].support["attachment/x"]`, "support"),
		change("task.a.job[0]", "job"), change("task.a.job[1]", "job"), change("volume.x", "volume"),
	}, Steps: []plan.Step{
		{Address: "volume.x", Op: plan.OpDelete},
		{Address: "volume.x", Op: plan.OpCreate, Needs: []int{0}},
		{Address: "fleet.a.instance[0]", Op: plan.OpCreate},
		{Address: "fleet.a.instance[1]", Op: plan.OpCreate},
		{Address: `fleet.a.instance[0].support["attachment/x"]`, Op: plan.OpCreate, Needs: []int{1, 2}},
		{Address: "fleet.a", Op: plan.OpJoin, Needs: []int{2, 3}},
		{Address: "task.a.job[0]", Op: plan.OpCreate, Needs: []int{4, 5}},
		{Address: "task.a.job[1]", Op: plan.OpCreate, Needs: []int{5, 6}},
	}}
	l := NewLive(p, "it", 0, rendertest.Noon())
	waits := func() (out []string) {
		for _, line := range l.Block(Options{Now: rendertest.Noon()}, 24) {
			if text, waits := strings.CutPrefix(line, "  waiting   "); waits {
				out = append(out, text)
			}
		}
		return out
	}
	step := func(address, action string, types ...EventType) {
		for _, typ := range types {
			l.Add(Event{Time: rendertest.Noon(), Type: typ, Address: address, Action: action})
		}
	}
	require.Empty(t, waits(), "nothing runs yet")
	step("volume.x", "delete", Started)
	require.Empty(t, waits(), "the new one of a replace does not wait for another")
	step("volume.x", "delete", Done)
	step("volume.x", "create", Started)
	require.Equal(t, []string{"task.a.job[0]  for volume.x"}, waits(), "through the support object between them")
	step("fleet.a.instance[0]", "create", Started)
	step("fleet.a.instance[1]", "create", Started)
	require.Equal(t, []string{"task.a.job[0]  for fleet.a.instance[0] and [1], volume.x", "task.a.job[1]  for fleet.a.instance[0] and [1]"}, waits(), "through the join")
	step("fleet.a.instance[0]", "create", Done)
	step("fleet.a.instance[1]", "create", Done)
	step("volume.x", "create", Done)
	step("task.a.job[0]", "create", Started)
	require.Equal(t, []string{"task.a.job[1]  for task.a.job[0]"}, waits())
	step("task.a.job[0]", "create", Failed)
	step("task.a.job[1]", "create", Skipped)
	require.Empty(t, waits())
}

func TestLiveCountsAReplaceOnce(t *testing.T) {
	p := &plan.Plan{Changes: []*plan.Change{{Address: "volume.a", Kind: "volume"}, {Address: `volume.a.support["x"]`, Kind: "support"}, {Address: "volume.b", Kind: "volume"}}, Steps: []plan.Step{
		{Address: "volume.a", Op: plan.OpDelete}, {Address: "volume.a", Op: plan.OpCreate}, {Address: `volume.a.support["x"]`, Op: plan.OpCreate}, {Address: "volume.b", Op: plan.OpDelete}, {Address: "volume.b", Op: plan.OpCreate},
	}}
	l := NewLive(p, "it", 0, rendertest.Noon())
	last := func() string { b := l.Block(Options{Now: rendertest.Noon()}, 24); return b[len(b)-1] }
	step := func(address, action string, typ EventType) {
		l.Add(Event{Time: rendertest.Noon(), Type: typ, Address: address, Action: action})
	}
	require.Equal(t, "[0/2] 0 running, 2 waiting", last())
	step("volume.a", "delete", Started)
	step("volume.a", "delete", Done)
	require.Equal(t, "[0/2] 0 running, 2 waiting", last(), "half of it is not it")
	step(`volume.a.support["x"]`, "create", Started)
	step("volume.a", "create", Started)
	require.Equal(t, "[0/2] 1 running, 1 waiting", last(), "support objects are not counted")
	step("volume.a", "create", Done)
	require.Equal(t, "[1/2] 0 running, 1 waiting", last())
	step("volume.b", "delete", Failed)
	step("volume.b", "create", Skipped)
	require.Equal(t, "[2/2] 0 running, 1 failed", last(), "it failed once")
	l.Add(Event{Type: Interrupted})
	require.Contains(t, last(), "Interrupted")
}

func TestTallies(t *testing.T) {
	failed := Tally{
		Done: 3, Serial: 44, Before: rendertest.CostOf(78.44, 78.44), After: rendertest.CostOf(16.85, 16.85), Next: "dstack apply night.plan",
		Gone: []plan.Note{{Address: "fleet.train.instance[0]", Text: "the old ones were destroyed at 14:03; task.finetune is not running"}, {Address: "fleet.train.instance[1]", Text: "the old ones were destroyed at 14:03; task.finetune is not running"}},
	}
	for i := range 2 {
		failed.Failed = append(failed.Failed, FailedStep{Address: fmt.Sprintf("fleet.train.instance[%d]", i), Action: "create", Tries: 3, Elapsed: 4*time.Minute + 100*time.Millisecond, Message: "aws us-east-1a: no capacity for p4de.24xlarge\n(InsufficientInstanceCapacity)"})
		failed.NotStarted = append(failed.NotStarted, SkippedStep{Address: fmt.Sprintf("task.finetune.job[%d]", i), Because: []string{"fleet.train.instance[0]", "fleet.train.instance[1]"}})
	}
	for name, tally := range map[string]Tally{
		"failed":      failed,
		"done":        {Done: 7, Serial: 12, Elapsed: 72 * time.Second, Before: rendertest.CostOf(0, 0), After: rendertest.CostOf(4, 4), Follow: []string{"dstack logs finetune"}, Ended: []plan.Note{{Address: "task.hello", Text: "done, exit code 0"}}},
		"interrupted": {Done: 2, Interrupted: true, Serial: 3, Next: "dstack apply", NotStarted: []SkippedStep{{Address: "volume.a[0]"}, {Address: "volume.a[1]"}, {Address: "volume.a[2]"}}},
	} {
		golden.Assert(t, "testdata/apply/"+name+".golden", tally.Text(Options{}))
	}
}

func TestRowsOfABlockInATerminalThatIsNarrowerNow(t *testing.T) {
	lines := []string{"", "1234567890", "\x1b[31m12345\x1b[0m", "日本日本"}
	for width, want := range map[int]int{0: 4, 80: 4, 10: 4, 9: 5, 5: 6, 4: 8} {
		require.Equal(t, want, Rows(lines, width), width)
	}
}
