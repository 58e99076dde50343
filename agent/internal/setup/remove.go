package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
	"github.com/dstackai/dstack-planner/agent/internal/runtime/docker"
)

// Remove gives a machine back as it was before Install. While jobs run it is a conflict, unless it is forced.
func Remove(ctx context.Context, p Place, want api.HostRemoval) (api.HostReport, error) {
	r := &report{api.HostReport{Did: []string{}}}
	if want.Preview && !there(p.At(api.HostFolder)) {
		return r.HostReport, nil
	}
	lock, err := p.lock()
	if err != nil {
		return r.HostReport, err
	}
	defer lock.Close()
	record, err := p.Record()
	if err != nil {
		return r.HostReport, err
	}
	if err := owned(record, want.Owner); err != nil {
		return r.HostReport, err
	}
	switch {
	case want.Preview && record == nil:
		return r.HostReport, nil
	case want.Preview:
		return r.HostReport, p.preview(ctx, *record, r)
	case record != nil:
		if err := p.giveBack(ctx, *record, want.Force, r); err != nil {
			return r.HostReport, err
		}
	}
	if _, err := remove(p.At(api.HostProgramNew)); err != nil {
		return r.HostReport, err
	}
	return r.HostReport, os.RemoveAll(p.At(api.HostFolder))
}

// preview says what giveBack would do.
func (p Place) preview(ctx context.Context, record api.HostRecord, r *report) error {
	if jobs, err := p.jobs(ctx, record); err == nil && len(jobs) > 0 {
		r.did("ended %s", strings.Join(jobs, ", "))
	}
	for _, image := range docker.Images(p.Dir()) {
		r.did("removed image %s, unless something else uses it", image)
	}
	if there(p.At(api.HostUnit)) {
		r.did("removed %s", api.HostUnit)
	}
	if err := p.editKeys(KeyEdit{Home: record.Login.Home, Owner: record.Owner, Preview: true}, record.Login, r); err != nil {
		return err
	}
	r.did("removed %s", api.HostProgram)
	r.did("removed %s", api.HostFolder)
	return nil
}

// giveBack undoes what install did, the record last.
func (p Place) giveBack(ctx context.Context, record api.HostRecord, force bool, r *report) error {
	if err := p.vacate(ctx, record, force, r); err != nil {
		return err
	}
	did, err := remove(p.At(api.HostProgram))
	if err != nil {
		return err
	}
	if did {
		r.did("removed %s", api.HostProgram)
	}
	_, err = remove(p.At(api.HostRecordFile))
	r.did("removed %s", api.HostFolder)
	return err
}

// vacate removes all that an owner has on the machine, but for the program and the record.
func (p Place) vacate(ctx context.Context, record api.HostRecord, force bool, r *report) error {
	jobs, err := p.jobs(ctx, record)
	if err != nil {
		return err
	}
	if len(jobs) > 0 && !force {
		return api.Errorf(api.KindConflict, "jobs run on it: %s; stop them first", strings.Join(jobs, ", "))
	}
	if !record.Removing {
		record.Removing = true
		if err := p.record(record); err != nil {
			return err
		}
	}
	if err := p.service().down(ctx, r); err != nil {
		return err
	}
	if err := p.endAgent(ctx, record, r); err != nil {
		return err
	}
	p.removeImages(ctx, r)
	if mounted := mountsBelow(p.Dir()); len(mounted) > 0 {
		return fmt.Errorf("something is mounted at %s; unmount it first: umount %s", strings.Join(mounted, ", "), strings.Join(mounted, " "))
	}
	if err := errors.Join(os.RemoveAll(p.Dir()), os.RemoveAll(p.At(api.HostUploadFolder)), os.RemoveAll(p.At(api.HostRunFolder))); err != nil {
		return err
	}
	if err := p.keys(record.Login, record.Owner, nil, r); err != nil {
		return err
	}
	for _, path := range []string{p.envFile(), p.servingFile()} {
		if _, err := remove(path); err != nil {
			return err
		}
	}
	return nil
}

// jobs are the ids of jobs that have not ended; none where no agent answers because none runs.
func (p Place) jobs(ctx context.Context, record api.HostRecord) ([]string, error) {
	left, _ := os.ReadDir(p.Dir() + "/jobs")
	if len(left) == 0 {
		return nil, nil
	}
	c, err := p.agent(ctx, record)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	list, err := c.Jobs(ctx)
	var ids []string
	for _, j := range list {
		if !j.Status.Finished() {
			ids = append(ids, j.ID)
		}
	}
	return ids, err
}

// agent is the one that runs, or one that is started for a moment: only an agent knows what its folder's jobs hold.
func (p Place) agent(ctx context.Context, record api.HostRecord) (*client.Client, error) {
	program := p.At(api.HostProgram)
	if !there(program) {
		program = p.Program
	}
	return client.StartAgent(ctx, client.StartOptions{Program: program, Dir: p.Dir(), Env: p.Environ(os.Environ())}, record.Blocks)
}

// endAgent ends every job, and the agent. Its service is gone, so that nobody starts it again.
func (p Place) endAgent(ctx context.Context, record api.HostRecord, r *report) error {
	if left, _ := os.ReadDir(p.Dir() + "/jobs"); len(left) > 0 {
		c, err := p.agent(ctx, record)
		if err != nil {
			return err
		}
		defer c.Close()
		list, err := c.Jobs(ctx)
		if err != nil {
			return err
		}
		for _, j := range list {
			if err := c.Delete(ctx, j.ID, true); err != nil {
				return err
			}
			if !j.Status.Finished() {
				r.did("ended %s", j.ID)
			}
		}
	}
	c := client.New(p.Dir())
	defer c.Close()
	if err := c.Shutdown(ctx, true); err != nil && !errors.Is(err, client.ErrNotRunning) {
		return err
	}
	return c.WaitGone(ctx)
}

// removeImages removes the images that the agent brought, but for those that somebody else uses by now. That one stays is no reason to
// keep the rest.
func (p Place) removeImages(ctx context.Context, r *report) {
	host := ""
	if env, err := p.Env(); err == nil {
		host = env["DOCKER_HOST"]
	}
	if host == "" {
		host = os.Getenv("DOCKER_HOST")
	}
	removed, kept := docker.Runtime{Host: host}.RemoveImages(ctx, p.Dir())
	for _, name := range removed {
		r.did("removed image %s", name)
	}
	r.Kept = append(r.Kept, kept...)
}

// Environ is the environment of the agent: the machine's, with what a service has none of, and what its fleet says.
func (p Place) Environ(environ []string) []string {
	out := append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}, environ...)
	env, _ := p.Env()
	for name, value := range env {
		out = append(out, name+"="+value)
	}
	return out
}
