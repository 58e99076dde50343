package fake_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/schema"
)

func script(t testing.TB, text string) fake.Script {
	t.Helper()
	var s fake.Script
	require.NoError(t, json.Unmarshal([]byte(text), &s))
	return s
}

// TestFaults creates volumes 1, 2 and 3 under a script and tells of each how it ended, and what there is after that.
func TestFaults(t *testing.T) {
	const ok = ""
	for name, tt := range map[string]struct {
		script string
		errs   [3]providers.ErrorKind
		words  string // in the first error
		made   int
		ready  int
	}{
		"no rules":                    {`[]`, [3]providers.ErrorKind{ok, ok, ok}, "", 3, 3},
		"no capacity makes nothing":   {`[{"fault":"no_capacity"}]`, [3]providers.ErrorKind{"no_capacity", "no_capacity", "no_capacity"}, "no capacity for volume in us-east-1a (InsufficientInstanceCapacity)", 0, 0},
		"only in another zone":        {`[{"fault":"no_capacity","zone":"us-west*"}]`, [3]providers.ErrorKind{ok, ok, ok}, "", 3, 3},
		"only in this region":         {`[{"fault":"no_quota","region":"us-east-*|eu-*"}]`, [3]providers.ErrorKind{"no_quota", "no_quota", "no_quota"}, "no quota for volume", 0, 0},
		"only of another kind":        {`[{"fault":"invalid","kind":"gateway|job"}]`, [3]providers.ErrorKind{ok, ok, ok}, "", 3, 3},
		"only at one address":         {`[{"fault":"throttled","address":"*.data[2]"}]`, [3]providers.ErrorKind{ok, "throttled", ok}, "", 2, 2},
		"only of another op":          {`[{"fault":"throttled","op":"update|delete"}]`, [3]providers.ErrorKind{ok, ok, ok}, "", 3, 3},
		"the second time":             {`[{"fault":"auth","nth":2,"times":1}]`, [3]providers.ErrorKind{ok, "auth", ok}, "", 2, 2},
		"from the second time on":     {`[{"fault":"auth","nth":2}]`, [3]providers.ErrorKind{ok, "auth", "auth"}, "", 1, 1},
		"twice":                       {`[{"fault":"auth","times":2}]`, [3]providers.ErrorKind{"auth", "auth", ok}, "", 1, 1},
		"rules that are the same":     {`[{"fault":"auth","times":1},{"fault":"auth","times":1}]`, [3]providers.ErrorKind{"auth", ok, ok}, "", 2, 2},
		"words and code of its own":   {`[{"fault":"conflict","message":"it is taken","code":"Taken"}]`, [3]providers.ErrorKind{"conflict", "conflict", "conflict"}, "it is taken (Taken)", 0, 0},
		"made, and nobody knows":      {`[{"fault":"internal","when":"made"}]`, [3]providers.ErrorKind{"internal", "internal", "internal"}, "internal", 3, 0},
		"lost after all was done":     {`[{"fault":"lost"}]`, [3]providers.ErrorKind{"internal", "internal", "internal"}, "the answer to create was lost", 3, 3},
		"partial":                     {`[{"fault":"partial"}]`, [3]providers.ErrorKind{"transient", "transient", "transient"}, "the volume was made, and is not whole", 3, 0},
		"never, with probability 0.0": {`[{"fault":"auth","probability":0.000000001}]`, [3]providers.ErrorKind{ok, ok, ok}, "", 3, 3},
		"a script in a string":        {`"[{\"fault\":\"auth\"}]"`, [3]providers.ErrorKind{"auth", "auth", "auth"}, "", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b, w := open(t, fake.Settings{Faults: script(t, tt.script)})
			var kinds [3]providers.ErrorKind
			for i := range kinds {
				_, err := b.Volumes().Create(t.Context(), volumeOp(i+1), quiet)
				if err != nil {
					kinds[i] = providers.KindOf(err)
					if i == 0 {
						require.ErrorContains(t, err, tt.words)
					}
				}
			}
			require.Equal(t, tt.errs, kinds)
			objects, err := w.Objects(addr.KindVolume)
			require.NoError(t, err)
			require.Len(t, objects, tt.made)
			ready := 0
			for _, o := range objects {
				if o.Ready {
					ready++
				}
			}
			require.Equal(t, tt.ready, ready)
		})
	}
}

// A rule with above counts the reads that are under way, and says how long the cloud does not want to be asked.
func TestReadsThatAreTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := open(t, fake.Settings{Latency: fake.Duration(time.Second), Faults: script(t, `[{"fault":"throttled","op":"read","above":2,"retry_after":"5s"}]`)})
		errs := make(chan error, 4)
		for range cap(errs) {
			go func() {
				errs <- b.Volumes().Read(t.Context(), nil, func(int, providers.Observed[schema.Volume]) {})
			}()
		}
		refused := 0
		for range cap(errs) {
			if err := <-errs; err != nil {
				require.Equal(t, providers.Throttled, providers.KindOf(err))
				require.Equal(t, 5*time.Second, providers.RetryAfter(err))
				refused++
			}
		}
		require.Equal(t, 2, refused)
		require.NoError(t, b.Volumes().Read(t.Context(), nil, func(int, providers.Observed[schema.Volume]) {}))
	})
}

func TestScriptsThatAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		`[{"fault":"explode"}]`:                             `rule 0: there is no fault "explode"`,
		`[{"fault":"lost","op":"crate"}]`:                   `rule 0: there is no op "crate"; there are plan, create`,
		`[{"fault":"lost"},{"fault":"lost","when":"then"}]`: `rule 1: there is no stage "then"`,
		`[{"fault":"no_capacity","when":"made"}]`:           `says that nothing was made, so it can only happen before`,
		`[{"fault":"slow"}]`:                                `slow needs a delay, or a file`,
		`[{"fault":"partial","op":"update"}]`:               `partial is a fault of create alone`,
		`[{"fault":"lost","probability":2}]`:                `a probability is between 0 and 1, not 2`,
		`[{"fault":"lost","nth":-1}]`:                       `nth, times and above are not negative`,
		`[{"fault":"throttled","op":"read","above":-1}]`:    `nth, times and above are not negative`,
		`[{"fault":"throttled","above":2}]`:                 `above counts reads, so op is read`,
		`[{"fault":"auth","retry_after":"1s"}]`:             `retry_after belongs to throttled`,
		`[{"fault":"lost","adress":"x"}]`:                   `unknown field "adress"`,
		`[{"fault":"slow","delay":"1 s"}]`:                  `"1 s" is no duration`,
		`"nothing"`:                                         `faults: invalid character`,
		`{"fault":"lost"}`:                                  `faults: json: cannot unmarshal object`,
	} {
		t.Run(text, func(t *testing.T) {
			p := fake.New(fake.Options{Getenv: func(string) string { return "" }})
			_, err := p.Open(t.Context(), providers.BackendConfig{Name: "b", Settings: json.RawMessage(`{"faults":` + text + `}`)})
			require.ErrorContains(t, err, want)
			require.Equal(t, providers.Invalid, providers.KindOf(err))

			p = fake.New(fake.Options{Getenv: func(name string) string { return map[string]string{fake.FaultsEnv: text}[name] }})
			_, err = p.Open(t.Context(), providers.BackendConfig{Name: "b"})
			require.ErrorContains(t, err, fake.FaultsEnv)
		})
	}
}

func TestPartialObjectIsTaintedAndFinishedByItsKey(t *testing.T) {
	b, _ := open(t, fake.Settings{Faults: script(t, `[{"fault":"partial","times":1}]`)})
	half, err := b.Volumes().Create(t.Context(), volumeOp(1), quiet)
	require.Error(t, err)
	require.NotEmpty(t, half.ID)
	require.True(t, half.Tainted)
	found, err := b.Volumes().Find(t.Context(), []string{"key-1"})
	require.NoError(t, err)
	require.False(t, found[0].Complete)
	require.True(t, found[0].Object.Tainted)
	whole, err := b.Volumes().Create(t.Context(), volumeOp(1), quiet)
	require.NoError(t, err)
	require.Equal(t, half.ID, whole.ID)
	require.False(t, whole.Tainted)
}

func TestOneKeyForTwoRequests(t *testing.T) {
	b, _ := open(t, fake.Settings{})
	_, err := b.Volumes().Create(t.Context(), volumeOp(1), quiet)
	require.NoError(t, err)
	other := volumeOp(2)
	other.Key = "key-1"
	_, err = b.Volumes().Create(t.Context(), other, quiet)
	require.Equal(t, providers.Conflict, providers.KindOf(err))
	require.ErrorContains(t, err, "IdempotentParameterMismatch")
}

func TestSlowWaitsForAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "go")
	rule, err := json.Marshal([]fake.Rule{{Fault: fake.Slow, Until: file}})
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		b, _ := open(t, fake.Settings{Faults: script(t, string(rule))})
		done := make(chan error, 1)
		go func() {
			_, err := b.Volumes().Create(t.Context(), volumeOp(1), quiet)
			done <- err
		}()
		time.Sleep(time.Second)
		require.Empty(t, done)
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		require.NoError(t, <-done)
	})
}

func TestSlowReportsPhases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := open(t, fake.Settings{Faults: script(t, `[{"fault":"slow","delay":"3s","phases":["waiting for capacity","waiting for SSH","done"]}]`)})
		var phases []string
		began := time.Now()
		_, err := b.Volumes().Create(t.Context(), volumeOp(1), func(p providers.Progress[schema.Volume]) error {
			phases = append(phases, fmt.Sprintf("%s: %s %d/%d", time.Since(began), p.Phase, p.Done, p.Total))
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, []string{"0s: creating 0/0", "0s: waiting for capacity 0/3", "1s: waiting for SSH 1/3", "2s: done 2/3"}, phases)
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}

func TestHangEndsWhenItIsCancelledOrLater(t *testing.T) {
	for delay, want := range map[string]time.Duration{"0s": time.Minute, "30s": time.Minute + 30*time.Second} {
		synctest.Test(t, func(t *testing.T) {
			b, w := open(t, fake.Settings{Faults: script(t, `[{"fault":"hang","when":"checkpoint","delay":"`+delay+`"}]`)})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			began := time.Now()
			_, err := b.Volumes().Create(ctx, volumeOp(1), quiet)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, want, time.Since(began))
			require.Equal(t, 1, count(t, w, addr.KindVolume))
		})
	}
}

func TestLatencyAndConsistencyDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := open(t, fake.Settings{Latency: fake.Duration(10 * time.Second), ConsistencyDelay: fake.Duration(time.Minute)})
		began := time.Now()
		_, err := b.Volumes().Create(t.Context(), volumeOp(1), func(p providers.Progress[schema.Volume]) error {
			if p.Checkpoint != nil {
				require.Equal(t, 5*time.Second, time.Since(began), "the object exists after half of the latency")
			}
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, 10*time.Second, time.Since(began))
		found, err := b.Volumes().Find(t.Context(), []string{"key-1"})
		require.NoError(t, err)
		require.Empty(t, found)
		time.Sleep(time.Minute)
		found, err = b.Volumes().Find(t.Context(), []string{"key-1"})
		require.NoError(t, err)
		require.Len(t, found, 1)
	})
}

func TestCountsOutliveTheProvider(t *testing.T) {
	settings := fake.Settings{World: filepath.Join(t.TempDir(), "world"), Faults: script(t, `[{"fault":"throttled","times":2}]`)}
	for i := range 3 {
		b, _ := open(t, settings)
		_, err := b.Volumes().Create(t.Context(), volumeOp(1), quiet)
		require.Equal(t, i < 2, err != nil, "try %d: %v", i, err)
	}
}

func TestProbability(t *testing.T) {
	run := func(seed int64) (failed []int) {
		b, _ := open(t, fake.Settings{Seed: seed, Faults: script(t, `[{"fault":"transient","probability":0.3}]`)})
		for i := range 500 {
			if _, err := b.Volumes().Create(t.Context(), volumeOp(i), quiet); err != nil {
				failed = append(failed, i)
			}
		}
		return failed
	}
	first := run(1)
	require.InDelta(t, 150, len(first), 40)
	require.Equal(t, first, run(1), "the same seed has the same luck")
	require.NotEqual(t, first, run(2))
}

func TestBadLuckPasses(t *testing.T) {
	b, _ := open(t, fake.Settings{Faults: script(t, `[{"fault":"internal","when":"made","probability":0.9}]`)})
	for try := range 200 {
		if _, err := b.Volumes().Create(t.Context(), volumeOp(1), quiet); err == nil {
			require.Positive(t, try)
			return
		}
	}
	t.Fatal("the same call with the same key fails for ever")
}

func TestUnreachableIsAboutSingleObjects(t *testing.T) {
	b, _ := open(t, fake.Settings{Faults: script(t, `[{"fault":"unreachable","address":"volume.data[1]"},{"fault":"auth","op":"read","kind":"gateway"}]`)})
	var made []providers.Object[schema.Volume]
	for i := range 2 {
		o, err := b.Volumes().Create(t.Context(), volumeOp(i), quiet)
		require.NoError(t, err)
		made = append(made, o)
	}
	var seen [2]providers.Observed[schema.Volume]
	require.NoError(t, b.Volumes().Read(t.Context(), made, func(i int, o providers.Observed[schema.Volume]) { seen[i] = o }))
	require.Equal(t, providers.Present, seen[0].Presence)
	require.Equal(t, providers.Unknown, seen[1].Presence)
	require.EqualError(t, seen[1].Err, "no route to the volume in us-east-1a")
	require.Equal(t, providers.Auth, providers.KindOf(b.Gateways().Read(t.Context(), nil, nil)), "a read as a whole can fail, too")
}

func TestWrongAnswers(t *testing.T) {
	for text, want := range map[string]string{
		`[{"fault":"wrong"}]`:                                           "vol-000001 wrong data-1",
		`[{"fault":"wrong","set":{"name":"other"}}]`:                    "vol-000001 us-east-1 other",
		`[{"fault":"bad_id"}]`:                                          " us-east-1 data-1",
		`[{"fault":"bad_id","id":"i-9"},{"fault":"wrong","op":"read"}]`: "i-9 us-east-1 data-1",
	} {
		b, _ := open(t, fake.Settings{Faults: script(t, text)})
		o, err := b.Volumes().Create(t.Context(), volumeOp(1), quiet)
		require.NoError(t, err)
		require.Equal(t, want, fmt.Sprintf("%s %s %s", o.ID, o.Value.Region, o.Value.Name), text)
	}
}

// TestCrashes lets the process die at each stage and checks what is left, and that the next process goes on.
func TestCrashes(t *testing.T) {
	for _, fault := range []string{"crash", "panic"} {
		for when, left := range map[string]struct{ made, ready int }{
			"before": {0, 0}, "made": {1, 0}, "checkpoint": {1, 0}, "finished": {1, 1},
		} {
			t.Run(fault+" "+when, func(t *testing.T) {
				errExit := errors.New("exit")
				settings := fake.Settings{
					World:  filepath.Join(t.TempDir(), "world"),
					Faults: script(t, fmt.Sprintf(`[{"fault":%q,"when":%q,"times":1}]`, fault, when)),
				}
				p := fake.New(fake.Options{Getenv: func(string) string { return "" }, Exit: func(code int) {
					require.Equal(t, fake.ExitCode, code)
					panic(errExit)
				}})
				b, err := p.Open(t.Context(), providers.BackendConfig{Name: "fake", Settings: settings.JSON()})
				require.NoError(t, err)
				defer b.Close()
				checkpoints := 0
				died := func() (died any) {
					defer func() { died = recover() }()
					_, _ = b.Volumes().Create(t.Context(), volumeOp(1), func(providers.Progress[schema.Volume]) error { checkpoints++; return nil })
					return nil
				}()
				if fault == "crash" {
					require.Equal(t, errExit, died)
				} else {
					require.Contains(t, died, "fake: ")
				}
				require.Equal(t, when == "checkpoint" || when == "finished", checkpoints > 0)
				w := openWorld(t, settings.World)
				objects, err := w.Objects()
				require.NoError(t, err)
				require.Len(t, objects, left.made)
				if left.made > 0 {
					require.Equal(t, left.ready == 1, objects[0].Ready)
				}
				next, _ := open(t, settings)
				_, err = next.Volumes().Create(t.Context(), volumeOp(1), quiet)
				require.NoError(t, err)
				require.Equal(t, 1, count(t, w, ""))
			})
		}
	}
}

func TestFaultsOfOtherCalls(t *testing.T) {
	settings := fake.Settings{Faults: script(t, `[
		{"fault":"auth","op":"plan","kind":"volume","message":"plan"}, {"fault":"auth","op":"find","message":"find"},
		{"fault":"auth","op":"list","message":"list"}, {"fault":"auth","op":"offers","message":"offers"},
		{"fault":"auth","op":"stop","message":"stop"}, {"fault":"auth","op":"logs","message":"logs"}, {"fault":"auth","op":"open","times":1,"message":"open"}]`)}
	p := fake.New(fake.Options{Getenv: func(string) string { return "" }})
	config := providers.BackendConfig{Name: "fake", Settings: settings.JSON()}
	_, err := p.Open(t.Context(), config)
	require.ErrorContains(t, err, "open")
	b, err := p.Open(t.Context(), config)
	require.NoError(t, err)

	planned, err := b.Volumes().Plan(t.Context(), []providers.Change{{Want: schema.Encode(volume(1))}})
	require.NoError(t, err)
	require.ErrorContains(t, planned[0].Err, "plan")
	_, err = b.Volumes().Find(t.Context(), nil)
	require.ErrorContains(t, err, "find")
	_, err = b.Volumes().List(t.Context(), "x")
	require.ErrorContains(t, err, "list")
	require.ErrorContains(t, b.(providers.Offerer).Offers(t.Context(), nil, nil), "offers")
	require.ErrorContains(t, b.(providers.Stopper).StopJob(t.Context(), providers.Object[schema.Job]{}, nil, false), "stop")
	require.ErrorContains(t, b.(providers.LogReader).JobLogs(t.Context(), providers.Object[schema.Job]{}, nil, providers.LogOptions{}, nil), "logs")
}
