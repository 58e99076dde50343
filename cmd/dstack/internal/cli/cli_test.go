package cli

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner/apply"
	"github.com/dstackai/dstack-planner/planner/lockfile"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

func TestDetailedExitCodes(t *testing.T) {
	change := func(a plan.Action) *plan.Plan {
		return &plan.Plan{Changes: []*plan.Change{{Address: "volume.data", Action: a}}}
	}
	drift := &plan.Plan{Drift: []*plan.Drift{{Address: "volume.data"}}}
	output := &plan.Plan{Outputs: map[string]*plan.Output{"url": {Action: plan.Update}}}
	same := &plan.Plan{Outputs: map[string]*plan.Output{"url": {Action: plan.NoOp}}}
	for name, tc := range map[string]struct {
		detail detail
		plan   *plan.Plan
		want   int
	}{
		"nothing is asked: 0":                  {"", change(plan.Delete), 0},
		"no changes: 0":                        {"changes", same, 0},
		"a create: 2":                          {"changes", change(plan.Create), 2},
		"a destroy: 2":                         {"changes", change(plan.Delete), 2},
		"only an output: 2":                    {"changes", output, 2},
		"something is deferred: 2":             {"changes", &plan.Plan{Deferred: []plan.Note{{Address: "volume.data"}}}, 2},
		"drift alone: 0":                       {"changes", drift, 0},
		"risk, no changes: 0":                  {"risk", same, 0},
		"risk, a create: 2":                    {"risk", change(plan.Create), 2},
		"risk, a destroy: 8":                   {"risk", change(plan.Delete), 8},
		"risk, a replace: 8":                   {"risk", change(plan.DeleteThenCreate), 8},
		"risk, a replace, new one first: 8":    {"risk", change(plan.CreateThenDelete), 8},
		"risk, what is forgotten stays: 2":     {"risk", change(plan.Forget), 2},
		"risk, drift alone: 7":                 {"risk", drift, 7},
		"risk, drift and a change: the change": {"risk", &plan.Plan{Drift: drift.Drift, Changes: change(plan.Update).Changes}, 2},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, tc.detail.code(tc.plan)) })
	}
}

func TestTheValueOfDetailedExitcode(t *testing.T) {
	var d detail
	for given, want := range map[string]detail{"changes": "changes", "true": "changes", "risk": "risk", "false": "", "": ""} {
		require.NoError(t, d.Set(given))
		require.Equal(t, want, d)
	}
	require.Error(t, d.Set("all"))
}

func TestTheStatusOfARunIsThatOfItsJobs(t *testing.T) {
	for name, tc := range map[string]struct {
		jobs       []string
		want       string
		unfinished bool
	}{
		"all run":                          {[]string{"running", "running"}, "running", true},
		"one is still pulling":             {[]string{"running", "pulling"}, "pulling", true},
		"one has ended, one runs":          {[]string{"done", "running"}, "running", true},
		"one has failed, one runs":         {[]string{"failed", "running"}, "running", true},
		"all are done":                     {[]string{"done", "done"}, "done", false},
		"one has failed":                   {[]string{"done", "failed"}, "failed", false},
		"one was stopped":                  {[]string{"done", "terminated"}, "terminated", false},
		"one is lost, which is worse":      {[]string{"failed", "lost"}, "lost", false},
		"a status that a newer agent made": {[]string{"dreaming"}, "recorded", true},
	} {
		t.Run(name, func(t *testing.T) {
			r := run{Status: "recorded"}
			for i, s := range tc.jobs {
				r.Jobs = append(r.Jobs, runJob{Index: len(tc.jobs) - i, Status: s})
			}
			r.settle()
			require.Equal(t, tc.want, r.Status)
			require.Equal(t, tc.unfinished, r.unfinished())
			require.True(t, len(r.Jobs) < 2 || r.Jobs[0].Index < r.Jobs[1].Index)
		})
	}
}

func TestHowAJobEnded(t *testing.T) {
	code := func(n int) *int { return &n }
	for want, j := range map[string]runJob{
		"done":                    {Status: "done", ExitCode: code(0)},
		"failed (exit code 3)":    {Status: "failed", ExitCode: code(3)},
		"failed (exit code 0)":    {Status: "failed", ExitCode: code(0)},
		"terminated":              {Status: "terminated"},
		"done (exit code 1)":      {Status: "done", ExitCode: code(1)},
		"aborted (exit code 137)": {Status: "aborted", ExitCode: code(137)},
	} {
		require.Equal(t, want, j.end())
	}
	require.Equal(t, "job 0 done, job 1 failed (exit code 2)", (&run{Jobs: []runJob{{Status: "done"}, {Index: 1, Status: "failed", ExitCode: code(2)}}}).ends())
	require.Equal(t, "max duration exceeded", (&runJob{Status: "terminated", Reason: "max_duration_exceeded"}).words())
	require.Empty(t, (&runJob{Status: "running", Message: "all is well"}).words())
	require.Equal(t, "not checked: no route", (&runJob{Status: "running", NotChecked: "no route\nto host"}).words())
}

func TestARunThatIsOnlyRemembered(t *testing.T) {
	at := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	got := endedRun(&statefile.Run{Address: "task.a", Name: "a", Type: "task", Status: "done", Jobs: []statefile.RunJob{
		{Index: 1, Attempt: 1, Status: "failed", SubmittedAt: at}, {Index: 0, Attempt: 1, Status: "done"}, {Index: 1, Attempt: 2, Status: "done", SubmittedAt: at, FinishedAt: at},
	}})
	want := []runJob{{Index: 0, Attempt: 1, Status: "done"}, {Index: 1, Attempt: 2, Status: "done", SubmittedAt: "2026-11-23T14:00:00Z", FinishedAt: "2026-11-23T14:00:00Z"}}
	require.Empty(t, cmp.Diff(want, got.Jobs, cmp.AllowUnexported(runJob{})))
	require.Equal(t, at, got.submitted())
}

func TestJSONOfARunHasWhatScriptsRelyOn(t *testing.T) {
	r := run{Address: "task.a", Name: "a", Type: "task", Status: "done", Jobs: []runJob{{Status: "done", Instance: "fleet.lab.instance[0]", SubmittedAt: "x"}}}
	raw, err := json.Marshal(r)
	require.NoError(t, err)
	require.JSONEq(t, `{"address":"task.a","name":"a","type":"task","status":"done","jobs":[{"index":0,"status":"done","instance":"fleet.lab.instance[0]","submitted_at":"x"}]}`, string(raw))
}

func TestTheTallyCountsAReplaceOnce(t *testing.T) {
	step := func(address string, op plan.Op, s apply.Status) apply.StepResult {
		return apply.StepResult{Step: plan.Step{Address: address, Op: op}, Status: s}
	}
	p := &plan.Plan{Changes: []*plan.Change{
		{Address: "volume.a", Kind: "volume", Action: plan.DeleteThenCreate}, {Address: "volume.b", Kind: "volume", Action: plan.DeleteThenCreate},
		{Address: "volume.c", Kind: "volume", Action: plan.Create}, {Address: `volume.c.support["x"]`, Kind: "support", Action: plan.Create},
	}}
	failed := step("volume.b", plan.OpCreate, apply.Failed)
	failed.Err, failed.Unknown = providers.Errorf(providers.Internal, "it crashed"), true
	skipped := step("volume.c", plan.OpCreate, apply.Skipped)
	skipped.Because = "volume.b"
	r := &apply.Result{Steps: []apply.StepResult{
		step("volume.a", plan.OpDelete, apply.Done), step("volume.a", plan.OpCreate, apply.Done), step("volume.b", plan.OpDelete, apply.Done), failed, skipped,
		step(`volume.c.support["x"]`, plan.OpCreate, apply.Done),
	}}
	got := tallyOf(r, p, statefile.New("l", []byte(strings.Repeat("k", 32))), time.Second)
	require.Equal(t, 1, got.Done)
	require.Len(t, got.Failed, 1)
	require.Contains(t, got.Failed[0].Message, "it crashed")
	require.Contains(t, got.Failed[0].Message, "not known")
	require.Len(t, got.NotStarted, 1)
	require.Equal(t, []string{"volume.b"}, got.NotStarted[0].Because)
	require.Len(t, got.Gone, 1, "the old volume.b is destroyed, and there is no new one")
	require.Equal(t, "volume.b", got.Gone[0].Address)
}

func TestPins(t *testing.T) {
	t.Chdir(t.TempDir())
	p, err := readPins()
	require.NoError(t, err)
	program := "/opt/dstack-provider-acme"
	require.ErrorContains(t, p.verify(program, "aa"), "dstack init")
	p.add("acme", "bb")
	p.add("acme", "aa")
	p.add("acme", "aa")
	require.NoError(t, p.write())
	again, err := readPins()
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(map[string][]string{"acme": {"aa", "bb"}}, again.lock.Providers))
	require.NoError(t, again.verify(program, "aa"))
	require.ErrorContains(t, again.verify(program, "cc"), "pins another one")
	require.Error(t, again.verify("/opt/dstack-provider-other", "aa"))

	require.NoError(t, os.WriteFile(lockfile.Name, []byte("provider acme {"), 0o600))
	_, err = readPins()
	require.Error(t, err)
}

func TestVariablesKeepTheOrderOfTheirFlags(t *testing.T) {
	var in inputs
	cmd := &cobra.Command{Use: "x", RunE: func(*cobra.Command, []string) error { return nil }}
	in.register(cmd)
	cmd.SetArgs([]string{"--var", "a=1", "--var-file", "f", "--var", "a=b=c"})
	require.NoError(t, cmd.Execute())
	require.Len(t, in.list, 3)
	require.Equal(t, "f", in.list[1].File)
	require.Equal(t, "b=c", in.list[2].Text)
}

func TestTheNextCommandDoesNotRepeatValues(t *testing.T) {
	a := &app{dir: "my folder"}
	cmd := &cobra.Command{}
	ap := applying{}
	cmd.Flags().IntVar(&ap.parallelism, "parallelism", 10, "")
	require.NoError(t, cmd.Flags().Set("parallelism", "3"))
	require.NoError(t, varFlag{&ap.inputs, false}.Set("token=hush"))
	require.NoError(t, varFlag{&ap.inputs, true}.Set("it's"))
	require.Equal(t, `dstack -C 'my folder' apply --parallelism 3 --var token=... --var-file 'it'\''s'`, a.again(cmd, ap, "apply"))
}

func TestLogsAreOffUnlessAskedFor(t *testing.T) {
	var out bytes.Buffer
	l, err := newLog(&out, "", "")
	require.NoError(t, err)
	l.Error("x")
	require.Empty(t, out.String())
	l, err = newLog(&out, "trace", "json")
	require.NoError(t, err)
	l.Log(t.Context(), levelTrace, "deep", slog.String("addr", "volume.a"))
	require.Contains(t, out.String(), `"level":"TRACE"`)
	_, err = newLog(&out, "loud", "")
	require.ErrorContains(t, err, "loud")
	_, err = newLog(&out, "info", "xml")
	require.ErrorContains(t, err, "xml")
}

func TestEventsAreOneObjectALine(t *testing.T) {
	var out bytes.Buffer
	a := &app{out: &out, version: "1.2.3", now: func() time.Time { return time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC) }}
	e := newEvents(a)
	e.plan(&plan.Plan{CreatedAt: a.now(), Changes: []*plan.Change{{Address: "volume.a", Kind: "volume", Action: plan.DeleteThenCreate, Reason: "size\nchanged"}}})
	for line := range strings.Lines(out.String()) {
		var v map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &v))
		for _, key := range []string{"time", "level", "type", "message"} {
			require.Contains(t, v, key)
		}
	}
	require.Contains(t, out.String(), `"actions":["delete","create"]`)
}

func TestEveryBlockHasAHelpPage(t *testing.T) {
	for _, b := range schema.BlockTypes() {
		text := blockHelp(b, 80)
		for _, at := range b.Object.Attrs {
			if !at.Label {
				require.Containsf(t, text, "\n  "+at.Name+" ", "help %s has no %s", b.Name, at.Name)
			}
		}
	}
}

func TestTheSchemaNamesOnlyGrammarsThatItHas(t *testing.T) {
	doc := schemaOf(nil, false)
	var walk func(o objectSchema)
	walk = func(o objectSchema) {
		for _, a := range o.Attributes {
			if a.Grammar != "" {
				require.Containsf(t, doc.Grammars, a.Grammar, "the grammar of %s", a.Name)
			}
			if a.Object != nil {
				walk(*a.Object)
			}
		}
	}
	for _, b := range doc.Blocks {
		walk(b.Object)
	}
	for _, k := range doc.Kinds {
		walk(k)
	}
	_, err := json.Marshal(doc)
	require.NoError(t, err)
}

func TestValuesOfOutputs(t *testing.T) {
	for raw, want := range map[string]string{`"a b"`: "a b", "12.50": "12.50", "true": "true"} {
		got, ok := scalar(json.RawMessage(raw))
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	for _, raw := range []string{`[1]`, `{}`, `null`, ``} {
		_, ok := scalar(json.RawMessage(raw))
		require.Falsef(t, ok, "%s", raw)
	}
	require.Equal(t, "{\n    \"a\": 1\n  }", valueText(json.RawMessage(`{"a":1}`), "  "))
}
