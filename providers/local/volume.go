package local

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// dataDir is where a volume's data is in its folder, apart from what is said about it.
const dataDir = "data"

// active is the status of every volume that is there.
const active = "active"

type volumes struct{ *backend }

// Plan says that a volume can grow and not shrink, and where it will cost nothing.
func (r volumes) Plan(ctx context.Context, changes []providers.Change) ([]providers.Planned, error) {
	return answer(changes, r.plan), ctx.Err()
}

func (r volumes) plan(c providers.Change, want schema.Volume, p *providers.Planned) {
	if p.Err = r.check(want); p.Err != nil {
		return
	}
	p.Promise(map[string]cty.Value{
		"region": cty.StringVal(Region), "availability_zone": cty.NullVal(cty.String), "price": cty.NumberIntVal(0), "size": cty.NullVal(cty.String),
	})
	if c.Knows("volume_id") && want.VolumeID != "" {
		p.Promise(map[string]cty.Value{"location": cty.StringVal(filepath.Clean(want.VolumeID))})
	}
	if c.Prior == nil || !c.Knows("size") || want.Size.IsZero() {
		return
	}
	if prior, err := schema.Decode[schema.Volume](c.Prior.Value); err == nil && want.Size.GB() < prior.Size.GB() {
		p.Replace = append(p.Replace, providers.ReplaceReason{Path: "size", Why: "a volume cannot shrink"})
	}
}

func (r volumes) check(v schema.Volume) *providers.Error {
	if err := r.checkPlace(v.Region, v.Zone); err != nil {
		return err
	}
	if v.VolumeID != "" && !filepath.IsAbs(v.VolumeID) {
		return providers.Errorf(providers.Invalid, "volume_id is %q; on this machine it is the absolute path of a folder", v.VolumeID)
	}
	return nil
}

// Create makes the folder, or registers the one that volume_id names.
func (r volumes) Create(ctx context.Context, op providers.Op[schema.Volume], report providers.Report[schema.Volume]) (providers.Object[schema.Volume], error) {
	var none providers.Object[schema.Volume]
	if err := begin(ctx, op); err != nil {
		return none, err
	}
	if err := r.check(op.Planned); err != nil {
		return none, err
	}
	if id := op.Planned.VolumeID; id != "" {
		if info, err := os.Stat(id); err != nil || !info.IsDir() {
			return none, providers.Errorf(providers.Invalid, "volume_id is %s, and there is no such folder; a volume with a volume_id is never made", id)
		}
	}
	id := idOf(op.Key)
	v := r.finish(id, op.Planned)
	h, _, err := r.volumes.make(ctx, op, v, true)
	if err != nil {
		return none, failed(err)
	}
	defer h.release()
	if v.VolumeID == "" {
		if err := makeData(v.Location); err != nil {
			return none, failed(err)
		}
	}
	made := object(id, v, private{}, false)
	if err := told(report, "", &made); err != nil {
		return made, err
	}
	return made, nil
}

// makeData makes a volume's folder. Everybody may write in it, and only its owner comes to it: jobs of other users have it
// mounted.
func makeData(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err == nil {
		err = os.Chmod(dir, 0o777)
	}
	return err
}

// finish fills in what the provider says.
func (r volumes) finish(id string, v schema.Volume) schema.Volume {
	v.ID, v.Price, v.Status = id, ptr(0.0), active
	if v.Region == "" {
		v.Region = Region
	}
	v.Location = filepath.Join(r.volumes.dir(id), dataDir)
	if v.VolumeID != "" {
		v.Location = filepath.Clean(v.VolumeID)
	}
	return v
}

// Update writes down a new name or size.
func (r volumes) Update(ctx context.Context, prior providers.Object[schema.Volume], op providers.Op[schema.Volume], report providers.Report[schema.Volume]) (providers.Object[schema.Volume], error) {
	if err := ctx.Err(); err != nil {
		return prior, err
	}
	if _, err := known(prior); err != nil {
		return prior, err
	}
	if err := r.check(op.Planned); err != nil {
		return prior, err
	}
	v := r.finish(prior.ID, op.Planned)
	err := r.volumes.change(ctx, prior.ID, v, func(was schema.Volume) error {
		if v.VolumeID != was.VolumeID {
			return providers.Errorf(providers.Invalid, "volume %s cannot become another folder", prior.ID)
		}
		if v.Size.GB() < was.Size.GB() {
			return providers.Errorf(providers.Invalid, "volume %s cannot shrink from %s to %s", prior.ID, was.Size, v.Size)
		}
		return nil
	})
	if err != nil {
		return prior, err
	}
	return object(prior.ID, v, private{}, false), nil
}

// Delete removes the folder with its data, and of one that volume_id names only the note.
func (r volumes) Delete(ctx context.Context, prior providers.Object[schema.Volume], op providers.Op[schema.Volume], report providers.Report[schema.Volume]) error {
	return r.volumes.delete(ctx, prior, func() error { return r.unused(ctx, prior) })
}

// unused refuses to delete what a running job mounts.
func (r volumes) unused(ctx context.Context, v providers.Object[schema.Volume]) error {
	ties, err := r.attachments(v.ID)
	if err != nil {
		return failed(err)
	}
	for _, tie := range ties {
		seen, err := r.jobsOf(ctx, tie.Instance)
		if isGone(err) {
			continue
		}
		if err != nil {
			return err
		}
		for _, j := range seen {
			for _, m := range j.Spec.Mounts {
				if !j.Status.Finished() && m.Source == v.Value.Location {
					return providers.Errorf(providers.Conflict, "volume %s is mounted by job %s, which has not ended; stop it first", v.Value.Name, j.Labels[labelAddress])
				}
			}
		}
	}
	return nil
}

// Read looks at the folders.
func (r volumes) Read(ctx context.Context, recorded []providers.Object[schema.Volume], yield func(int, providers.Observed[schema.Volume])) error {
	return eachAtOnce(ctx, len(recorded), func(i int) providers.Observed[schema.Volume] { return r.see(recorded[i]) }, yield)
}

func (r volumes) see(o providers.Object[schema.Volume]) providers.Observed[schema.Volume] {
	if _, err := known(o); err != nil {
		return unknown[schema.Volume](err)
	}
	t, err := r.volumes.tagged(o.ID)
	if isGone(err) {
		return providers.Observed[schema.Volume]{Presence: providers.Gone}
	}
	if err != nil {
		return unknown[schema.Volume](failed(err))
	}
	// Less than the whole value, because there may be many.
	var said struct {
		Name string `json:"name"`
		Size string `json:"size"`
	}
	if err := json.Unmarshal(t.Value, &said); err != nil {
		return unknown[schema.Volume](providers.Errorf(providers.Internal, "the tags of volume %s are damaged: %w", o.ID, err))
	}
	v := r.finish(o.ID, o.Value)
	v.Name = said.Name
	if said.Size != o.Value.Size.String() {
		if err := v.Size.UnmarshalText([]byte(said.Size)); err != nil {
			return unknown[schema.Volume](providers.Errorf(providers.Internal, "the tags of volume %s are damaged: %w", o.ID, err))
		}
	}
	if !isDir(v.Location) {
		v.Status = "failed"
		return providers.Observed[schema.Volume]{Presence: providers.Present, Object: object(o.ID, v, private{}, true)}
	}
	return providers.Observed[schema.Volume]{Presence: providers.Present, Object: object(o.ID, v, private{}, false)}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Find looks for volumes by the keys that they were made under.
func (r volumes) Find(ctx context.Context, keys []string) ([]providers.Found[schema.Volume], error) {
	found, err := r.volumes.find(ctx, keys, r.whole)
	return found, failed(err)
}

// List is every volume of a lineage.
func (r volumes) List(ctx context.Context, lineage string) ([]providers.Found[schema.Volume], error) {
	found, err := r.volumes.list(ctx, lineage, r.whole)
	return found, failed(err)
}

// whole tells whether a volume's folder is there, too.
func (r volumes) whole(t tags) bool {
	v, err := r.volumes.value(t)
	return err == nil && isDir(v.Location)
}

// folder is where a job finds a volume on this machine.
func (b *backend) folder(o providers.Object[schema.Volume]) (string, error) {
	if !isID(o.ID) || o.Value.Location == "" {
		return "", providers.Errorf(providers.Invalid, "volume %s is not on this machine, so no job here can mount it", o.Value.Name)
	}
	if _, err := b.volumes.tagged(o.ID); isGone(err) {
		return "", providers.Errorf(providers.NotFound, "volume %s is not on this machine any more: %s is gone", o.Value.Name, b.volumes.dir(o.ID))
	}
	if !isDir(o.Value.Location) {
		return "", providers.Errorf(providers.NotFound, "volume %s has no folder: there is nothing at %s", o.Value.Name, o.Value.Location)
	}
	return o.Value.Location, nil
}
