package agent_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
)

// The agent is killed again and again, a few times or as often as AGENT_KILLS says, while jobs come, print, are stopped and go
// on four GPUs. No job is lost, started twice or left over, no line of a log is lost or doubled, and every GPU is free at the end.
func TestAgentIsKilledAtRandom(t *testing.T) {
	kills, jobs := 4, 6
	if n, err := strconv.Atoi(os.Getenv("AGENT_KILLS")); err == nil {
		kills, jobs = n, 20
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	tools := t.TempDir()
	standIn := "#!/bin/sh\nfor i in 0 1 2 3; do echo GPU-$i, NVIDIA A100-SXM4-80GB, 81920; done\n"
	require.NoError(t, os.WriteFile(filepath.Join(tools, "nvidia-smi"), []byte(standIn), 0o755))
	m := start(t, func(m *machine) {
		m.blocks = 4
		m.env = []string{"PATH=" + tools + ":" + os.Getenv("PATH")}
	})
	began := filepath.Join(filepath.Dir(m.dir), "began")
	require.NoError(t, os.Mkdir(began, 0o700))

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	c := client.New(m.dir)
	defer c.Close()
	var round, killer sync.WaitGroup
	over := make(chan struct{})
	pauses := make([]time.Duration, kills)
	for i := range pauses {
		pauses[i] = time.Duration(random.IntN(150)) * time.Millisecond
	}
	killer.Go(func() {
		defer close(over)
		for _, pause := range pauses {
			time.Sleep(pause)
			info, err := c.Info(ctx)
			if err != nil || syscall.Kill(info.PID, syscall.SIGKILL) != nil {
				t.Errorf("the agent cannot be killed: %v", err)
				return
			}
			if _, err := client.StartAgent(ctx, client.StartOptions{Program: os.Args[0], Dir: m.dir, Env: m.env}, m.blocks); err != nil {
				t.Errorf("the agent does not start again: %v", err)
				return
			}
		}
	})
	// again repeats what an agent that is just being killed does not answer.
	again := func(what string, call func() error) {
		for {
			err := call()
			if kind := api.KindOf(err); err == nil || ctx.Err() != nil || kind == api.KindInvalid || kind == api.KindNotFound {
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	const lines = 40
	number := 0
	for batch := 0; ; batch++ {
		for range jobs {
			number++
			id, gpus, stop := fmt.Sprintf("job-%d", number), 1+random.IntN(2), random.IntN(3) == 0
			script := fmt.Sprintf("echo began >> %s/%s; for i in $(seq %d); do echo $i; sleep 0.002; done; %s", began, id, lines, map[bool]string{true: "sleep 600", false: "exit 7"}[stop])
			round.Go(func() {
				again("submit", func() error {
					_, err := c.Submit(ctx, spec(id, script, func(s *api.JobSpec) { s.Blocks.Need, s.GPUs = gpus, gpus }))
					return err
				})
				if stop {
					again("stop", func() error {
						_, err := c.Stop(ctx, id, api.StopRequest{Abort: true})
						return err
					})
				}
				var job api.Job
				again("wait", func() (err error) { job, err = c.WaitFinished(ctx, id); return err })
				want := api.ReasonExitedWithError
				if stop {
					want = api.ReasonAbortedByUser
				}
				if job.Reason != want {
					t.Errorf("%s ended %s, %s: %s", id, job.Status, job.Reason, job.Message)
				}
			})
		}
		round.Wait()
		select {
		case <-over:
		case <-ctx.Done():
			t.Fatal("it takes too long")
		default:
			continue // while the agent is still being killed
		}
		break
	}
	killer.Wait()

	info, err := c.Info(ctx)
	require.NoError(t, err)
	require.Equal(t, []any{0, 0, 0}, []any{info.BusyBlocks, len(info.BusyGPUs), info.ActiveJobs})
	list, err := c.Jobs(ctx)
	require.NoError(t, err)
	require.Len(t, list, number)
	for _, j := range list {
		data, err := os.ReadFile(filepath.Join(began, j.ID))
		if j.Reason != api.ReasonAbortedByUser {
			require.NoError(t, err)
		}
		require.LessOrEqual(t, strings.Count(string(data), "began"), 1, "%s was started twice", j.ID)
		said, n := m.output(j.ID), 0
		for line := range strings.Lines(said) {
			n++
			require.Equal(t, fmt.Sprintln(n), line, "%s: %s", j.ID, said)
		}
		if j.Reason != api.ReasonAbortedByUser {
			require.Equal(t, lines, n, "%s", j.ID)
		}
	}
	t.Logf("%d jobs, %d kills", number, kills)
}
