package local_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/local"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// output is everything that a job has written until its end.
func output(w *world, job providers.Object[schema.Job]) string {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
	defer cancel()
	var out strings.Builder
	require.NoError(w, w.Backend.(providers.LogReader).JobLogs(ctx, job, nil, providers.LogOptions{Follow: true}, func(e providers.LogEntry) error {
		out.Write(e.Text)
		return nil
	}))
	return out.String()
}

// said waits until a job has written a text.
func said(w *world, job providers.Object[schema.Job], text string) {
	w.Helper()
	found := errors.New("found")
	ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
	defer cancel()
	err := w.Backend.(providers.LogReader).JobLogs(ctx, job, nil, providers.LogOptions{Follow: true}, func(e providers.LogEntry) error {
		if strings.Contains(string(e.Text), text) {
			return found
		}
		return nil
	})
	require.ErrorIs(w, err, found)
}

// ended reads a job until it has ended.
func ended(w *world, job providers.Object[schema.Job]) schema.Job {
	w.Helper()
	var v schema.Job
	require.True(w, eventually(func() bool {
		seen := see(w, w.Jobs(), job)
		require.NoError(w, seen.Err)
		v = seen.Object.Value
		return v.Finished != ""
	}), "it does not end: %+v", v)
	return v
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestTaskWritesToItsVolume(t *testing.T) {
	t.Parallel()
	w := open(t)
	machine := create(w, w.Instances(), "fleet.f.instance[0]", instance(w.machine, "f-0", 2))
	disk := create(w, w.Volumes(), "volume.data", volume("data"))
	tie := create(w, w.Supports(), `fleet.f.instance[0].support["attachment/volume.data"]`,
		schema.Support{Type: "attachment", Owner: "fleet.f.instance[0]", Target: "volume.data", Backend: "local"}, machine, disk)
	host := filepath.Join(w.home, "made", "when", "missing")
	v := task("prepare", "echo hello > $DSTACK_MOUNT_ROOT/data/out", "touch $DSTACK_MOUNT_ROOT/host/seen", "env | grep ^DSTACK_N", "exit 3")
	v.Instance = "fleet.f.instance[0]"
	v.Mounts = []schema.Mount{{Volumes: []string{"other", "data"}, Path: "/data"}, {InstancePath: host, Path: "/host"}}
	v.Env = map[string]string{"DSTACK_NODE_RANK": "mine wins"}
	job := typed[schema.Job](t, create(w, w.Jobs(), "task.prepare.job[0]", v, machine, disk, tie))
	require.Equal(t, "127.0.0.1", job.Value.Host)

	got := ended(w, job)
	require.Equal(t, "failed", got.Status)
	require.Equal(t, "container_exited_with_error", got.Reason)
	require.Equal(t, 3, *got.ExitCode)
	require.Equal(t, 1, got.Attempt)
	for _, at := range []string{got.Submitted, got.Started, got.Finished} {
		_, err := time.Parse(time.RFC3339, at)
		require.NoError(t, err)
	}
	lines := strings.Fields(output(w, job))
	require.Contains(t, lines, "DSTACK_NODES_IPS=127.0.0.1")
	require.Contains(t, output(w, job), "DSTACK_NODE_RANK=mine wins")
	location := typed[schema.Volume](t, disk).Value.Location
	data, err := os.ReadFile(filepath.Join(location, "out"))
	require.NoError(t, err)
	require.Equal(t, "hello\n", string(data))
	require.FileExists(t, filepath.Join(host, "seen"))
}

func TestNodesReadEachOthersAddresses(t *testing.T) {
	t.Parallel()
	w := open(t)
	one := create(w, w.Instances(), "fleet.f.instance[0]", instance(w.machine, "f-0", 1))
	two := create(w, w.Instances(), "fleet.f.instance[1]", instance(w.machine, "f-1", 1))
	v := task("train", `echo "$DSTACK_NODES_IPS" "$DSTACK_MASTER_NODE_IP" "$DSTACK_NODE_RANK/$DSTACK_NODES_NUM" "$DSTACK_RUN_NAME" "$DSTACK_GPUS_NUM"`)
	v.Nodes, v.NodeRank, v.Instance = 2, 1, "fleet.f.instance[1]"
	job := typed[schema.Job](t, create(w, w.Jobs(), "task.train.job[1]", v, one, two))
	require.Equal(t, "127.0.0.1\n127.0.0.1 127.0.0.1 1/2 train 0\n", output(w, job))

	v.NodeRank = 0
	_, err := w.Jobs().Create(t.Context(), operation(w, "task.train.job[0]", v, two), silent[schema.Job])
	require.ErrorContains(t, err, "one of 2 nodes, and was given 1 instances")
	v.Instance = "fleet.f.instance[7]"
	_, err = w.Jobs().Create(t.Context(), operation(w, "task.train.job[0]", v, one, two), silent[schema.Job])
	require.ErrorContains(t, err, "fleet.f.instance[7], which is not among what it was given")
}

func TestServiceAnswersThroughItsGateway(t *testing.T) {
	t.Parallel()
	w := open(t)
	machine := create(w, w.Instances(), "fleet.f.instance[0]", instance(w.machine, "f-0", 2))
	if typed[schema.Instance](t, machine).Value.TotalBlocks < 2 {
		t.Skipf("this machine has %d CPUs and cannot be divided into two", w.machine.CPUs)
	}
	front := create(w, w.Gateways(), "gateway.public", gateway("public"))
	port := freePort(t)
	var phases []string
	v := service("llama", port, fmt.Sprintf("$DSTACK_AGENT hello --port %d", port))
	o, err := w.Jobs().Create(t.Context(), operation(w, "service.llama.job[0]", v, machine), func(p providers.Progress[schema.Job]) error {
		phases = append(phases, p.Phase)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, "running", o.Value.Status)
	require.Contains(t, phases, fmt.Sprintf("waiting for port %d", port))
	job := keep(w, w.Jobs(), "service.llama.job[0]", o, machine)
	way := create(w, w.Supports(), `service.llama.support["route/0"]`, schema.Support{Type: "route", Owner: "service.llama.job[0]", Target: "gateway.public",
		Backend: "local", Config: map[string]string{"service": "llama", "attempt": "1"}, Auth: true, Tokens: []string{digest("secret")}}, front, job, machine)
	route := typed[schema.Support](t, way)
	require.Equal(t, fmt.Sprintf("http://llama.models.example:%d", typed[schema.Gateway](t, front).Value.Port), route.Value.Data["url"])

	get := func(token string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, typed[schema.Gateway](t, front).Value.URL, nil)
		require.NoError(t, err)
		req.Host = "llama.models.example"
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		return resp.StatusCode
	}
	require.Equal(t, http.StatusOK, get("secret"))
	require.Equal(t, http.StatusForbidden, get("wrong"))

	w.kill(addr.KindGateway, front.Object.ID)
	seen := see(w, w.Gateways(), typed[schema.Gateway](t, front))
	require.Equal(t, providers.Present, seen.Presence, "%v", seen.Err)
	require.Equal(t, "running", seen.Object.Value.Status)
	require.Equal(t, http.StatusOK, get("secret"), "it answers on its port again, with its routes")

	// The next attempt of the replica listens elsewhere; the route follows it.
	other := freePort(t)
	next := create(w, w.Jobs(), "service.llama.job[0]", service("llama", other, fmt.Sprintf("$DSTACK_AGENT hello --port %d", other)), machine)
	change := operation(w, way.Address, route.Value, front, next, machine)
	change.Planned.Config = map[string]string{"service": "llama", "attempt": "2"}
	moved, err := w.Supports().Update(t.Context(), route, change, silent[schema.Support])
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("127.0.0.1:%d", other), moved.Value.Data["target"])
	require.Equal(t, http.StatusOK, get("secret"))
	found, err := w.Supports().List(t.Context(), "test")
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, "2", found[0].Object.Value.Config["attempt"])
}

func TestServiceThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		command string
		wait    time.Duration
		want    []string
	}{
		"it ends before: the error has its last lines":     {"echo cannot load the model >&2; exit 7", time.Minute, []string{"ended before its port", "exit code 7", "cannot load the model"}},
		"it runs and listens nowhere: the deadline passes": {"echo loading; sleep 600", time.Second, []string{"did not answer within 1s", "loading"}},
		"it ends well before: that is no answer either":    {"true", time.Minute, []string{"ended before its port", "done"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			machine := create(w, w.Instances(), "fleet.f.instance[0]", instance(w.machine, "f-0", 1))
			b, err := local.New(local.Options{Ready: tt.wait}).Open(t.Context(), config(w.home))
			require.NoError(t, err)
			o, err := b.Jobs().Create(t.Context(), operation(w, "service.s.job[0]", service("s", freePort(t), tt.command), machine), silent[schema.Job])
			require.NotEmpty(t, o.ID, "it is there, so it is recorded")
			keep(w, w.Jobs(), "service.s.job[0]", o, machine)
			require.Error(t, err)
			require.True(t, o.Tainted)
			require.False(t, providers.KindOf(err).NothingMade())
			for _, text := range tt.want {
				require.ErrorContains(t, err, text)
			}
		})
	}
}

func TestJobOutlivesItsAgent(t *testing.T) {
	t.Parallel()
	w := open(t)
	machine := create(w, w.Instances(), "fleet.f.instance[0]", instance(w.machine, "f-0", 1))
	job := typed[schema.Job](t, create(w, w.Jobs(), "task.t.job[0]", task("t", "echo before", "sleep 600"), machine))
	said(w, job, "before")
	w.kill(addr.KindInstance, machine.Object.ID)

	seen := see(w, w.Jobs(), job)
	require.Equal(t, providers.Present, seen.Presence, "%v", seen.Err)
	require.Equal(t, "running", seen.Object.Value.Status)
	w.kill(addr.KindInstance, machine.Object.ID)
	on := see(w, w.Instances(), typed[schema.Instance](t, machine))
	require.Equal(t, providers.Present, on.Presence, "%v", on.Err)
	require.Equal(t, "busy", on.Object.Value.Status)

	w.kill(addr.KindInstance, machine.Object.ID)
	err := w.Instances().Delete(t.Context(), typed[schema.Instance](t, machine), providers.Op[schema.Instance]{}, silent[schema.Instance])
	require.Equal(t, providers.Conflict, providers.KindOf(err), "%v", err)
	require.ErrorContains(t, err, "while jobs run on it")

	require.NoError(t, w.Backend.(providers.Stopper).StopJob(t.Context(), job, nil, false))
	v := ended(w, job)
	require.Equal(t, []string{"terminated", "terminated_by_user"}, []string{v.Status, v.Reason})
	require.Equal(t, "before\n", output(w, job))
}

func TestJobIsStopped(t *testing.T) {
	t.Parallel()
	w := open(t)
	machine := create(w, w.Instances(), "fleet.f.instance[0]", instance(w.machine, "f-0", 1))
	limited := task("limited", "sleep 600")
	limited.MaxDuration = value.Must(value.ParseOffDuration("1s"))
	v := ended(w, typed[schema.Job](t, create(w, w.Jobs(), "task.limited.job[0]", limited, machine)))
	require.Equal(t, []string{"terminated", "max_duration_exceeded"}, []string{v.Status, v.Reason})

	// A limit is changed while the job runs, and counts from its start.
	endless := typed[schema.Job](t, create(w, w.Jobs(), "task.endless.job[0]", task("endless", "sleep 600"), machine))
	shorter := operation(w, "task.endless.job[0]", endless.Value, machine)
	shorter.Planned.MaxDuration = limited.MaxDuration
	changed, err := w.Jobs().Update(t.Context(), endless, shorter, silent[schema.Job])
	require.NoError(t, err)
	require.Equal(t, endless.ID, changed.ID)
	require.Equal(t, "max_duration_exceeded", ended(w, changed).Reason)

	// The job says when it is asked to end, and ends in its own time.
	polite := typed[schema.Job](t, create(w, w.Jobs(), "task.polite.job[0]", task("polite", `trap 'echo > `+w.home+`/asked; exit 0' INT; echo up; while :; do sleep 0.05; done`), machine))
	said(w, polite, "up")
	require.NoError(t, w.Jobs().Delete(t.Context(), polite, providers.Op[schema.Job]{}, silent[schema.Job]))
	require.FileExists(t, filepath.Join(w.home, "asked"))
	require.Equal(t, providers.Gone, see(w, w.Jobs(), polite).Presence)
	require.NoError(t, w.Jobs().Delete(t.Context(), polite, providers.Op[schema.Job]{}, silent[schema.Job]))

	killed := typed[schema.Job](t, create(w, w.Jobs(), "task.killed.job[0]", task("killed", `trap '' INT; while :; do sleep 0.05; done`), machine))
	require.NoError(t, w.Backend.(providers.Stopper).StopJob(t.Context(), killed, nil, true))
	v = ended(w, killed)
	require.Equal(t, []string{"aborted", "aborted_by_user"}, []string{v.Status, v.Reason})
}

func TestJobsShareTheirMachine(t *testing.T) {
	t.Parallel()
	w := open(t)
	if w.machine.CPUs%2 != 0 || len(w.machine.GPUs)%2 != 0 {
		t.Skipf("this machine has %d CPUs and cannot be divided into two", w.machine.CPUs)
	}
	machine := create(w, w.Instances(), "fleet.f.instance[0]", instance(w.machine, "f-0", 2))
	for n := range 2 {
		create(w, w.Jobs(), fmt.Sprintf("task.t.job[%d]", n), task("t", "sleep 600"), machine)
	}
	_, err := w.Jobs().Create(t.Context(), operation(w, "task.t.job[2]", task("t", "true"), machine), silent[schema.Job])
	require.Equal(t, providers.Conflict, providers.KindOf(err), "%v", err)
}

func TestJobsOfAnInstanceThatIsGone(t *testing.T) {
	t.Parallel()
	w := open(t)
	machine := create(w, w.Instances(), "fleet.f.instance[0]", instance(w.machine, "f-0", 1))
	job := typed[schema.Job](t, create(w, w.Jobs(), "task.t.job[0]", task("t", "true"), machine))
	ended(w, job)
	require.NoError(t, w.Instances().Delete(t.Context(), typed[schema.Instance](t, machine), providers.Op[schema.Instance]{}, silent[schema.Instance]))
	require.Equal(t, providers.Gone, see(w, w.Jobs(), job).Presence)
	require.NoError(t, w.Backend.(providers.Stopper).StopJob(t.Context(), job, nil, false))
	err := w.Backend.(providers.LogReader).JobLogs(t.Context(), job, nil, providers.LogOptions{}, func(providers.LogEntry) error { return nil })
	require.Equal(t, providers.NotFound, providers.KindOf(err), "%v", err)
	_, err = w.Jobs().Create(t.Context(), operation(w, "task.t.job[1]", task("t", "true"), machine), silent[schema.Job])
	require.Equal(t, providers.NotFound, providers.KindOf(err), "%v", err)

	strange := job
	strange.ID = "../../etc"
	seen := see(w, w.Jobs(), strange)
	require.Equal(t, providers.Unknown, seen.Presence)
	require.ErrorContains(t, seen.Err, "is no id")
	nowhere := job
	nowhere.Private = nil
	require.ErrorContains(t, see(w, w.Jobs(), nowhere).Err, "does not say on which instance")
	newer := job
	newer.Private = []byte(`{"version":2}`)
	require.ErrorContains(t, see(w, w.Jobs(), newer).Err, "newer version")
}

func TestFoundJobHasWhatIsNotSecret(t *testing.T) {
	t.Parallel()
	w := open(t)
	machine := create(w, w.Instances(), "fleet.f.instance[0]", instance(w.machine, "f-0", 1))
	v := task("t", "true")
	v.Env = map[string]string{"TOKEN": "canary"}
	op := operation(w, "task.t.job[0]", v, machine)
	op.Attempt = 4
	o, err := w.Jobs().Create(t.Context(), op, silent[schema.Job])
	require.NoError(t, err)
	keep(w, w.Jobs(), op.Address, o, machine)
	want := ended(w, o)
	want.Env = nil
	found, err := w.reopen().Jobs().Find(t.Context(), []string{op.Key})
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Empty(t, cmp.Diff(schema.Encode(want).GoString(), schema.Encode(found[0].Object.Value).GoString()))
	require.Equal(t, 4, want.Attempt)
}
