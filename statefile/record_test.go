package statefile

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// everyRecord is a history that has each type of record and leaves something of
// each in the state.
func everyRecord() []Record {
	at := func(s int) time.Time { return testTime.Add(time.Duration(s) * time.Second) }
	zero, two := 0, 2
	changed := Changed{At: at(0), By: "ana@laptop", Plan: "plan-1"}
	ref := func(address string) Ref { return Ref{Address: address} }
	intent := func(address, key string, op Operation) Intent {
		return Intent{
			Address: address, Kind: "volume", Backend: "aws", Operation: op, Key: key, Attempt: 1, Schema: 1,
			Want: []byte(`{"size":"100GB","token":null}`), Secrets: map[string]string{"token": "00ff"},
			Needs: []string{"backend.aws"}, Since: at(1), By: "ana@laptop", Plan: "plan-1", Declared: Declared{File: "main.dstack.hcl", Line: 3},
		}
	}
	instance := testVolume(1)
	instance.Address, instance.Kind = "fleet.train.instance[0]", "instance"
	full := testVolume(2)
	full.Tainted, full.Schema, full.Key = true, 1, "k2"
	full.Secrets, full.Private, full.Needs = map[string]string{"token": "00ff"}, []byte{0, 0xff}, []string{"volume.data[1]"}
	full.Declared = Declared{File: "main.dstack.hcl", Line: 3}
	return []Record{
		NewEpoch(at(0), Holder{User: "ana", Host: "laptop", PID: 4711, Since: at(0), Operation: "apply", Run: "https://ci.example/7", Plan: "plan-1"}, "0.1.0"),
		NewPlan(at(0), AppliedPlan{ID: "plan-1", Status: PlanStarted, By: "ana@laptop", StartedAt: at(0)}),
		NewBackend(at(0), "aws", &Backend{Provider: "aws", Version: "0.1.0", Identity: "1234", Config: []byte(`{"regions":["us-east-1"]}`), Changed: changed}),
		NewBackend(at(0), "old", &Backend{Provider: "local"}),
		NewBackend(at(0), "old", nil),
		NewIntent(at(1), intent("volume.data[2]", "k2", Create)),
		NewCheckpoint(at(2), ref("volume.data[2]"), Checkpoint{Key: "k2", ID: "vol-2", Phase: "creating", Private: []byte{1}}),
		NewTry(at(2), ref("volume.data[2]"), Try{Key: "k2", Attempt: 1, Kind: "transient", Message: "try again"}),
		NewPut(at(3), full, "k2"),
		NewStep(at(3), "plan-1", "create volume.data[2]"),
		NewPut(at(3), instance, ""),
		NewOccupy(at(3), "fleet.train.instance[0]"),
		NewOccupy(at(3), "fleet.train.instance[0]"),
		NewStatus(at(3), ref("fleet.train.instance[0]"), "busy"),
		NewPut(at(4), testVolume(3), ""),
		NewMove(at(4), ref("volume.data[3]"), Ref{Address: "volume.data[3]", Deposed: "d1"}, changed),
		NewPut(at(4), testVolume(4), ""),
		NewDelete(at(5), ref("volume.data[4]"), Removal{Reason: Destroyed, Changed: changed}),
		NewIntent(at(5), intent("volume.data[5]", "k5", Create)),
		NewClose(at(6), ref("volume.data[5]"), "k5", "not found", 24*time.Hour),
		NewIntent(at(6), intent("volume.data[6]", "k6", Create)),
		NewClose(at(6), ref("volume.data[6]"), "k6", "no capacity", 0),
		NewIntent(at(7), intent("volume.data[7]", "k7", Create)),
		NewCheckpoint(at(8), ref("volume.data[7]"), Checkpoint{Key: "k7", ID: "vol-7", Attributes: []byte(`{"size":"100GB"}`)}),
		NewTry(at(8), ref("volume.data[7]"), Try{Key: "k7", Attempt: 1, Kind: "transient", Message: "try again"}),
		NewRun(at(9), "task.finetune", &Run{
			Address: "task.finetune", Name: "finetune", Type: "task", Status: "done", Scale: &two, Attempts: 2,
			Specification: []byte(`{"commands":["true"]}`), SubmittedAt: at(0), Changed: changed,
			Jobs: []RunJob{{Index: 0, Attempt: 2, Status: "done", ExitCode: &zero, Instance: "fleet.train.instance[0]", SubmittedAt: at(0), StartedAt: at(1), FinishedAt: at(2)}},
		}),
		NewRun(at(9), "task.old", &Run{Address: "task.old", Name: "old"}),
		NewRun(at(9), "task.old", nil),
		NewOutputs(at(9), map[string]Output{
			"url":   {Value: []byte(`"https://llama.models.example.com"`), Type: []byte(`"string"`)},
			"token": {Value: []byte(`null`), Sensitive: true, Digest: "00ff"},
		}),
		NewPlan(at(10), AppliedPlan{ID: "plan-1", Status: PlanPartly, By: "ana@laptop", FinishedAt: at(10)}),
		NewPlan(at(11), AppliedPlan{ID: "plan-2", Status: PlanStarted, By: "bob@ci", StartedAt: at(11), Overrides: []PolicyOverride{
			{Policy: "budget", Result: "denied", Message: "At most $120 an hour.", By: "bob@ci", At: at(11)},
		}}),
		NewPlan(at(12), AppliedPlan{ID: "plan-2", Status: PlanApplied, By: "bob@ci", FinishedAt: at(12)}),
	}
}

// laterRecords are of types that came after the fixture. They go on where everyRecord ends.
func laterRecords() []Record {
	at := testTime.Add(time.Hour)
	return []Record{NewRename(at, Renaming{
		Moves: []Rename{
			{Ref{Address: "volume.data[2]"}, Ref{Address: `volume.disk["eu"]`}},
			{Ref{Address: "volume.data[3]", Deposed: "d1"}, Ref{Address: "volume.disk[3]", Deposed: "d1"}},
			{Ref{Address: "fleet.train.instance[0]"}, Ref{Address: "fleet.gpus.instance[0]"}},
		},
		Resources: []*Resource{{Address: `volume.disk["eu"]`, Kind: "volume", ID: "vol-2", Needs: []string{"volume.disk[1]"}, Revision: 1}},
		Intents: []RenamedIntent{{Was: Ref{Address: "volume.data[7]"}, Intent: &Intent{
			Address: "volume.disk[7]", Kind: "volume", Operation: Create, Key: "k7", Since: testTime, Reached: &Checkpoint{Key: "k7", ID: "vol-7"},
		}}},
		Closed:  []ClosedIntent{{Intent: Intent{Address: "volume.disk[5]", Kind: "volume", Operation: Create, Key: "k5", Since: testTime}, Until: at.Add(time.Hour)}},
		Runs:    map[string]*Run{"task.finetune": nil, "task.tune": {Address: "task.tune", Former: []string{"task.finetune"}, Name: "finetune"}},
		Names:   map[string]string{"task.tune": "finetune", `volume.disk["eu"]`: "data-2"},
		Changed: Changed{At: at, By: "ana@laptop", Plan: "plan-2"},
	})}
}

func TestEveryTypeOfRecordIsCovered(t *testing.T) {
	seen := map[Type]bool{}
	for _, r := range everyRecord() {
		seen[r.Type] = true
	}
	for _, r := range laterRecords() {
		require.False(t, seen[r.Type], "%s is in the fixture", r.Type)
		seen[r.Type] = true
	}
	for _, kind := range []Type{
		TypeEpoch, TypeIntent, TypeCheckpoint, TypeTry, TypePut, TypeDelete, TypeClose, TypeMove, TypeRename,
		TypeStatus, TypeOccupy, TypeBackend, TypeRun, TypeOutputs, TypePlan, TypeStep,
	} {
		require.True(t, seen[kind], kind)
		delete(seen, kind)
	}
	require.Empty(t, seen)
}

// TestReplayGivesTheStateThatWasSeen shows that who reads a journal sees what
// its writer saw, through journal and snapshot.
func TestReplayGivesTheStateThatWasSeen(t *testing.T) {
	live := New("lineage", []byte("key"))
	var journal []byte
	for _, r := range append(everyRecord(), laterRecords()...) {
		journal = append(journal, record(t, live, r)...)
		replayed := New("lineage", []byte("key"))
		_, err := replayed.Replay("journal", journal)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(snapshotText(t, live), snapshotText(t, replayed)), "after %s", r.Type)
		again, err := openSnapshot("snapshot", []byte(snapshotText(t, live)))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(snapshotText(t, live), snapshotText(t, again)), "after %s", r.Type)
	}
}

func snapshotText(t *testing.T, s *State) string {
	t.Helper()
	data, err := EncodeSnapshot(s.Snapshot())
	require.NoError(t, err)
	return string(data)
}

// TestFormat1 reads the fixture that stays as it is for good, and shows that
// what is written today is what it says. A change of what is written needs a new
// version of the format, a new fixture beside this one, and an upgrade.
func TestFormat1(t *testing.T) {
	dir := filepath.Join("testdata", "format-1")
	state := New("6a1f0c1e-0000-4000-8000-000000000001", bytes.Repeat([]byte{7}, DigestKeySize))
	records := everyRecord()
	record(t, state, records[:len(records)-4]...)
	state.Compact(testTime, "0.1.0")
	snapshot := snapshotText(t, state)
	journal := string(record(t, state, records[len(records)-4:]...))
	if os.Getenv("STATEFILE_NEW_FIXTURE") != "" {
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "snapshot.json"), []byte(snapshot), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "journal-1.jsonl"), []byte(journal), 0o644))
	}
	wantSnapshot, err := os.ReadFile(filepath.Join(dir, "snapshot.json"))
	require.NoError(t, err)
	wantJournal, err := os.ReadFile(filepath.Join(dir, "journal-1.jsonl"))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(wantSnapshot), snapshot))
	require.Empty(t, cmp.Diff(string(wantJournal), journal))

	read, err := NewLocal(dir, LocalOptions{}).Read(t.Context())
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(snapshotText(t, state), snapshotText(t, read)))
	require.Equal(t, uint64(1), read.Serial())
	require.Equal(t, "done", read.Run("task.finetune").Status)
	require.Equal(t, "busy", read.Resource("fleet.train.instance[0]").Status)
	require.Equal(t, "vol-7", read.Intent(Ref{Address: "volume.data[7]"}).Reached.ID)
}
