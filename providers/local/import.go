package local

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// importable says what the ids of things are that can be taken over.
func importable() map[string]string {
	return map[string]string{
		addr.KindInstance: "the id or the folder of an instance that this provider made: $DSTACK_HOME/local/instances/ID",
		addr.KindVolume:   "the id or the folder of a volume that this provider made, $DSTACK_HOME/local/volumes/ID, or the path of any folder, which is then used as with volume_id",
		addr.KindGateway:  "the id or the folder of a gateway that this provider made: $DSTACK_HOME/local/gateways/ID",
	}
}

// Locate looks for a folder of ours by its id or path, and for volumes for any folder.
func (b *backend) Locate(ctx context.Context, kind, id string) (providers.Located, error) {
	switch kind {
	case addr.KindInstance:
		return locate(ctx, b.instances, id, instances{b}.see, func(v *schema.Instance) { v.Backend, v.Region = b.name, Region }, b.runningJobs)
	case addr.KindGateway:
		return locate(ctx, b.gateways, id, gateways{b}.see, func(v *schema.Gateway) { v.Backend = b.name }, nil)
	case addr.KindVolume:
		known, err := b.volumeAt(id)
		if err != nil {
			return providers.Located{}, failed(err)
		}
		if known == "" {
			return b.foreign(id), nil
		}
		see := func(_ context.Context, o providers.Object[schema.Volume]) providers.Observed[schema.Volume] {
			return volumes{b}.see(o)
		}
		return locate(ctx, b.volumes, known, see, func(v *schema.Volume) { v.Backend = b.name }, nil)
	}
	return providers.Located{}, providers.Errorf(providers.Invalid, "the local provider takes over instances, volumes and gateways, and no %s", kind)
}

// Adopt writes the new lineage and address into the tags. A folder that has none gets a note of its own, as a volume with
// volume_id does.
func (b *backend) Adopt(ctx context.Context, kind, id string, as providers.Adoption) (providers.Located, error) {
	found, err := b.Locate(ctx, kind, id)
	if err != nil {
		return found, err
	}
	if found.Key == "" {
		v, err := schema.Decode[schema.Volume](found.Object.Value)
		if err != nil {
			return found, failed(err)
		}
		op := providers.Op[schema.Volume]{Address: as.Address, Lineage: as.Lineage, Key: as.Key, Planned: v}
		if _, err := (volumes{b}).Create(ctx, op, func(providers.Progress[schema.Volume]) error { return nil }); err != nil {
			return found, err
		}
		return b.Locate(ctx, kind, idOf(as.Key))
	}
	adopt := func(t *tags) { t.Lineage, t.Address = as.Lineage, as.Address }
	switch kind {
	case addr.KindInstance:
		err = b.instances.retag(ctx, found.Object.ID, adopt)
	case addr.KindGateway:
		err = b.gateways.retag(ctx, found.Object.ID, adopt)
	default:
		err = b.volumes.retag(ctx, found.Object.ID, adopt)
	}
	found.Lineage, found.Address = as.Lineage, as.Address
	return found, err
}

// idAt is the id that a person means by an id or the path of a folder on the shelf, "" if it is neither.
func (s shelf[T]) idAt(text string) string {
	if isID(text) {
		return text
	}
	path := filepath.Clean(text)
	if filepath.Base(path) == dataDir && isID(filepath.Base(filepath.Dir(path))) {
		path = filepath.Dir(path)
	}
	if id := filepath.Base(path); filepath.Dir(path) == s.path() && isID(id) {
		return id
	}
	return ""
}

func locate[T any](ctx context.Context, s shelf[T], text string, see func(context.Context, providers.Object[T]) providers.Observed[T], ours func(*T), warn func(context.Context, string) []string) (providers.Located, error) {
	id := s.idAt(text)
	nothing := providers.Errorf(providers.NotFound, "there is no %s %s: it is neither the id of a folder in %s nor the path of one", s.kind, text, s.path())
	if id == "" {
		return providers.Located{}, nothing
	}
	t, err := s.tagged(id)
	if isGone(err) {
		return providers.Located{}, nothing
	}
	if err != nil {
		return providers.Located{}, failed(err)
	}
	v, err := s.value(t)
	if err != nil {
		return providers.Located{}, failed(err)
	}
	ours(&v)
	seen := see(ctx, object(id, v, private{}, false))
	switch seen.Presence {
	case providers.Gone:
		return providers.Located{}, nothing
	case providers.Unknown:
		return providers.Located{}, failed(seen.Err)
	}
	o := seen.Object
	out := providers.Located{Object: providers.Object[cty.Value]{ID: o.ID, Value: schema.Encode(o.Value), Private: o.Private, Tainted: o.Tainted},
		Lineage: t.Lineage, Address: t.Address, Key: t.Key}
	if warn != nil {
		out.Warnings = warn(ctx, id)
	}
	return out, nil
}

// volumeAt is the id of the volume that a text means: by id, by its folder, or by the folder that it uses. It is "" for a folder
// that is of no volume yet, and an fs.ErrNotExist error of ours for what is no folder at all.
func (b *backend) volumeAt(text string) (string, error) {
	if id := b.volumes.idAt(text); id != "" {
		return id, nil
	}
	if !filepath.IsAbs(text) || !isDir(text) {
		return "", providers.Errorf(providers.NotFound, "there is no volume %s: it is neither the id of a folder in %s nor the absolute path of a folder", text, b.volumes.path())
	}
	ids, err := b.volumes.ids()
	if err != nil {
		return "", err
	}
	for _, id := range ids {
		t, err := b.volumes.tagged(id)
		if err != nil {
			continue // damaged, or gone by now: it is none that this could be
		}
		if v, err := b.volumes.value(t); err == nil && v.VolumeID != "" && v.Location == filepath.Clean(text) {
			return id, nil
		}
	}
	return "", nil
}

// foreign is a folder that no volume uses yet. It is named after its last part where that can be a name.
func (b *backend) foreign(path string) providers.Located {
	path = filepath.Clean(path)
	v := schema.Volume{VolumeID: path, Location: path, Backend: b.name, Region: Region, Status: active, Price: ptr(0.0)}
	if name, err := value.NameFromLabel(strings.ToLower(filepath.Base(path))); err == nil {
		v.Name = name.String()
	}
	return providers.Located{Object: providers.Object[cty.Value]{ID: path, Value: schema.Encode(v)}}
}

// runningJobs warns of what an instance runs already.
func (b *backend) runningJobs(ctx context.Context, id string) []string {
	list, err := b.jobsOf(ctx, id)
	if err != nil {
		return nil // what cannot be asked now is asked with the next plan
	}
	var out []string
	for _, j := range list {
		if !j.Status.Finished() {
			out = append(out, "Instance "+id+" runs the job "+j.Labels[labelAddress]+". If that is not recorded, it keeps what it has taken of the instance until it ends.")
		}
	}
	return out
}
