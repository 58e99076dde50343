package fake

import (
	"encoding/json"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

const (
	volumeMonthly = 0.08 // dollars for a GB
	mostVolume    = 64 * 1024
)

type volumeKind struct{ b *backend }

func (volumeKind) name() string   { return addr.KindVolume }
func (volumeKind) prefix() string { return "vol" }

func (volumeKind) place(v *schema.Volume) (machine, region, zone string) {
	return "", v.Region, v.Zone
}

func (volumeKind) plan(change providers.Change, want *schema.Volume, p *providers.Planned) {
	if want.Size.GB() > mostVolume {
		p.Err = providers.Errorf(providers.Invalid, "a volume has at most 64TB, not %s", want.Size.Display())
		return
	}
	if change.Prior != nil {
		if prior, err := schema.Decode[schema.Volume](change.Prior.Value); err == nil && !want.Size.IsZero() && want.Size.GB() < prior.Size.GB() {
			p.Replace = append(p.Replace, providers.ReplaceReason{Path: "size", Why: "a volume cannot shrink"})
		}
	}
	if change.Knows("size") && change.Knows("volume_id") {
		p.Promise(map[string]cty.Value{"price": cty.NumberFloatVal(volumePrice(want))})
	}
}

// volumePrice is nothing for a disk that is somebody else's.
func volumePrice(v *schema.Volume) float64 {
	if v.VolumeID != "" {
		return 0
	}
	return value.MoneyOf(v.Size.GB() * volumeMonthly / value.HoursPerMonth).Dollars()
}

func (k volumeKind) make(c *contents, _ providers.Op[schema.Volume], o *Object, v *schema.Volume) error {
	if err := k.b.checkPlace(v.Region, v.Zone); err != nil {
		return err
	}
	if v.VolumeID != "" {
		disk := c.objects[v.VolumeID]
		if disk == nil || disk.Kind != KindDisk {
			return &providers.Error{Kind: providers.Invalid, Code: "InvalidVolume.NotFound", Message: fmt.Sprintf("there is no disk %s", v.VolumeID)}
		}
		o.On = []string{disk.ID}
		if err := adopt(disk, v); err != nil {
			return err
		}
	} else if v.Size.GB() <= 0 || v.Size.GB() > mostVolume {
		return providers.Errorf(providers.Invalid, "a volume has more than 0GB and at most 64TB, not %q", v.Size)
	}
	o.Zone = v.Zone
	v.ID = o.ID
	k.compute(o, v)
	return nil
}

// adopt takes size and zone from a disk that is somebody else's, where they were not said.
func adopt(disk *Object, v *schema.Volume) error {
	var is struct {
		Size value.Memory `json:"size"`
	}
	if len(disk.Attributes) > 0 {
		if err := json.Unmarshal(disk.Attributes, &is); err != nil {
			return fmt.Errorf("read the attributes of %s: %w", disk.ID, err)
		}
	}
	setDefault(&v.Zone, disk.Zone)
	setDefault(&v.Size, is.Size)
	if disk.Zone != "" && disk.Zone != v.Zone {
		return providers.Errorf(providers.Invalid, "disk %s is in %s, not in %s", disk.ID, disk.Zone, v.Zone)
	}
	if !is.Size.IsZero() && !is.Size.Equal(v.Size) {
		return providers.Errorf(providers.Invalid, "disk %s has %s, not %s", disk.ID, is.Size.Display(), v.Size.Display())
	}
	return nil
}

func (volumeKind) compute(o *Object, v *schema.Volume) {
	disk := o.ID
	if v.VolumeID != "" {
		disk = v.VolumeID
	}
	setDefault(&v.Location, fmt.Sprintf("fake://%s/%s", v.Region, disk))
	if v.Price == nil {
		price := volumePrice(v)
		v.Price = &price
	}
}

func (k volumeKind) update(_ *contents, _ providers.Op[schema.Volume], o *Object, was, v *schema.Volume) error {
	if v.Size.GB() < was.Size.GB() {
		return providers.Errorf(providers.Invalid, "%s cannot shrink from %s to %s", o.ID, was.Size, v.Size)
	}
	if v.Region != was.Region || v.Zone != was.Zone || v.VolumeID != was.VolumeID {
		return providers.Errorf(providers.Invalid, "the place of volume %s cannot be changed", o.ID)
	}
	v.ID = o.ID
	k.compute(o, v)
	return nil
}

func (volumeKind) release(c *contents, o *Object) error {
	for _, above := range c.dependents(o.ID) {
		return inUse(o, above)
	}
	return nil
}

func (volumeKind) observe(c *contents, o *Object, v *schema.Volume) {
	v.Status = "active"
	if len(c.above[o.ID]) > 0 {
		v.Status = "attached"
	}
}
