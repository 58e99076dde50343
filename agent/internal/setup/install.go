package setup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
)

// answerWait is how long an agent may take until it answers. With a driver that hangs it takes its time to know its machine.
const answerWait = time.Minute

// report collects what was done.
type report struct{ api.HostReport }

func (r *report) did(format string, args ...any) { r.Did = append(r.Did, fmt.Sprintf(format, args...)) }

// Install makes the machine a host as a specification says, and returns when its agent answers.
func Install(ctx context.Context, p Place, spec api.HostSpec) (api.HostReport, error) {
	r := &report{api.HostReport{Did: []string{}}}
	lock, err := p.lock()
	if err != nil {
		return r.HostReport, err
	}
	defer lock.Close()
	return r.HostReport, p.install(ctx, spec, r)
}

func (p Place) install(ctx context.Context, spec api.HostSpec, r *report) error {
	sum, err := Sum(p.Program)
	if err != nil {
		return err
	}
	if sum != spec.Program {
		return api.Errorf(api.KindInvalid, "the agent that was sent is damaged: its checksum is %s and should be %s", sum, spec.Program)
	}
	record, err := p.Record()
	if err != nil {
		return err
	}
	taken := false
	if err := owned(record, spec.Owner); err != nil {
		if !spec.TakeOver {
			return err
		}
		r.did("took it over from %s", record.Owner.Address)
		// The record stays until it is ours: what is on the machine is always somebody's.
		if err := p.vacate(ctx, *record, true, r); err != nil {
			return err
		}
		record, taken = nil, true
	}
	if record == nil && !taken {
		for _, path := range []string{api.HostProgram, api.HostUnit} {
			if there(p.At(path)) {
				return api.Errorf(api.KindConflict, "there is a %s that dstack did not put there; move it away", path)
			}
		}
	}
	want := api.HostRecord{Version: recordVersion, Owner: spec.Owner, Login: spec.Login, Blocks: max(1, spec.Blocks), Program: sum}
	if record != nil {
		want.Owner.Since, want.Owner.By = record.Owner.Since, record.Owner.By
	}
	if err := p.record(want); err != nil {
		return err
	}
	if record == nil {
		r.did("wrote down that it is %s", spec.Owner.Address)
	}
	if err := p.putProgram(r); err != nil {
		return err
	}
	if err := p.putEnv(spec.Env, r); err != nil {
		return err
	}
	if record != nil && record.Login != want.Login {
		if err := p.keys(record.Login, spec.Owner, nil, r); err != nil {
			return err
		}
	}
	if err := p.keys(want.Login, spec.Owner, spec.Keys, r); err != nil {
		return err
	}
	if err := p.serve(ctx, want, r); err != nil {
		return err
	}
	return os.RemoveAll(p.At(api.HostUploadFolder))
}

// putProgram puts the program that runs in its place.
func (p Place) putProgram(r *report) error {
	to, fresh := p.At(api.HostProgram), p.At(api.HostProgramNew)
	if now, err := Sum(to); err == nil {
		if want, err := Sum(p.Program); err == nil && now == want {
			if p.Program != to {
				_, err = remove(fresh)
			}
			return err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if p.Program != fresh {
		if err := copyFile(p.Program, fresh); err != nil {
			return err
		}
	}
	if err := os.Chmod(fresh, 0o755); err != nil {
		return err
	}
	if err := os.Rename(fresh, to); err != nil {
		return err
	}
	r.did("installed %s", api.HostProgram)
	return nil
}

func copyFile(from, to string) (err error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

func (p Place) putEnv(env map[string]string, r *report) error {
	if len(env) == 0 {
		did, err := remove(p.envFile())
		if did {
			r.did("removed the agent's environment")
		}
		return err
	}
	text, err := json.Marshal(env)
	if err != nil {
		return err
	}
	did, err := write(p.envFile(), append(text, '\n'), 0o600)
	if did {
		r.did("wrote the agent's environment")
	}
	return err
}

// Env is the environment of the agent beside the machine's own.
func (p Place) Env() (map[string]string, error) {
	text, err := os.ReadFile(p.envFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var env map[string]string
	if err := json.Unmarshal(text, &env); err != nil {
		return nil, fmt.Errorf("read %s: %w", p.envFile(), err)
	}
	return env, nil
}

// digest tells agents apart that have to be started anew because something that they were started with is another.
func (p Place) digest(r api.HostRecord) (string, error) {
	env, err := os.ReadFile(p.envFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%s\x00%d\x00%d\x00%s", r.Program, r.Owner.Lineage, r.Owner.Address, r.Blocks, r.Login.UID, env)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Serving writes down what the agent that starts is started with. The agent calls it when it holds its folder.
func (p Place) Serving(r api.HostRecord) error {
	digest, err := p.digest(r)
	if err != nil {
		return err
	}
	_, err = write(p.servingFile(), []byte(digest+"\n"), 0o600)
	return err
}

// serve has the agent running as the record says.
func (p Place) serve(ctx context.Context, want api.HostRecord, r *report) error {
	digest, err := p.digest(want)
	if err != nil {
		return err
	}
	c := client.New(p.Dir())
	defer c.Close()
	_, err = c.Info(ctx)
	now, _ := os.ReadFile(p.servingFile())
	fresh := string(now) != digest+"\n"
	s := p.service()
	if err := s.up(ctx, fresh || err != nil, r); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		_, err := c.Info(ctx)
		if err == nil {
			// One that was told to end may still answer.
			if now, err := os.ReadFile(p.servingFile()); err == nil && string(now) == digest+"\n" {
				return nil
			}
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("the agent was started and does not answer: %w%s", errors.Join(err, context.Cause(ctx)), s.said())
		}
	}
}
