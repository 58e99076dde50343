package agent

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/disk"
	"github.com/dstackai/dstack-planner/agent/internal/runtime/process"
)

// readyWait is how long a supervisor may take to say that it has taken over.
const readyWait = 30 * time.Second

// submit takes a job, or returns the one that was taken before with the same specification.
func (s *server) submit(ctx context.Context, spec api.JobSpec) (*job, error) {
	if err := s.validate(spec); err != nil {
		return nil, err
	}
	if err := s.checkContents(spec); err != nil {
		return nil, err
	}
	for {
		j, mine, err := s.reserve(spec)
		if err != nil {
			return nil, err
		}
		if mine {
			return j, s.launch(j, spec)
		}
		select {
		case <-j.submitted:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if !j.isGone() {
			return j, nil
		}
		// Whoever submitted it before could not; now it is this one's turn.
	}
}

// reserve finds the job, or makes it with what it needs of the machine; mine is true if it was made.
func (s *server) reserve(spec api.JobSpec) (j *job, mine bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.jobs[spec.ID]; j != nil {
		if !j.rec.sameAs(spec) {
			return nil, false, api.Errorf(api.KindConflict, "job %s exists with another specification; delete it first, or take another id", spec.ID)
		}
		return j, false, nil
	}
	if s.closing {
		return nil, false, api.Errorf(api.KindConflict, "the agent is shutting down")
	}
	if total := len(s.locks.blocks); spec.Blocks.Total != 0 && spec.Blocks.Total != total {
		return nil, false, api.Errorf(api.KindInvalid, "job %s counts on %d host blocks, and this machine is divided into %d", spec.ID, spec.Blocks.Total, total)
	}
	blocks, gpus, lerr := s.locks.acquire(spec.ID, spec.Blocks.Need, spec.GPUs)
	if lerr != nil {
		return nil, false, lerr
	}
	salt := rand.Text()
	j = newJob(jobPath(s.dir, spec.ID), record{
		Version: api.Version, Spec: withoutSecrets(spec), SubmittedAt: time.Now().UTC(), Salt: salt, Digest: digest(spec, salt),
		Blocks: blocks, TotalBlocks: len(s.locks.blocks), GPUs: gpus,
	})
	s.jobs[spec.ID] = j
	return j, true, nil
}

// launch writes the job down and starts its supervisor. A job that could not be launched leaves nothing behind.
func (s *server) launch(j *job, spec api.JobSpec) (err error) {
	defer j.settle()
	supervisor, err := s.startSupervisor(j, spec)
	if err != nil {
		s.forget(j)
		return api.Errorf(api.KindInternal, "start job %s: %v", spec.ID, err)
	}
	s.watchers.Go(func() {
		s.watch(j)
		if s.watching.Err() == nil {
			supervisor.Wait()
		}
	})
	s.log.Info("job submitted", "job", spec.ID)
	return nil
}

// startSupervisor starts the job's supervisor and returns when it has written that it is there. Its lock is taken here and
// inherited by it, so that there is no moment in which it lives without the lock.
func (s *server) startSupervisor(j *job, spec api.JobSpec) (*exec.Cmd, error) {
	if err := os.Mkdir(j.dir, 0o700); err != nil {
		return nil, err
	}
	if err := disk.WriteJSON(filepath.Join(j.dir, recordFile), j.rec); err != nil {
		return nil, err
	}
	if err := j.openDoor(); err != nil {
		return nil, err
	}
	lock, err := disk.TryLock(filepath.Join(j.dir, lockFile))
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	stderr, err := os.OpenFile(filepath.Join(j.dir, errorsFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	readyR, readyW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer readyR.Close()
	cmd := exec.Command(s.program, "supervise", j.dir)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = "/", append(process.NetworkEnv(os.Environ()), s.base...), stderr, stderr
	cmd.ExtraFiles = []*os.File{lockFD - 3: lock, readyFD - 3: readyW}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	readyW.Close()
	if err != nil {
		return nil, err
	}
	t := s.taskOf(j)
	t.Spec = spec
	err = json.NewEncoder(in).Encode(t)
	in.Close()
	if err == nil {
		readyR.SetReadDeadline(time.Now().Add(readyWait))
		_, err = bufio.NewReader(readyR).ReadString('\n')
	}
	if err == nil {
		return cmd, nil
	}
	cmd.Process.Kill()
	cmd.Wait()
	said, _ := os.ReadFile(filepath.Join(j.dir, errorsFile))
	return nil, fmt.Errorf("its supervisor did not start: %w: %s", err, strings.TrimSpace(string(said)))
}

// forget removes a job that has no process, its folder and what it holds.
func (s *server) forget(j *job) error {
	if st := j.status(); st.Container != "" {
		// Docker did not answer when the job ended; nothing of it may stay behind its folder.
		if _, err := runtimeOf(s.taskOf(j)).Remove(context.WithoutCancel(s.watching), j.dir, st.Handle); err != nil {
			return fmt.Errorf("job %s stays, because its container does: %w", j.rec.Spec.ID, err)
		}
	}
	// Renamed first, so that a job is there or is not, however long its removal takes.
	trash := filepath.Join(s.dir, "trash-"+rand.Text())
	err := os.Rename(j.dir, trash)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", j.dir, err)
	}
	s.mu.Lock()
	s.locks.release(j.rec.Spec.ID)
	delete(s.jobs, j.rec.Spec.ID)
	s.mu.Unlock()
	j.change(func() { j.gone = true })
	s.sweep(digestsOf(j.rec.Spec)...)
	return os.RemoveAll(trash)
}

// digest identifies a specification, secrets included, to somebody who has the salt and the specification.
func digest(spec api.JobSpec, salt string) string {
	mac := hmac.New(sha256.New, []byte(salt))
	mac.Write(canonical(spec))
	return hex.EncodeToString(mac.Sum(nil))
}

// withoutValues keeps the names of variables only.
func withoutValues(env []string) []string {
	var names []string
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		names = append(names, name)
	}
	return names
}

// withoutSecrets is the specification as it may be written and shown.
func withoutSecrets(spec api.JobSpec) api.JobSpec {
	spec.Env = withoutValues(spec.Env)
	if spec.Container != nil && spec.Container.RegistryAuth != nil {
		c, auth := *spec.Container, *spec.Container.RegistryAuth
		auth.Password = ""
		spec.Container, c.RegistryAuth = &c, &auth
	}
	if spec.Repo != nil {
		r := *spec.Repo
		r.Token, r.PrivateKey = "", ""
		spec.Repo = &r
	}
	return spec
}
