package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// attachmentsDir holds the notes of a volume about who uses it, in the volume's folder.
const attachmentsDir = "attachments"

// tie is an attachment as it is written down.
type tie struct {
	tags
	Instance string `json:"instance"`
	Volume   string `json:"volume"`
}

func (b *backend) tiePath(volume, id string) string {
	return filepath.Join(b.volumes.dir(volume), attachmentsDir, id+".json")
}

// attach notes that an instance uses a volume. Both have to be there.
func (r supports) attach(ctx context.Context, id string, op providers.Op[schema.Support]) (providers.Object[schema.Support], error) {
	var none providers.Object[schema.Support]
	machine, _, hasMachine := providers.NeedOf[schema.Instance](op.Needs, addr.KindInstance)
	volume, _, hasVolume := providers.NeedOf[schema.Volume](op.Needs, addr.KindVolume)
	if !hasMachine || !hasVolume || !isID(machine.ID) || !isID(volume.ID) {
		return none, providers.Errorf(providers.Invalid, "%s: an attachment needs an instance and a volume of this machine", op.Address)
	}
	if _, err := r.instances.tagged(machine.ID); isGone(err) {
		return none, gone("instance", machine.ID)
	}
	h, err := r.volumes.hold(ctx, volume.ID)
	if isGone(err) {
		return none, gone("volume", volume.ID)
	}
	if err != nil {
		return none, err
	}
	defer h.release()
	if old, err := r.readTie(volume.ID, id); err == nil && old.Instance != machine.ID {
		return none, providers.Errorf(providers.Conflict, "attachment %s ties volume %s to another instance", id, volume.ID)
	}
	v := finishAttachment(id, op.Planned, machine.ID)
	t := tie{Instance: machine.ID, Volume: volume.ID, tags: tags{
		Version: tagsVersion, Kind: addr.KindSupport, ID: id, Lineage: op.Lineage, Address: op.Address, Key: op.Key, Ready: true, Made: time.Now().UTC(),
	}}
	if err := r.writeTie(t, v); err != nil {
		return none, err
	}
	return object(id, v, private{Instance: machine.ID, Volume: volume.ID}, false), nil
}

func finishAttachment(id string, v schema.Support, instance string) schema.Support {
	v.ID, v.Status = id, ready
	if v.Data == nil {
		v.Data = map[string]string{"instance": instance}
	}
	return v
}

// annotate writes down an attachment's new value.
func (r supports) annotate(ctx context.Context, prior providers.Object[schema.Support], want schema.Support, p private) (providers.Object[schema.Support], error) {
	h, err := r.volumes.hold(ctx, p.Volume)
	if isGone(err) {
		return prior, gone("attachment", prior.ID)
	}
	if err != nil {
		return prior, err
	}
	defer h.release()
	t, err := r.readTie(p.Volume, prior.ID)
	if isGone(err) {
		return prior, gone("attachment", prior.ID)
	}
	if err != nil {
		return prior, err
	}
	v := finishAttachment(prior.ID, want, p.Instance)
	if err := r.writeTie(t, v); err != nil {
		return prior, err
	}
	return object(prior.ID, v, p, false), nil
}

func (r supports) detach(ctx context.Context, id string, p private) error {
	if p.Volume == "" {
		return providers.Errorf(providers.Invalid, "the record of support object %s does not say what it is", id)
	}
	h, err := r.volumes.hold(ctx, p.Volume)
	if err != nil {
		return err
	}
	defer h.release()
	return os.Remove(r.tiePath(p.Volume, id))
}

func (b *backend) readTie(volume, id string) (tie, error) {
	var t tie
	path := b.tiePath(volume, id)
	if err := readTags(path, &t); err != nil {
		return t, err
	}
	if t.ID != id || t.Volume != volume || !isID(t.Instance) {
		return t, fmt.Errorf("read %s: it is of attachment %q", path, t.ID)
	}
	return t, nil
}

func (b *backend) writeTie(t tie, v schema.Support) error {
	value, err := schema.MarshalValue(schema.Encode(v))
	if err != nil {
		return err
	}
	t.Value = value
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	path := b.tiePath(t.Volume, t.ID)
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return place(path, append(data, '\n'))
}

// attachments lists those of a volume whose instances are there.
func (b *backend) attachments(volume string) ([]tie, error) {
	entries, err := os.ReadDir(filepath.Join(b.volumes.dir(volume), attachmentsDir))
	if isGone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []tie
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || !isID(id) {
			continue
		}
		t, err := b.readTie(volume, id)
		if isGone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if _, err := b.instances.tagged(t.Instance); isGone(err) {
			continue // it went with its instance
		}
		out = append(out, t)
	}
	return out, nil
}

func (r supports) seeAttachment(o providers.Object[schema.Support], p private) providers.Observed[schema.Support] {
	if p.Volume == "" {
		return unknown[schema.Support](providers.Errorf(providers.Invalid, "the record of support object %s does not say what it is", o.ID))
	}
	t, err := r.readTie(p.Volume, o.ID)
	if err == nil {
		_, err = r.instances.tagged(t.Instance)
	}
	if isGone(err) {
		return providers.Observed[schema.Support]{Presence: providers.Gone}
	}
	if err != nil {
		return unknown[schema.Support](failed(err))
	}
	return providers.Observed[schema.Support]{Presence: providers.Present, Object: object(o.ID, finishAttachment(o.ID, o.Value, t.Instance), p, false)}
}

// pickAttachments looks through all volumes.
func (r supports) pickAttachments(ctx context.Context, pick func(lineage, key string) bool) ([]providers.Found[schema.Support], error) {
	ids, err := r.volumes.ids()
	if err != nil {
		return nil, err
	}
	var out []providers.Found[schema.Support]
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		ties, err := r.attachments(id)
		if err != nil {
			return nil, err
		}
		for _, t := range ties {
			if !pick(t.Lineage, t.Key) {
				continue
			}
			v, err := shelf[schema.Support]{kind: addr.KindSupport}.value(t.tags)
			if err != nil {
				return nil, err
			}
			out = append(out, providers.Found[schema.Support]{Key: t.Key, Address: t.Address, Complete: true,
				Object: object(t.ID, v, private{Instance: t.Instance, Volume: t.Volume}, false)})
		}
	}
	return out, nil
}
