package host_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/host"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

func TestArgv(t *testing.T) {
	for name, tt := range map[string]struct {
		job  schema.Job
		want []string
		err  string
	}{
		"commands run in a shell":           {schema.Job{Commands: []string{"a", " b "}}, []string{"sh", "-c", "a && b"}, ""},
		"an entrypoint takes them as words": {schema.Job{Entrypoint: `python -m "my app"`, Commands: []string{"--port", "80 80"}}, []string{"python", "-m", "my app", "--port", "80 80"}, ""},
		"an entrypoint needs no commands":   {schema.Job{Entrypoint: "serve"}, []string{"serve"}, ""},
		"a dev environment prepares, waits": {schema.Job{Type: "dev-environment", Init: []string{"make"}}, []string{"sh", "-c", "make && tail -f /dev/null"}, ""},
		"a dev environment has no more":     {schema.Job{Type: "dev-environment"}, []string{"sh", "-c", "tail -f /dev/null"}, ""},
		"a dev environment, an entrypoint":  {schema.Job{Type: "dev-environment", Entrypoint: "x"}, nil, "takes no entrypoint"},
		"no commands":                       {schema.Job{}, nil, "it has no commands"},
		"blank commands":                    {schema.Job{Commands: []string{"", "  "}}, nil, "it has no commands"},
		"an entrypoint that is not closed":  {schema.Job{Entrypoint: "python 'x"}, nil, "its quote ' is not closed"},
		"an entrypoint of blanks":           {schema.Job{Entrypoint: "  "}, nil, "entrypoint is blank"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := host.Argv(tt.job, "sh")
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(tt.want, got))
		})
	}
}

// TestChain runs what is chained, since what a shell makes of it is what counts.
func TestChain(t *testing.T) {
	for name, tt := range map[string]struct {
		commands []string
		line     string // "": not said
		out      string
		fails    bool
	}{
		"one after the other":                     {[]string{"echo a", "echo b"}, "echo a && echo b", "a\nb\n", false},
		"the first that fails ends it":            {[]string{"echo a", "false", "echo b"}, "", "a\n", true},
		"in the background":                       {[]string{"sleep 0 &", "echo b"}, "{ sleep 0 & } && echo b", "b\n", false},
		"a comment ends with its line":            {[]string{"echo a # says a", "echo b"}, "", "a\nb\n", false},
		"a hash that is no comment":               {[]string{`echo "#a"`, "echo b"}, "", "#a\nb\n", false},
		"a document within the script":            {[]string{"cat <<END\ntext\nEND", "echo b"}, "", "text\nb\n", false},
		"several lines, the last of which counts": {[]string{"false\necho a", "echo b"}, "", "a\nb\n", false},
		"blank ones are left out":                 {[]string{" ", "echo a", ""}, "echo a", "a\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			line := host.Chain(tt.commands)
			if tt.line != "" {
				require.Equal(t, tt.line, line)
			}
			out, err := exec.Command("/bin/sh", "-c", line).CombinedOutput()
			require.Equal(t, tt.fails, err != nil, "%v: %s", err, out)
			require.Equal(t, tt.out, string(out), line)
		})
	}
}

func TestSplitWords(t *testing.T) {
	for line, want := range map[string][]string{
		``:                       nil,
		`a  b`:                   {"a", "b"},
		"a\tb\nc":                {"a", "b", "c"},
		`'a b' "c d"e\ f`:        {"a b", "c de f"},
		`""`:                     {""},
		`'a\b'`:                  {`a\b`},
		`"a\b\"\\\$"`:            {`a\b"\$`},
		"a\\\nb":                 {"ab"},
		`$HOME *.py`:             {"$HOME", "*.py"},
		`--name='it'"'"'s here'`: {"--name=it's here"},
	} {
		got, err := host.SplitWords(line)
		require.NoError(t, err, line)
		require.Empty(t, cmp.Diff(want, got), line)
	}
	for _, line := range []string{`a\`, `"a`, `'a`} {
		_, err := host.SplitWords(line)
		require.Error(t, err, line)
	}
}

// FuzzSplitWords quotes what was split and splits it again.
func FuzzSplitWords(f *testing.F) {
	f.Add(`python -m "my app" 'it'`)
	f.Add(`a\ b ""`)
	f.Fuzz(func(t *testing.T, line string) {
		words, err := host.SplitWords(line)
		if err != nil {
			return
		}
		// Quoted again, the words are the same.
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		again, err := host.SplitWords(strings.Join(quoted, " "))
		if err != nil || !cmp.Equal(words, again, cmpopts.EquateEmpty()) {
			t.Fatalf("%q -> %q -> %q, %v", line, words, again, err)
		}
	})
}

func TestCheck(t *testing.T) {
	valid := schema.Job{Name: "t-0", Commands: []string{"true"}}
	for name, tt := range map[string]struct {
		change func(*schema.Job)
		want   string // "": it can run
	}{
		"a plain job":                   {func(*schema.Job) {}, ""},
		"an absolute working directory": {func(j *schema.Job) { j.WorkingDir = "/tmp" }, ""},
		"a process asked for":           {func(j *schema.Job) { j.Runtime = "process" }, ""},
		"an image":                      {func(j *schema.Job) { j.Image = "ubuntu" }, "it has an image, and its machine has no Docker: why"},
		"Docker":                        {func(j *schema.Job) { j.Runtime = "docker" }, "it is to run in Docker, and its machine has no Docker: why"},
		"an image for a process":        {func(j *schema.Job) { j.Image, j.Runtime = "ubuntu", "process" }, `it has an image, and runtime = "process" is said`},
		"python":                        {func(j *schema.Job) { j.Python = "3.12" }, "leave python out"},
		"nvcc":                          {func(j *schema.Job) { j.NVCC = true }, "leave nvcc out"},
		"privileged":                    {func(j *schema.Job) { j.Privileged = true }, "leave privileged out"},
		"no commands":                   {func(j *schema.Job) { j.Commands = nil }, "it has no commands"},
		"a negative share":              {func(j *schema.Job) { j.Blocks = -1 }, "cannot be negative"},
		"two things, both of them":      {func(j *schema.Job) { j.Python, j.Privileged = "3.12", true }, "leave privileged out"},
	} {
		t.Run(name, func(t *testing.T) {
			job := valid
			tt.change(&job)
			err := host.Check(job, host.Place{DockerError: "why"}, func(string) bool { return true })
			if tt.want == "" {
				require.Nil(t, err)
				return
			}
			require.NotNil(t, err)
			require.Equal(t, providers.Invalid, err.Kind)
			require.Contains(t, err.Message, tt.want)
			require.Nil(t, host.Check(job, host.Place{DockerError: "why"}, func(string) bool { return false }), "what is not known yet is not judged")
		})
	}
}

// RUN-08, RUN-09, BLK-08: what a container runs, of which image, on which network.
func TestContainers(t *testing.T) {
	type got struct {
		Argv      []string
		Container *api.Container
	}
	host1, bridge := api.NetworkHost, api.NetworkBridge
	for name, tt := range map[string]struct {
		job     schema.Job
		machine schema.Instance
		backend string
		want    got
		err     string
	}{
		"commands in the image's shell": {schema.Job{Image: "x", Commands: []string{"a", "b"}}, schema.Instance{}, "", got{[]string{"/bin/sh", "-c", "a && b"}, &api.Container{Image: "x", Network: host1}}, ""},
		"an entrypoint":                 {schema.Job{Image: "x", Entrypoint: "p -q", Commands: []string{"a b"}}, schema.Instance{}, "", got{[]string{"p", "-q", "a b"}, &api.Container{Image: "x", Network: host1}}, ""},
		"an image alone":                {schema.Job{Image: "x"}, schema.Instance{}, "", got{nil, &api.Container{Image: "x", Network: host1}}, ""},
		"the default image":             {schema.Job{Runtime: "docker", Commands: []string{"a"}}, schema.Instance{}, "", got{[]string{"/bin/bash", "-c", "a"}, &api.Container{Image: "dstackai/base:py3.12-0.6-cuda-12.1", Network: host1}}, ""},
		"another Python, a compiler":    {schema.Job{Runtime: "docker", Python: "3.10", NVCC: true, Commands: []string{"a"}}, schema.Instance{}, "", got{[]string{"/bin/bash", "-c", "a"}, &api.Container{Image: "dstackai/base:py3.10-0.6-cuda-12.1-devel", Network: host1}}, ""},
		"a share":                       {schema.Job{Image: "x", Blocks: 1}, schema.Instance{TotalBlocks: 2, CPUs: 2}, "", got{nil, &api.Container{Image: "x", Network: bridge}}, ""},
		"a fleet that forces a bridge":  {schema.Job{Image: "x"}, schema.Instance{NetworkMode: "bridge"}, "", got{nil, &api.Container{Image: "x", Network: bridge}}, ""},
		"user, rights and credentials": {schema.Job{Image: "x", User: value.Must(value.ParseUnixUser("app:video")), Privileged: true, RegistryAuth: &schema.RegistryAuth{Username: "u", Password: "p"}}, schema.Instance{}, "",
			got{nil, &api.Container{Image: "x", Network: host1, User: "app:video", Privileged: true, RegistryAuth: &api.RegistryAuth{Username: "u", Password: "p"}}}, ""},
		"a process on a backend of containers": {schema.Job{Runtime: "process", Commands: []string{"a"}}, schema.Instance{}, "docker", got{[]string{"/bin/bash", "-c", "a"}, nil}, ""},
		"no image where all are containers":    {schema.Job{Commands: []string{"a"}}, schema.Instance{Runtime: "docker"}, "", got{}, "names no image; write image"},
		"an image where all are processes":     {schema.Job{Image: "x"}, schema.Instance{Runtime: "process"}, "docker", got{}, `runtime = "process" is said for it, its fleet or its backend`},
	} {
		t.Run(name, func(t *testing.T) {
			site := host.Site{Shell: "/bin/bash", Place: host.Place{Docker: true, Runtimes: []string{tt.backend}}}
			spec, err := host.Spec(providers.Op[schema.Job]{Planned: tt.job, Needs: []providers.Need{needs("i", addr.KindInstance, "i", tt.machine)}}, "id", site)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(tt.want, got{spec.Argv, spec.Container}))
			require.NotContains(t, string(spec.Extra), `"p"`)
		})
	}
}

func needs[T any](address, kind string, id string, v T) providers.Need {
	return providers.Need{Address: address, Kind: kind, Object: providers.Object[cty.Value]{ID: id, Value: schema.Encode(v)}}
}

func TestSpec(t *testing.T) {
	machine := func(ip string) schema.Instance {
		return schema.Instance{InternalIP: ip, CPUs: 9, MemoryMiB: 1025, TotalBlocks: 4, Env: map[string]string{"B": "machine", "A": "machine"}}
	}
	site := host.Site{Shell: "/bin/bash",
		User: func(u value.UnixUser) (*api.User, error) {
			if u.User() == "nobody" {
				return &api.User{UID: 7, GID: 8}, nil
			}
			return nil, errors.New("no such user")
		},
		Folder: func(v providers.Object[schema.Volume]) (string, error) { return "/volumes/" + v.ID, nil },
	}
	op := providers.Op[schema.Job]{
		Address: "task.t.job[1]", Lineage: "l", Key: "k", Attempt: 3,
		Planned: schema.Job{
			Name: "t-1", Run: "t", Type: "task", NodeRank: 1, Nodes: 2, Instance: "fleet.f.instance[1]", Blocks: 3, GPUCount: 2, Commands: []string{"true"},
			Env: map[string]string{"B": "own"}, User: value.Must(value.ParseUnixUser("nobody")), WorkingDir: "/w",
			Mounts:      []schema.Mount{{Volumes: []string{"volume.b", "volume.a"}, Path: "/data"}, {Volumes: []string{"named"}, Path: "/more"}, {InstancePath: "/host", Path: "/seen", Optional: true}},
			MaxDuration: value.Must(value.ParseOffDuration("1h")), StopGrace: value.DurationOf(5 * time.Second),
			StopDuration: value.Must(value.ParseOffDuration("5m")), Retry: value.RetryAlways(),
			Resources: &schema.Resources{ShmSize: value.MemoryOf(1)}, Tokens: []string{"secret"},
		},
		Needs: []providers.Need{
			needs("fleet.f.instance[0]", addr.KindInstance, "i0", machine("10.0.0.1")), needs("fleet.f.instance[1]", addr.KindInstance, "i1", machine("10.0.0.2")),
			needs("volume.a", addr.KindVolume, "va", schema.Volume{Name: "a"}), needs("volume.c", addr.KindVolume, "vc", schema.Volume{Name: "named"}),
		},
	}
	got, err := host.Spec(op, "id", site)
	require.NoError(t, err)
	require.NotContains(t, string(got.Extra), "secret")
	require.NotContains(t, string(got.Extra), "own")
	got.Extra = nil
	require.Empty(t, cmp.Diff(api.JobSpec{
		ID: "id", Labels: map[string]string{"lineage": "l", "address": "task.t.job[1]", "idempotency_key": "k", "attempt": "3"},
		Argv: []string{"/bin/bash", "-c", "true"},
		Env: []string{"DSTACK_RUN_NAME=t", "DSTACK_NODES_IPS=10.0.0.1\n10.0.0.2", "DSTACK_MASTER_NODE_IP=10.0.0.1", "DSTACK_NODE_RANK=1", "DSTACK_NODES_NUM=2",
			"DSTACK_GPUS_PER_NODE=2", "DSTACK_GPUS_NUM=4", "A=machine", "B=machine", "B=own"},
		WorkingDir: "/w", User: &api.User{UID: 7, GID: 8}, Blocks: api.HostBlocks{Need: 3, Total: 4}, GPUs: 2, CPULimit: 6, MemoryLimit: 768 << 20, ShmSize: 1 << 30,
		Mounts:      []api.Mount{{Source: "/volumes/va", Path: "/data"}, {Source: "/volumes/vc", Path: "/more"}, {Source: "/host", Path: "/seen", Create: true}},
		MaxDuration: time.Hour, StopGrace: 5 * time.Second, StopDuration: 5 * time.Minute,
		Attempt: 3, // nodes of one run are not tried again by their agents
	}, got))

	whole := op
	whole.Planned.Blocks, whole.Planned.Nodes = 0, 1
	whole.Needs = []providers.Need{needs("fleet.f.instance[1]", addr.KindInstance, "i1", schema.Instance{CPUs: 9, MemoryMiB: 1025})}
	whole.Planned.Mounts, whole.Planned.MaxDuration = nil, value.Must(value.ParseOffDuration("off"))
	got, err = host.Spec(whole, "id", site)
	require.NoError(t, err)
	require.Equal(t, api.HostBlocks{Total: 1}, got.Blocks)
	require.Equal(t, api.Retry{For: time.Hour}, got.Retry)
	require.Zero(t, got.CPULimit+float64(got.MemoryLimit)+float64(got.MaxDuration), "a machine that is lent whole sets no limits")

	for name, tt := range map[string]struct {
		change func(*providers.Op[schema.Job])
		want   string
	}{
		"no instance":      {func(o *providers.Op[schema.Job]) { o.Needs = nil }, "was given none"},
		"another instance": {func(o *providers.Op[schema.Job]) { o.Planned.Instance = "fleet.g.instance[0]" }, "not among what it was given"},
		"too few nodes":    {func(o *providers.Op[schema.Job]) { o.Planned.Nodes = 3 }, "one of 3 nodes, and was given 2 instances"},
		"a volume that is absent": {func(o *providers.Op[schema.Job]) {
			o.Planned.Mounts = []schema.Mount{{Volumes: []string{"volume.x", "y"}, Path: "/d"}}
		}, "volume.x or y at /d"},
		"a user that is absent": {func(o *providers.Op[schema.Job]) { o.Planned.User = value.Must(value.ParseUnixUser("somebody")) }, "cannot run as somebody: no such user"},
		"an image":              {func(o *providers.Op[schema.Job]) { o.Planned.Image = "x" }, "its machine has no Docker"},
	} {
		t.Run(name, func(t *testing.T) {
			o := op
			tt.change(&o)
			_, err := host.Spec(o, "id", site)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestErrorKinds(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want providers.ErrorKind
	}{
		"what the agent calls invalid":     {api.Errorf(api.KindInvalid, "x"), providers.Invalid},
		"what it does not know":            {api.Errorf(api.KindNotFound, "x"), providers.NotFound},
		"what stands in the way":           {api.Errorf(api.KindConflict, "x"), providers.Conflict},
		"what it could not do":             {api.Errorf(api.KindInternal, "x"), providers.Internal},
		"an agent that is not there":       {client.ErrNotRunning, providers.Transient},
		"a broken connection":              {errors.New("read: connection reset"), providers.Transient},
		"what has a kind already keeps it": {providers.Errorf(providers.NoQuota, "x"), providers.NoQuota},
	} {
		require.Equal(t, tt.want, providers.KindOf(host.Error(tt.err)), name)
	}
	require.NoError(t, host.Error(nil))
}

func TestShowAndRecall(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	code := 3
	seen := api.Job{ID: "id", Labels: map[string]string{"attempt": "2"}, Status: api.StatusFailed, Reason: api.ReasonExitedWithError, Message: "boom", ExitCode: &code,
		SubmittedAt: at, Spec: api.JobSpec{Extra: []byte(`{"name":"t-0","commands":["true"]}`)}}
	got, err := host.Recall(seen)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(schema.Job{ID: "id", Name: "t-0", Commands: []string{"true"}, Attempt: 2, Status: "failed", Reason: "container_exited_with_error",
		Message: "boom", ExitCode: &code, Submitted: "2026-01-02T02:04:05Z"}, got, cmp.Comparer(func(a, b schema.Job) bool {
		return schema.Encode(a).RawEquals(schema.Encode(b))
	})))
	require.Equal(t, "failed, container exited with error, exit code 3\nboom", host.Fate(seen))
	seen.Spec.Extra = []byte(`{"name":`)
	_, err = host.Recall(seen)
	require.ErrorContains(t, err, "job id cannot be read")
}
