package statefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestApply(t *testing.T) {
	volume := Ref{Address: "volume.data[1]"}
	intent := Intent{Address: volume.Address, Kind: "volume", Operation: Create, Key: "k1", Attempt: 1, Since: testTime}
	other := intent
	other.Key = "k2"
	for name, test := range map[string]struct {
		records []Record
		want    func(t *testing.T, s *State)
	}{
		"put closes the intent with its key and no other": {
			[]Record{NewIntent(testTime, intent), NewIntent(testTime, other), NewPut(testTime, testVolume(1), "k1")},
			func(t *testing.T, s *State) {
				require.Len(t, s.Intents(), 1)
				require.Equal(t, "k2", s.Intent(volume).Key)
			},
		},
		"put from a refresh leaves the intent open": {
			[]Record{NewIntent(testTime, intent), NewPut(testTime, testVolume(1), "")},
			func(t *testing.T, s *State) { require.NotNil(t, s.Intent(volume)) },
		},
		"the same intent again keeps what was reached and the tries": {
			[]Record{
				NewIntent(testTime, intent),
				NewCheckpoint(testTime, volume, Checkpoint{Key: "k1", ID: "vol-1"}),
				NewTry(testTime, volume, Try{Key: "k1", Attempt: 1, Kind: "transient"}),
				NewIntent(testTime, intent),
			},
			func(t *testing.T, s *State) {
				require.Len(t, s.Intents(), 1)
				require.Equal(t, "vol-1", s.Intent(volume).Reached.ID)
				require.Equal(t, 1, s.Intent(volume).Tries)
				require.Equal(t, "transient", s.Intent(volume).LastError.Kind)
			},
		},
		"a checkpoint or a try of no open intent changes nothing": {
			[]Record{NewCheckpoint(testTime, volume, Checkpoint{Key: "k1", ID: "vol-1"}), NewTry(testTime, volume, Try{Key: "k1"})},
			func(t *testing.T, s *State) { require.Empty(t, s.Intents()) },
		},
		"close with nothing made forgets the intent": {
			[]Record{NewIntent(testTime, intent), NewClose(testTime, volume, "k1", "no capacity", 0)},
			func(t *testing.T, s *State) {
				require.Empty(t, s.Intents())
				require.Empty(t, s.Closed(testTime))
			},
		},
		"close in doubt keeps the key for its time": {
			[]Record{NewIntent(testTime, intent), NewClose(testTime, volume, "k1", "not found", 24*time.Hour)},
			func(t *testing.T, s *State) {
				require.Empty(t, s.Intents())
				require.Len(t, s.Closed(testTime.Add(24*time.Hour-1)), 1)
				require.Empty(t, s.Closed(testTime.Add(24*time.Hour)))
				s.Compact(testTime.Add(24*time.Hour), "")
				require.Empty(t, s.Closed(testTime), "the next snapshot leaves it out")
			},
		},
		"delete leaves who did it, and its revision is not given again": {
			[]Record{
				NewPut(testTime, func() *Resource { r := testVolume(1); r.Revision = 7; return r }(), ""),
				NewDelete(testTime, volume, Removal{Reason: Destroyed, Changed: Changed{By: "bob@desk"}}),
			},
			func(t *testing.T, s *State) {
				require.Nil(t, s.Resource(volume.Address))
				gone, ok := s.Tombstone(volume)
				require.True(t, ok)
				require.Equal(t, "bob@desk", gone.Changed.By)
				require.Equal(t, uint64(1), gone.Changed.Serial)
				require.Equal(t, uint64(8), s.NextRevision(volume))
			},
		},
		"delete of what is not there changes nothing but closes its intent": {
			[]Record{NewIntent(testTime, intent), NewDelete(testTime, volume, Removal{Reason: Gone, Closes: "k1"})},
			func(t *testing.T, s *State) {
				require.Empty(t, s.Intents())
				_, ok := s.Tombstone(volume)
				require.False(t, ok)
			},
		},
		"an object is deposed, its address is made anew, and the deposed one is deleted": {
			[]Record{
				NewPut(testTime, testVolume(1), ""),
				NewMove(testTime, volume, Ref{volume.Address, "d1"}, Changed{}),
				NewPut(testTime, &Resource{Address: volume.Address, ID: "new", Revision: 2}, ""),
			},
			func(t *testing.T, s *State) {
				require.Equal(t, "new", s.Resource(volume.Address).ID)
				require.Equal(t, "vol-1", s.Object(Ref{volume.Address, "d1"}).ID)
				require.Len(t, s.Deposed(volume.Address), 1)
				require.Equal(t, 2, s.Len())
				record(t, s, NewDelete(testTime, Ref{volume.Address, "d1"}, Removal{Reason: Destroyed}))
				require.Empty(t, s.Deposed(volume.Address))
				require.Equal(t, "new", s.Resource(volume.Address).ID)
			},
		},
		"a move of an address takes its open intents along and leaves a tombstone": {
			[]Record{NewPut(testTime, testVolume(1), ""), NewIntent(testTime, intent), NewMove(testTime, volume, Ref{Address: "volume.new"}, Changed{})},
			func(t *testing.T, s *State) {
				require.Nil(t, s.Resource(volume.Address))
				require.Equal(t, "vol-1", s.Resource("volume.new").ID)
				require.Equal(t, "volume.new", s.Intent(Ref{Address: "volume.new"}).Address)
				require.Equal(t, uint64(2), s.NextRevision(volume))
				gone, _ := s.Tombstone(volume)
				require.Equal(t, Moved, gone.Reason)
			},
		},
		"a rename lets objects change places, and each keeps what is its own": {
			[]Record{
				NewPut(testTime, testVolume(1), ""), NewPut(testTime, func() *Resource { r := testVolume(2); r.Revision = 5; return r }(), ""),
				NewIntent(testTime, intent),
				NewRename(testTime, Renaming{
					Moves:   []Rename{{volume, Ref{Address: "volume.data[2]"}}, {Ref{Address: "volume.data[2]"}, volume}},
					Intents: []RenamedIntent{{volume, func() *Intent { i := intent; i.Address = "volume.data[2]"; return &i }()}},
				}),
			},
			func(t *testing.T, s *State) {
				require.Equal(t, "vol-2", s.Resource("volume.data[1]").ID)
				require.Equal(t, "vol-1", s.Resource("volume.data[2]").ID)
				require.Equal(t, "ana@laptop", s.Resource("volume.data[2]").Changed.By)
				require.Equal(t, uint64(6), s.Resource("volume.data[2]").Revision, "above all that an object of this address had")
				require.Nil(t, s.Intent(volume))
				require.Equal(t, "k1", s.Intent(Ref{Address: "volume.data[2]"}).Key)
			},
		},
		"what a rename does not find is left alone": {
			[]Record{NewRename(testTime, Renaming{Moves: []Rename{{volume, Ref{Address: "volume.new"}}}, Runs: map[string]*Run{"task.a": nil}, Names: map[string]string{"task.a": ""}})},
			func(t *testing.T, s *State) { require.Zero(t, s.Len()) },
		},
		"a name is kept as long as anything of its block is": {
			[]Record{
				NewPut(testTime, &Resource{Address: `fleet.b["x.y"].instance[0]`, ID: "i"}, ""),
				NewRename(testTime, Renaming{Names: map[string]string{`fleet.b["x.y"]`: "old", "fleet.b": "never", "task.t": "history", "task.ended": "ended"}}),
				NewRun(testTime, "task.t", &Run{Destroyed: true}), NewRun(testTime, "task.ended", &Run{}),
			},
			func(t *testing.T, s *State) {
				s.Compact(testTime, "")
				require.Equal(t, map[string]string{`fleet.b["x.y"]`: "old", "task.ended": "ended"}, s.Names())
				require.Equal(t, "old", s.Name(`fleet.b["x.y"]`))
				record(t, s, NewDelete(testTime, Ref{Address: `fleet.b["x.y"].instance[0]`}, Removal{Reason: Destroyed}))
				s.Compact(testTime, "")
				require.Empty(t, s.Name(`fleet.b["x.y"]`))
			},
		},
		"deposing leaves the intent with the address": {
			[]Record{NewPut(testTime, testVolume(1), ""), NewIntent(testTime, intent), NewMove(testTime, volume, Ref{volume.Address, "d1"}, Changed{})},
			func(t *testing.T, s *State) { require.NotNil(t, s.Intent(volume)) },
		},
		"status and occupancy raise no revision": {
			[]Record{NewPut(testTime, testVolume(1), ""), NewStatus(testTime, volume, "gone to lunch"), NewOccupy(testTime, volume.Address)},
			func(t *testing.T, s *State) {
				require.Equal(t, uint64(1), s.Resource(volume.Address).Revision)
				require.Equal(t, uint64(1), s.Resource(volume.Address).Occupancy)
				require.Equal(t, "gone to lunch", s.Resource(volume.Address).Status)
			},
		},
		"steps of a plan are kept until it is applied": {
			[]Record{
				NewPlan(testTime, AppliedPlan{ID: "p", Status: PlanStarted, StartedAt: testTime}), NewStep(testTime, "p", "a"),
				NewPlan(testTime, AppliedPlan{ID: "p", Status: PlanPartly}), NewStep(testTime, "p", "b"), NewStep(testTime, "q", "c"),
			},
			func(t *testing.T, s *State) {
				p, _ := s.Plan("p")
				require.Equal(t, []string{"a", "b"}, p.Steps)
				require.Equal(t, testTime, p.StartedAt)
				record(t, s, NewPlan(testTime, AppliedPlan{ID: "p", Status: PlanApplied}))
				p, ok := s.Plan("p")
				require.True(t, ok)
				require.Empty(t, p.Steps)
				require.Equal(t, PlanApplied, p.Status)
				_, ok = s.Plan("r")
				require.False(t, ok)
			},
		},
		"outputs replace all outputs": {
			[]Record{
				NewOutputs(testTime, map[string]Output{"a": {Value: []byte("1")}, "b": {Value: []byte("2")}}),
				NewOutputs(testTime, map[string]Output{"b": {Value: []byte("3")}}),
			},
			func(t *testing.T, s *State) {
				require.Empty(t, cmp.Diff(map[string]Output{"b": {Value: []byte("3")}}, s.Outputs()))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := New("lineage", nil)
			record(t, s, test.records...)
			test.want(t, s)
		})
	}
}

func TestWhatIsHandedOutNeverChanges(t *testing.T) {
	s := New("lineage", nil)
	mine := testVolume(1)
	record(t, s, NewPut(testTime, mine, ""))
	mine.Status = "changed by its maker"
	mine.Attributes[2] = 'X'
	before := s.Resource("volume.data[1]")
	require.Equal(t, "active", before.Status)
	require.Equal(t, `{"size":"100GB"}`, string(before.Attributes))
	snap := s.Snapshot()
	record(t, s, everyRecord()...)
	record(t, s, NewStatus(testTime, Ref{Address: "volume.data[1]"}, "other"), NewStep(testTime, "plan-1", "more"))
	require.Equal(t, "active", before.Status)
	require.Len(t, snap.Resources, 1)
	require.Empty(t, snap.Plans)
	require.Equal(t, "other", s.Resource("volume.data[1]").Status)
}

func TestRecordsThatNoStateCanHold(t *testing.T) {
	for name, r := range map[string]Record{
		"put of nothing":                   NewPut(testTime, nil, ""),
		"put without an address":           NewPut(testTime, &Resource{}, ""),
		"put of attributes that are cut":   NewPut(testTime, &Resource{Address: "a", Attributes: []byte(`{"a":`)}, ""),
		"intent without a key":             NewIntent(testTime, Intent{Address: "a"}),
		"intent without an address":        NewIntent(testTime, Intent{Key: "k"}),
		"checkpoint without an address":    NewCheckpoint(testTime, Ref{}, Checkpoint{}),
		"rename to nowhere":                NewRename(testTime, Renaming{Moves: []Rename{{Ref{Address: "a"}, Ref{}}}}),
		"rename with a null resource":      NewRename(testTime, Renaming{Resources: []*Resource{nil}}),
		"rename with a nameless intent":    NewRename(testTime, Renaming{Intents: []RenamedIntent{{Ref{Address: "a"}, &Intent{Address: "b"}}}}),
		"move to nowhere":                  NewMove(testTime, Ref{Address: "a"}, Ref{}, Changed{}),
		"backend without a name":           NewBackend(testTime, "", nil),
		"run without an address":           NewRun(testTime, "", nil),
		"plan without an id":               NewPlan(testTime, AppliedPlan{}),
		"step of no plan":                  NewStep(testTime, "", "s"),
		"a record that nobody constructed": {Type: TypePut, Data: []byte(`{}`)},
	} {
		t.Run(name, func(t *testing.T) {
			s := New("lineage", nil)
			_, _, err := s.Seal([]Record{r})
			require.ErrorContains(t, err, "record "+string(r.Type))
			require.Error(t, s.Apply(r))
			require.Zero(t, s.Records())
		})
	}
}

func TestCompactKeepsOnlyTheLatest(t *testing.T) {
	s := New("lineage", nil)
	for i := range keepGone + 50 {
		r := testVolume(i)
		r.Revision = uint64(1000 - i%7)
		record(t, s, NewPut(testTime, r, ""), NewDelete(testTime, r.Ref(), Removal{Changed: Changed{At: testTime.Add(time.Duration(i))}}))
	}
	for i := range keepPlans + 5 {
		record(t, s, NewPlan(testTime, AppliedPlan{ID: fmt.Sprint(i), Status: PlanApplied}))
	}
	s.Compact(testTime, "0.1.0")
	snap := s.Snapshot()
	require.Len(t, snap.Gone, keepGone)
	require.Len(t, snap.Plans, keepPlans)
	require.Equal(t, "24", snap.Plans[keepPlans-1].ID)
	_, ok := s.Tombstone(testVolume(3).Ref())
	require.False(t, ok)
	require.Equal(t, uint64(1001), s.NextRevision(testVolume(3).Ref()), "a revision is not given twice, even when its tombstone is gone")
}

func TestPullIsWhatScriptsReadAndHoldsNoKey(t *testing.T) {
	s := New("lineage", []byte("0123456789abcdef0123456789abcdef"))
	record(t, s, everyRecord()...)
	out, err := s.Pull()
	require.NoError(t, err)
	var got struct {
		FormatVersion int                        `json:"format_version"`
		Lineage       string                     `json:"lineage"`
		Serial        *uint64                    `json:"serial"`
		Resources     []map[string]any           `json:"resources"`
		Runs          map[string]json.RawMessage `json:"runs"`
		Outputs       map[string]json.RawMessage `json:"outputs"`
	}
	require.NoError(t, json.Unmarshal(out, &got))
	require.Equal(t, 1, got.FormatVersion)
	require.Equal(t, "lineage", got.Lineage)
	require.NotNil(t, got.Serial)
	require.Len(t, got.Runs, 1)
	require.Len(t, got.Outputs, 2)
	for _, field := range []string{"address", "kind", "backend", "id", "status"} {
		require.Contains(t, got.Resources[0], field)
	}
	require.NotContains(t, string(out), "digest_key")
	require.NotContains(t, string(out), "MDEyMzQ1Njc4OWFiY2RlZjAx")

	empty, err := New("lineage", nil).Pull()
	require.NoError(t, err)
	require.Contains(t, string(empty), `"resources": []`)
	require.Contains(t, string(empty), `"runs": {}`)
}

func TestFromSnapshotRefuses(t *testing.T) {
	for name, change := range map[string]func(*Snapshot){
		"another format":           func(s *Snapshot) { s.FormatVersion = 0 },
		"no lineage":               func(s *Snapshot) { s.Lineage = "" },
		"a head that is no sum":    func(s *Snapshot) { s.Head = strings.ToUpper(s.Head) },
		"a resource twice":         func(s *Snapshot) { s.Resources = []*Resource{testVolume(1), testVolume(1)} },
		"a resource that is null":  func(s *Snapshot) { s.Resources = []*Resource{nil} },
		"a resource without name":  func(s *Snapshot) { s.Resources = []*Resource{{}} },
		"a run that is null":       func(s *Snapshot) { s.Runs = map[string]*Run{"task.a": nil} },
		"an intent that is null":   func(s *Snapshot) { s.Intents = []*Intent{nil} },
		"an intent without a name": func(s *Snapshot) { s.Intents = []*Intent{{}} },
	} {
		t.Run(name, func(t *testing.T) {
			snap := New("lineage", nil).Snapshot()
			change(snap)
			_, err := FromSnapshot(snap)
			require.Error(t, err)
		})
	}
}

func TestDigest(t *testing.T) {
	key := []byte("key")
	require.Len(t, Digest(key, "token", []byte("v")), 64)
	require.Equal(t, Digest(key, "token", []byte("v")), Digest(key, "token", []byte("v")))
	different := []string{
		Digest(key, "token", []byte("v")), Digest(key, "token", []byte("w")), Digest(key, "tokenv", nil),
		Digest(key, "toke", []byte("nv")), Digest([]byte("other"), "token", []byte("v")),
	}
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(different))), len(different))
}

func TestNewKey(t *testing.T) {
	key := NewKey("l", "volume.data", "h", 1)
	require.Len(t, key, 32)
	require.Equal(t, key, NewKey("l", "volume.data", "h", 1))
	require.Equal(t, key, New("l", nil).NewKey("volume.data", "h", 1))
	different := []string{
		key, NewKey("m", "volume.data", "h", 1), NewKey("l", "volume.datah", "", 1),
		NewKey("l", "volume.data", "i", 1), NewKey("l", "volume.data", "h", 2), NewKey("lv", "olume.data", "h", 1),
	}
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(different))), len(different))
}

func TestNewLineage(t *testing.T) {
	lineage, err := NewLineage(strings.NewReader("0123456789abcdef"))
	require.NoError(t, err)
	require.Equal(t, "30313233-3435-4637-b839-616263646566", lineage)
	_, err = NewLineage(strings.NewReader("short"))
	require.Error(t, err)
}

func TestCompareAddresses(t *testing.T) {
	sorted := []string{
		"", "fleet.a.instance[0]", "fleet.a.instance[2]", "fleet.a.instance[10]", "fleet.b", "fleet.b01", "fleet.b1", "fleet.b2", "fleet.b[1]",
		"volume.data[99999999999999999999]", "volume.data[100000000000000000000]",
	}
	for i, a := range sorted {
		for j, b := range sorted {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			require.Equal(t, want, CompareAddresses(a, b), "%q and %q", a, b)
		}
	}
}

func TestHolder(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"at a desk":                 {nil, "ana@laptop (pid 7), apply, since 2026-05-01 12:00:00 UTC"},
		"in GitHub Actions":         {map[string]string{"CI": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/gpu", "GITHUB_RUN_ID": "9"}, "ana@laptop (pid 7), apply, since 2026-05-01 12:00:00 UTC, https://github.com/acme/gpu/actions/runs/9"},
		"in GitLab":                 {map[string]string{"CI": "true", "CI_JOB_URL": "https://gitlab.example/j/1"}, "ana@laptop (pid 7), apply, since 2026-05-01 12:00:00 UTC, https://gitlab.example/j/1"},
		"in a CI that says no more": {map[string]string{"CI": "1"}, "ana@laptop (pid 7), apply, since 2026-05-01 12:00:00 UTC, CI"},
		"CI switched off":           {map[string]string{"CI": "false"}, "ana@laptop (pid 7), apply, since 2026-05-01 12:00:00 UTC"},
	} {
		t.Run(name, func(t *testing.T) {
			holder := NewHolder("apply", "ana", "laptop", 7, testTime, func(name string) string { return test.env[name] })
			require.Equal(t, test.want, holder.String())
		})
	}
	require.Equal(t, "somebody unknown", Holder{}.String())
	require.Equal(t, "ana", Holder{User: "ana"}.Who())
	require.Equal(t, "laptop", Holder{Host: "laptop"}.Who())
}

func TestErrorsSayWhatToDo(t *testing.T) {
	holder := Holder{User: "ana", Host: "laptop", PID: 7, Operation: "apply"}
	for want, err := range map[string]error{
		"state in the folder x is locked by ana@laptop (pid 7), apply; wait for it to end, or use --lock-timeout to have this command wait":                     &LockedError{Store: "the folder x", Holder: &holder, Alive: true},
		"state in the bucket x is still locked by somebody unknown, which shows no sign of life; if it is really gone, free the lock with: dstack state unlock": &LockedError{Store: "the bucket x"},
		"state is damaged: j:3: the record does not match its checksum. Nothing was changed. Do this.":                                                          &DamagedError{Where: "j", Line: 3, Reason: "the record does not match its checksum", Fix: "Do this."},
		"state has forked: j:1 continues the head bb, but the state before it has the head aa. Nothing was changed. Do this.":                                   &ForkError{Where: "j", Line: 1, Snapshot: "aa", Journal: "bb", Fix: "Do this."},
		"state snapshot.json has format version 2, and this dstack reads up to 1. Nothing was changed. Use dstack 0.9.0 or newer.":                              &NewerFormatError{Where: "snapshot.json", Format: 2, Version: "0.9.0"},
		"state snapshot.json has format version 2, and this dstack reads up to 1. Nothing was changed. Use a newer version of dstack.":                          &NewerFormatError{Where: "snapshot.json", Format: 2},
	} {
		require.EqualError(t, err, want)
	}
}

func TestNewerFormats(t *testing.T) {
	_, err := DecodeSnapshot("snapshot.json", []byte(`{"format_version":7,"dstack_version":"3.0.0","unheard_of":true`))
	var newer *NewerFormatError
	require.ErrorAs(t, err, &newer)
	require.Equal(t, NewerFormatError{Where: "snapshot.json", Format: 7, Version: "3.0.0"}, *newer)

	s := New("lineage", nil)
	_, lines, err := s.Seal([]Record{newRecord(testTime, &epochChange{Format: 7, Version: "3.0.0"})})
	require.NoError(t, err)
	_, err = s.Replay("journal", lines)
	require.ErrorAs(t, err, &newer)
	require.Equal(t, "3.0.0", newer.Version)

	r := newRecord(testTime, &stepChange{Plan: "p"})
	for name, change := range map[string]func(*Record){
		"a type that is not known":  func(r *Record) { r.Type = "teleport" },
		"a field that is not known": func(r *Record) { r.Data = []byte(`{"plan":"p","step":"s","colour":"red"}`) },
		"two values":                func(r *Record) { r.Data = []byte(`{"plan":"p"} {}`) },
	} {
		t.Run(name, func(t *testing.T) {
			r := r
			change(&r)
			s := New("lineage", nil)
			_, lines, err := s.Seal([]Record{r})
			require.NoError(t, err)
			_, err = s.Replay("journal", lines)
			var damaged *DamagedError
			require.True(t, errors.As(err, &damaged), "a record that the next snapshot would lose is refused: %v", err)
			require.Equal(t, 1, damaged.Line)
		})
	}
}
