package fake

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// Types of support objects.
const (
	securityGroup  = "security-group"
	placementGroup = "placement-group"
	attachment     = "attachment"
	route          = "route"
)

type supportKind struct{ b *backend }

func (supportKind) name() string   { return addr.KindSupport }
func (supportKind) prefix() string { return "s" }

func (supportKind) place(v *schema.Support) (machine, region, zone string) {
	return v.Type, v.Region, v.Zone
}

func (supportKind) plan(change providers.Change, want *schema.Support, p *providers.Planned) {
	switch want.Type {
	case securityGroup, placementGroup, attachment, route:
	default:
		p.Err = unknownSupport(want.Type)
		return
	}
	if change.Prior == nil || want.Type == route || !change.Knows("config") {
		return
	}
	prior, err := schema.Decode[schema.Support](change.Prior.Value)
	if err == nil && !maps.Equal(prior.Config, want.Config) {
		p.Replace = append(p.Replace, providers.ReplaceReason{Path: "config", Why: "what a " + want.Type + " is made with cannot be changed"})
	}
}

func unknownSupport(ty string) *providers.Error {
	return providers.Errorf(providers.Invalid, "the fake provider has no support objects of type %q; it has %s", ty,
		strings.Join([]string{securityGroup, placementGroup, attachment, route}, ", "))
}

func (k supportKind) make(c *contents, op providers.Op[schema.Support], o *Object, v *schema.Support) error {
	var data map[string]string
	var err error
	switch v.Type {
	case securityGroup, placementGroup:
		err = k.b.checkPlace(v.Region, v.Zone)
		o.Zone = v.Zone
		data = map[string]string{"group": o.ID}
	case attachment:
		data, err = k.attach(c, op, o)
	case route:
		data, err = k.route(c, op, o)
	default:
		err = unknownSupport(v.Type)
	}
	if err != nil {
		return err
	}
	v.ID = o.ID
	if v.Data == nil {
		v.Data = data
	}
	return nil
}

// attach ties a volume to an instance of the same region and zone. A volume without a zone can be used in all of its region.
func (k supportKind) attach(c *contents, op providers.Op[schema.Support], o *Object) (map[string]string, error) {
	i, volume, err := k.tied(c, op)
	if err != nil {
		return nil, err
	}
	machine, err := valueOf[schema.Instance](i)
	if err != nil {
		return nil, err
	}
	disk, err := valueOf[schema.Volume](volume)
	if err != nil {
		return nil, err
	}
	if machine.Region != disk.Region || volume.Zone != "" && volume.Zone != i.Zone {
		return nil, &providers.Error{Kind: providers.Conflict, Code: "InvalidVolume.ZoneMismatch", Message: fmt.Sprintf(
			"volume %s is in %s, instance %s in %s", volume.ID, where(disk.Region, volume.Zone), i.ID, where(machine.Region, i.Zone))}
	}
	for _, above := range c.dependents(volume.ID) {
		return nil, &providers.Error{Kind: providers.Conflict, Code: "VolumeInUse", Message: fmt.Sprintf(
			"volume %s is attached to %s", volume.ID, strings.Join(above.On, " and "))}
	}
	o.On, o.Zone = []string{i.ID, volume.ID}, i.Zone
	return map[string]string{"device": fmt.Sprintf("/dev/fake%d", len(c.above[i.ID]))}, nil
}

func (k supportKind) tied(c *contents, op providers.Op[schema.Support]) (machine, volume *Object, err error) {
	if need, _, ok := providers.NeedOf[schema.Instance](op.Needs, addr.KindInstance); ok {
		machine = k.b.get(c, addr.KindInstance, need.ID)
	}
	if need, _, ok := providers.NeedOf[schema.Volume](op.Needs, addr.KindVolume); ok {
		volume = k.b.get(c, addr.KindVolume, need.ID)
	}
	if machine == nil || volume == nil {
		return nil, nil, providers.Errorf(providers.Invalid, "%s: an attachment needs an instance and a volume that exist", op.Address)
	}
	return machine, volume, nil
}

func where(region, zone string) string {
	if zone != "" {
		return zone
	}
	return region
}

// route stands on its gateway, and on the job that it leads to where that is in this world.
func (k supportKind) route(c *contents, op providers.Op[schema.Support], o *Object) (map[string]string, error) {
	need, _, ok := providers.NeedOf[schema.Gateway](op.Needs, addr.KindGateway)
	gateway := k.b.get(c, addr.KindGateway, need.ID)
	if !ok || gateway == nil {
		return nil, providers.Errorf(providers.Invalid, "%s: a route needs a gateway that exists", op.Address)
	}
	o.On = []string{gateway.ID}
	jobs, _ := providers.NeedsOf[schema.Job](op.Needs, addr.KindJob)
	for _, job := range jobs {
		if k.b.get(c, addr.KindJob, job.ID) != nil {
			o.On = append(o.On, job.ID)
		}
	}
	v, err := valueOf[schema.Gateway](gateway)
	if err != nil {
		return nil, err
	}
	return map[string]string{"url": v.URL}, nil
}

func (k supportKind) update(c *contents, op providers.Op[schema.Support], o *Object, was, v *schema.Support) error {
	if v.Type != was.Type || v.Region != was.Region || v.Zone != was.Zone || v.Type != route && !maps.Equal(v.Config, was.Config) {
		return providers.Errorf(providers.Invalid, "%s %s cannot be changed", was.Type, o.ID)
	}
	if v.Type == route {
		data, err := k.route(c, op, o)
		if err != nil {
			return err
		}
		if v.Data == nil {
			v.Data = data
		}
	}
	if v.Data == nil {
		v.Data = was.Data
	}
	v.ID = o.ID
	return nil
}

func (supportKind) release(c *contents, o *Object) error {
	for _, above := range c.dependents(o.ID) {
		if above.Kind != addr.KindJob || !jobEnded(above) {
			return inUse(o, above)
		}
	}
	return nil
}

func (supportKind) observe(_ *contents, _ *Object, v *schema.Support) { v.Status = "ready" }

// checkPlace checks that a region, and a zone if there is one, exist.
func (b *backend) checkPlace(region, zone string) error {
	if !slices.Contains(b.regions, region) {
		return providers.Errorf(providers.Invalid, "there is no region %q in backend %s; it has %s", region, b.name, strings.Join(b.regions, ", "))
	}
	if zone != "" && !slices.Contains(b.settings.Catalogue.Zones[region], zone) {
		return providers.Errorf(providers.Invalid, "there is no zone %q in %s", zone, region)
	}
	return nil
}
