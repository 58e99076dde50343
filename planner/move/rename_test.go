package move

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dstackai/dstack-planner/internal/law"
	"github.com/dstackai/dstack-planner/statefile"
)

var at = time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)

// recorded is a state with something of everything that names something else.
func recorded(t *testing.T) *statefile.State {
	t.Helper()
	job := canonical(t, `{"name":"train-0","run":"train","type":"task","instance":"fleet.gpus.instance[0]","volumes":[{"path":"/data","volume":["volume.data[\"eu\"]","scratch"]}],"env":{"NOTE":"volume.data"}}`)
	put := func(address, kind, attributes string, needs ...string) statefile.Record {
		return statefile.NewPut(at, &statefile.Resource{Address: address, Kind: kind, Backend: "aws", ID: "id-" + address, Attributes: []byte(canonical(t, attributes)), Needs: needs, Revision: 3,
			Changed: statefile.Changed{At: at, By: "ana", Plan: "p0"}}, "")
	}
	deposed := &statefile.Resource{Address: `volume.data["eu"]`, Deposed: "r1", Kind: "volume", ID: "old", Attributes: []byte(`{"name":"data-eu"}`)}
	state, err := statefile.New("lineage", []byte(strings.Repeat("k", 32))).With(
		put("fleet.gpus.instance[0]", "instance", `{"name":"gpus-0"}`, `backend.aws.support["security-group/us"]`),
		put(`volume.data["eu"]`, "volume", `{"name":"data-eu"}`), statefile.NewPut(at, deposed, ""),
		put(`fleet.gpus.instance[0].support["attachment/volume.data[\"eu\"]"]`, "support", `{"type":"attachment","owner":"fleet.gpus.instance[0]","target":"volume.data[\"eu\"]"}`,
			"fleet.gpus.instance[0]", `volume.data["eu"]`),
		put("task.train.job[0]", "job", job, "fleet.gpus.instance[0]", `volume.data["eu"]`, `fleet.gpus.instance[0].support["attachment/volume.data[\"eu\"]"]`),
		put("service.web.job[0]", "job", `{"instance":"fleet.gpus.instance[0]"}`, "task.train", "gateway.gw"),
		put(`service.web.support["route/0"]`, "support", `{"type":"route","owner":"service.web.job[0]","target":"gateway.gw"}`, "service.web.job[0]"),
		put("gateway.gw", "gateway", `{"name":"gw"}`),
		statefile.NewRun(at, "task.train", &statefile.Run{Address: "task.train", Name: "train", Specification: []byte(job),
			Jobs: []statefile.RunJob{{Index: 0, Attempt: 1, Instance: "fleet.gpus.instance[0]"}}}),
		statefile.NewRun(at, "task.gone", &statefile.Run{Address: "task.gone", Destroyed: true, Jobs: []statefile.RunJob{{Instance: "fleet.gpus.instance[0]"}}}),
		statefile.NewIntent(at, statefile.Intent{Address: "task.train.job[1]", Kind: "job", Operation: statefile.Create, Key: "k1", Want: []byte(job), Needs: []string{"fleet.gpus"}, Since: at}),
		statefile.NewIntent(at, statefile.Intent{Address: `volume.data["eu"]`, Kind: "volume", Operation: statefile.Create, Key: "k2", Since: at}),
		statefile.NewClose(at, statefile.Ref{Address: `volume.data["eu"]`}, "k2", "not found", time.Hour),
	)
	require.NoError(t, err)
	return state
}

// canonical is JSON as it is recorded.
func canonical(t *testing.T, text string) string {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal([]byte(text), &v))
	out, err := json.Marshal(v)
	require.NoError(t, err)
	return string(out)
}

func renamed(t *testing.T, state *statefile.State, list ...string) *statefile.State {
	t.Helper()
	all, err := Recorded(state)
	require.NoError(t, err)
	moves, blocked := Resolve(statements(t, list...), all)
	require.Empty(t, blocked)
	r, err := Rename(state, moves, statefile.Changed{At: at, By: "bob", Plan: "p1"})
	require.NoError(t, err)
	out, err := state.With(statefile.NewRename(at, r))
	require.NoError(t, err)
	again, err := Rename(out, moves, statefile.Changed{})
	require.NoError(t, err)
	require.True(t, again.IsZero(), "what was renamed is not renamed again: %v", again)
	return out
}

func TestAfterARenameTheRecordIsAsIfItHadAlwaysBeenSo(t *testing.T) {
	state := recorded(t)
	got := renamed(t, state, "fleet.gpus -> module.m.fleet.machines", `volume.data["eu"] -> volume.disk`, "task.train -> task.tune", "service.web -> service.site", "gateway.gw -> gateway.entry")

	job := got.Resource("task.tune.job[0]")
	require.NotNil(t, job)
	require.JSONEq(t, `{"name":"train-0","run":"train","type":"task","instance":"module.m.fleet.machines.instance[0]","volumes":[{"path":"/data","volume":["volume.disk","scratch"]}],"env":{"NOTE":"volume.data"}}`, string(job.Attributes))
	require.Equal(t, []string{"module.m.fleet.machines.instance[0]", "volume.disk", `module.m.fleet.machines.instance[0].support["attachment/volume.disk"]`}, job.Needs)
	require.Equal(t, "id-task.train.job[0]", job.ID)
	require.Equal(t, "p0", job.Changed.Plan, "the object itself has not changed")
	tie := got.Resource(`module.m.fleet.machines.instance[0].support["attachment/volume.disk"]`)
	require.NotNil(t, tie)
	require.JSONEq(t, `{"type":"attachment","owner":"module.m.fleet.machines.instance[0]","target":"volume.disk"}`, string(tie.Attributes))
	require.Equal(t, "old", got.Object(statefile.Ref{Address: "volume.disk", Deposed: "r1"}).ID)
	require.JSONEq(t, `{"type":"route","owner":"service.site.job[0]","target":"gateway.entry"}`, string(got.Resource(`service.site.support["route/0"]`).Attributes))
	require.Equal(t, []string{"task.tune", "gateway.entry"}, got.Resource("service.site.job[0]").Needs)
	require.Equal(t, []string{`backend.aws.support["security-group/us"]`}, got.Resource("module.m.fleet.machines.instance[0]").Needs)

	run := got.Run("task.tune")
	require.Equal(t, []string{"task.train"}, run.Former)
	require.Equal(t, "train", run.Name)
	require.Equal(t, "module.m.fleet.machines.instance[0]", run.Jobs[0].Instance)
	require.Contains(t, string(run.Specification), `"volume.disk"`)
	require.Nil(t, got.Run("task.train"))
	require.Equal(t, "module.m.fleet.machines.instance[0]", got.Run("task.gone").Jobs[0].Instance)

	open := got.Intent(statefile.Ref{Address: "task.tune.job[1]"})
	require.Equal(t, "k1", open.Key)
	require.Equal(t, []string{"module.m.fleet.machines"}, open.Needs)
	require.Contains(t, string(open.Want), "module.m.fleet.machines.instance[0]")
	require.Len(t, got.Intents(), 1)

	require.Equal(t, map[string]string{"module.m.fleet.machines": "gpus", "volume.disk": "data-eu", "task.tune": "train", "service.site": "web", "gateway.entry": "gw"}, got.Names())
	gone, ok := got.Tombstone(statefile.Ref{Address: "task.train.job[0]"})
	require.True(t, ok)
	require.Equal(t, statefile.Moved, gone.Reason)
	require.Equal(t, "bob", gone.Changed.By)
}

func TestWhatWasClosedMovesToo(t *testing.T) {
	got := renamed(t, recorded(t), "volume.data -> volume.disk")
	require.Equal(t, `volume.disk["eu"]`, got.Closed(at)[0].Address)
}

func TestTheAddressOfABlockMeansAllOfIt(t *testing.T) {
	volume := func(address string, needs ...string) statefile.Record {
		return statefile.NewPut(at, &statefile.Resource{Address: address, Kind: "volume", ID: address, Needs: needs}, "")
	}
	state, err := statefile.New("lineage", nil).With(volume("volume.a[0]"), volume("volume.a[1]"), volume("volume.user", "volume.a", "volume.a[1]"))
	require.NoError(t, err)
	for name, tc := range map[string]struct{ moves, want []string }{
		"all of it goes to one block":    {[]string{"volume.a -> volume.b"}, []string{"volume.b", "volume.b[1]"}},
		"a part of it stays":             {[]string{"volume.a[1] -> volume.b"}, []string{"volume.a", "volume.b"}},
		"it is torn apart":               {[]string{"volume.a[0] -> volume.b", "volume.a[1] -> volume.c"}, []string{"volume.a", "volume.c"}},
		"the last of it becomes a block": {[]string{"volume.a[0] -> volume.b[7]", "volume.a[1] -> volume.b[8]"}, []string{"volume.b", "volume.b[8]"}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, renamed(t, state, tc.moves...).Resource("volume.user").Needs)
		})
	}
}

func TestANameGoesAlongUntilTheAddressMakesItAgain(t *testing.T) {
	state := recorded(t)
	there := renamed(t, state, "task.train -> task.tune")
	require.Equal(t, map[string]string{"task.tune": "train"}, there.Names())
	on := renamed(t, there, "task.tune -> task.three")
	require.Equal(t, map[string]string{"task.three": "train"}, on.Names())
	back := renamed(t, on, "task.three -> task.train")
	require.Empty(t, back.Names())
	require.Equal(t, []string{"task.tune", "task.three"}, back.Run("task.train").Former)
}

// TestARenameAndItsReverseLeaveNothing draws moves, and does and undoes them.
func TestARenameAndItsReverseLeaveNothing(t *testing.T) {
	state := recorded(t)
	all, err := Recorded(state)
	require.NoError(t, err)
	blocks := map[string]bool{}
	for _, r := range all {
		if r.Block.Type != "backend" {
			blocks[r.Block.String()] = true
		}
	}
	names := slices.Sorted(maps.Keys(blocks))
	law.Check(t, 100, func(rt *rapid.T) {
		var there, back []string
		targets := map[string]bool{}
		for _, from := range names {
			if !rapid.Bool().Draw(rt, from) {
				continue
			}
			kind, _, _ := strings.Cut(from, ".")
			to := fmt.Sprintf("%s%s.%s%s", rapid.SampledFrom([]string{"", "module.m.", `module.n["a.b"].`}).Draw(rt, "module"), kind,
				rapid.SampledFrom([]string{"x", "y", "z"}).Draw(rt, "name"), rapid.SampledFrom([]string{"", "[0]", `["é"]`}).Draw(rt, "key"))
			if targets[to] {
				continue
			}
			targets[to] = true
			there, back = append(there, from+" -> "+to), append(back, to+" -> "+from)
		}
		// A key that is not written stands for all keys; here each repetition is meant by itself.
		moved := func(s *statefile.State, list []string) *statefile.State {
			var moves []Move
			for _, st := range statements(t, list...) {
				moves = append(moves, Move{st.From, st.To, nil})
			}
			r, err := Rename(s, moves, statefile.Changed{})
			require.NoError(t, err)
			out, err := s.With(statefile.NewRename(at, r))
			require.NoError(t, err)
			return out
		}
		away := moved(state, there)
		for _, line := range there {
			from, _, _ := strings.Cut(line, " -> ")
			pulled, err := away.Pull()
			require.NoError(t, err)
			for _, r := range away.Resources() {
				require.NotContains(t, append(slices.Clone(r.Needs), r.Address), from)
			}
			require.NotContains(t, string(pulled), `"instance": "`+from+".")
		}
		again := moved(away, back)
		require.Empty(t, cmp.Diff(state.Snapshot(), again.Snapshot(),
			cmpopts.IgnoreFields(statefile.Snapshot{}, "Gone"), cmpopts.IgnoreFields(statefile.Resource{}, "Revision"), cmpopts.IgnoreFields(statefile.Run{}, "Former"), cmpopts.EquateEmpty()))
	})
}
