package statefile_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/statefile"
)

// childFolder is the environment variable that makes the test program a writer
// of the state in that folder.
const childFolder = "STATEFILE_TEST_FOLDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childFolder); dir != "" {
		if err := write(dir); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// write appends volumes from four goroutines until it is killed, one session
// after the other, and prints the number of each that was acknowledged.
func write(dir string) error {
	store := statefile.NewLocal(dir, statefile.LocalOptions{Version: "0.1.0"})
	ctx := context.Background()
	start, err := strconv.Atoi(os.Getenv("STATEFILE_TEST_START"))
	if err != nil {
		return err
	}
	var mu sync.Mutex
	next := start
	for {
		holder := statefile.NewHolder("apply", "child", "laptop", os.Getpid(), time.Now(), os.Getenv)
		session, err := store.Lock(ctx, holder)
		if err != nil {
			return err
		}
		fmt.Println("locked", 0)
		if os.Getenv("STATEFILE_TEST_HOLD") != "" {
			time.Sleep(time.Hour) // It is killed before.
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 8 {
					mu.Lock()
					n := next
					next++
					mu.Unlock()
					if err := session.Append(ctx, putVolume(n)); err != nil {
						fmt.Println("error", err)
						return
					}
					mu.Lock()
					fmt.Println("kept", n)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if err := session.Close(ctx); err != nil {
			return err
		}
	}
}

func putVolume(n int) statefile.Record {
	return statefile.NewPut(time.Now(), &statefile.Resource{
		Address: fmt.Sprintf("volume.data[%d]", n), Kind: "volume", Backend: "aws", ID: strconv.Itoa(n), Revision: 1,
		Attributes: []byte(`{"size":"100GB"}`),
	}, "")
}

// child starts a writer, and hands what it prints to each.
func child(t *testing.T, dir string, env []string, each func(word string, rest string) (stop bool)) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childFolder+"="+dir), env...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		require.NotEqual(t, "error", word, rest)
		if each(word, rest) {
			break
		}
	}
	return cmd
}

func TestKilledProcessesLoseNothing(t *testing.T) {
	kills := 12
	if testing.Short() {
		kills = 3
	}
	dir := filepath.Join(t.TempDir(), "state")
	store := statefile.NewLocal(dir, statefile.LocalOptions{})
	_, err := store.Init(t.Context())
	require.NoError(t, err)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	kept := map[string]bool{}
	for kill := range kills {
		after := random.IntN(60)
		cmd := child(t, dir, []string{"STATEFILE_TEST_START=" + strconv.Itoa(kill*1000)}, func(word, rest string) bool {
			if word == "kept" {
				kept["volume.data["+rest+"]"] = true
				after--
			}
			return after < 0
		})
		require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
		cmd.Wait()
		state, err := store.Read(t.Context())
		require.NoError(t, err, "seed %d, kill %d", seed, kill)
		for address := range kept {
			require.NotNil(t, state.Resource(address), "seed %d, kill %d: %s was acknowledged and is lost", seed, kill, address)
		}
		holder, err := store.Holder(t.Context())
		require.NoError(t, err)
		require.Nil(t, holder, "the kernel freed the lock")
	}
}

func TestAnotherProcessHoldsTheLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	store := statefile.NewLocal(dir, statefile.LocalOptions{})
	_, err := store.Init(t.Context())
	require.NoError(t, err)
	cmd := child(t, dir, []string{"STATEFILE_TEST_START=0", "STATEFILE_TEST_HOLD=1"}, func(word, _ string) bool { return word == "locked" })
	require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
	_, err = store.Lock(t.Context(), statefile.Holder{User: "ana"})
	var locked *statefile.LockedError
	require.ErrorAs(t, err, &locked)
	require.True(t, locked.Alive, "a stopped process still holds its lock")
	require.Equal(t, cmd.Process.Pid, locked.Holder.PID)
	require.Equal(t, "child@laptop", locked.Holder.Who())
	err = store.Unlock(t.Context(), true)
	require.ErrorContains(t, err, fmt.Sprintf("\n  kill %d", cmd.Process.Pid))
	_, err = store.Read(t.Context())
	require.NoError(t, err, "readers need no lock")

	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()
	session, err := store.Lock(t.Context(), statefile.Holder{User: "ana"})
	require.NoError(t, err)
	require.NoError(t, session.Append(t.Context(), putVolume(9999)))
	require.NoError(t, session.Close(t.Context()))
}
