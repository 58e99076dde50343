package fake

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// What every instance has.
const (
	sshPort      = 22
	sshUser      = "ubuntu"
	agentVersion = Version
)

type instanceKind struct{ b *backend }

func (instanceKind) name() string   { return addr.KindInstance }
func (instanceKind) prefix() string { return "i" }

func (instanceKind) place(v *schema.Instance) (machine, region, zone string) {
	return v.InstanceType, v.Region, v.Zone
}

func (k instanceKind) plan(change providers.Change, want *schema.Instance, p *providers.Planned) {
	if want.Host != nil {
		p.Err = providers.Errorf(providers.Invalid, "a fake instance is made by the backend, so it has no host to be reached at")
		return
	}
	p.Promise(map[string]cty.Value{"ssh_port": cty.NumberIntVal(sshPort), "ssh_user": cty.StringVal(sshUser)})
	if change.Prior != nil {
		prior := change.Prior.Value
		if prior.Type().HasAttribute("blocks") && change.Knows("blocks") && !sameText[value.Blocks](prior, change.Want, "blocks") {
			p.Replace = append(p.Replace, providers.ReplaceReason{Path: "blocks", Why: "the shares of a machine are set when it boots"})
		}
	}
	region, zone := want.Region, want.Zone
	if change.Offer != nil {
		if region == "" {
			region = change.Offer.Region
		}
		if zone == "" && len(change.Offer.Zones) == 1 {
			zone = change.Offer.Zones[0]
		}
	}
	if region == "" {
		return // what it needs is said when it is known where
	}
	p.Supports = append(p.Supports, providers.PlannedSupport{Owner: "backend", Name: securityGroup + "/" + region, Value: schema.Support{
		Type: securityGroup, Backend: k.b.name, Region: region, Config: map[string]string{"ingress": "22/tcp"},
	}})
	if want.Placement == value.PlacementCluster {
		p.Supports = append(p.Supports, providers.PlannedSupport{Owner: "block", Name: placementGroup, Value: schema.Support{
			Type: placementGroup, Backend: k.b.name, Region: region, Zone: zone, Config: map[string]string{"strategy": "cluster"},
		}})
	}
}

func (k instanceKind) make(c *contents, op providers.Op[schema.Instance], o *Object, v *schema.Instance) error {
	m, zone, err := k.b.sold(v)
	if err != nil {
		return err
	}
	if err := divides(m, v.TotalBlocks); err != nil {
		return err
	}
	o.Zone = zone
	if o.On, err = k.supports(c, op, v, zone); err != nil {
		return err
	}
	o.Uses = m.uses(k.b.settings.Account, v.Region, v.Spot)
	if err := k.b.affords(c, m, v.Region, v.Spot); err != nil {
		return err
	}
	v.ID = o.ID
	k.compute(o, v)
	return nil
}

// compute fills in what the cloud decides, unless it was promised.
func (instanceKind) compute(o *Object, v *schema.Instance) {
	setDefault(&v.Hostname, fmt.Sprintf("%s.%s.fake", o.ID, v.Region))
	setDefault(&v.InternalIP, address("10", o.Number))
	setDefault(&v.SSHPort, sshPort)
	setDefault(&v.SSHUser, sshUser)
}

// sold checks that there is such a machine and returns it with the zone that it will be in.
func (b *backend) sold(v *schema.Instance) (Machine, string, error) {
	m, ok := b.settings.Catalogue.machine(v.InstanceType)
	if !ok {
		return m, "", providers.Errorf(providers.Invalid, "there is no instance type %q", v.InstanceType)
	}
	if !slices.Contains(b.regions, v.Region) {
		return m, "", providers.Errorf(providers.Invalid, "there is no region %q in backend %s", v.Region, b.name)
	}
	zones, ok := b.settings.Catalogue.zonesOf(m, v.Region)
	if !ok {
		return m, "", providers.Errorf(providers.Invalid, "%s is not sold in %s", m.Type, v.Region)
	}
	zone := v.Zone
	if zone == "" && len(zones) > 0 {
		zone = zones[0]
	}
	if zone != "" && !slices.Contains(zones, zone) {
		return m, "", providers.Errorf(providers.Invalid, "%s is not sold in %s, only in %s", m.Type, zone, strings.Join(zones, ", "))
	}
	if v.Spot && m.SpotPrice == 0 {
		return m, "", providers.Errorf(providers.Invalid, "%s is not sold as a spot instance", m.Type)
	}
	switch a := m.availability(v.Region); {
	case a == schema.NoQuota:
		return m, "", &providers.Error{Kind: providers.NoQuota, Code: "QuotaExceeded", Message: fmt.Sprintf("no quota for %s in %s", m.Type, v.Region)}
	case !a.Usable():
		return m, "", &providers.Error{Kind: providers.NoCapacity, Code: "InsufficientInstanceCapacity",
			Message: fmt.Sprintf("no capacity for %s in %s", m.Type, v.Region)}
	}
	return m, zone, nil
}

// affords checks quotas and limits.
func (b *backend) affords(c *contents, m Machine, region string, spot bool) error {
	if q := b.quota(c, m, region); q != nil && q.Left < q.Cost {
		return &providers.Error{Kind: providers.NoQuota, Code: "QuotaExceeded", Message: fmt.Sprintf(
			"no quota for %s in %s: it takes %d of %s, %d are left", m.Type, region, q.Cost, q.Name, max(0, q.Left))}
	}
	if m.Limit > 0 && c.used[limitName(m.Type, region, spot)] >= m.Limit {
		return &providers.Error{Kind: providers.NoCapacity, Code: "InsufficientInstanceCapacity", Message: fmt.Sprintf(
			"no capacity for %s in %s: all %d are taken", m.Type, region, m.Limit)}
	}
	return nil
}

// divides checks that a machine can be cut into that many equal shares.
func divides(m Machine, blocks int) error {
	if blocks > 1 && (m.CPUs%blocks != 0 || len(m.gpus())%blocks != 0) {
		return providers.Errorf(providers.Invalid, "%s cannot be divided into %d: it has %d CPUs and %d GPUs", m.Type, blocks, m.CPUs, len(m.gpus()))
	}
	return nil
}

// supports returns the ids of the objects that an instance stands on: those that its plan named.
func (k instanceKind) supports(c *contents, op providers.Op[schema.Instance], v *schema.Instance, zone string) ([]string, error) {
	var group, placement string
	needs, _ := providers.NeedsOf[schema.Support](op.Needs, addr.KindSupport)
	for _, s := range needs {
		o := k.b.get(c, addr.KindSupport, s.ID)
		switch {
		case s.Value.Type == securityGroup && s.Value.Region == v.Region && o != nil:
			group = s.ID
		case s.Value.Type == placementGroup && s.Value.Region == v.Region && o != nil:
			if s.Value.Zone != "" && s.Value.Zone != zone {
				return nil, providers.Errorf(providers.Conflict, "placement group %s is in %s, the instance is to be in %s", s.ID, s.Value.Zone, zone)
			}
			placement = s.ID
		}
	}
	if group == "" {
		return nil, &providers.Error{Kind: providers.Invalid, Code: "InvalidGroup.NotFound",
			Message: fmt.Sprintf("there is no security group in %s that the instance was given", v.Region)}
	}
	if v.Placement != value.PlacementCluster {
		return []string{group}, nil
	}
	if placement == "" {
		return nil, &providers.Error{Kind: providers.Invalid, Code: "InvalidPlacementGroup.Unknown",
			Message: fmt.Sprintf("there is no placement group in %s that the instance was given", v.Region)}
	}
	return []string{group, placement}, nil
}

func (k instanceKind) update(_ *contents, _ providers.Op[schema.Instance], o *Object, was, v *schema.Instance) error {
	if v.InstanceType != was.InstanceType || v.Region != was.Region || v.Zone != was.Zone || v.Spot != was.Spot || v.TotalBlocks != was.TotalBlocks {
		return providers.Errorf(providers.Invalid, "type, place and shares of instance %s cannot be changed", o.ID)
	}
	v.ID = o.ID
	k.compute(o, v)
	return nil
}

func (instanceKind) release(c *contents, o *Object) error {
	for _, above := range c.dependents(o.ID) {
		if above.Kind == addr.KindJob && jobEnded(above) {
			continue
		}
		return inUse(o, above)
	}
	return nil
}

func (instanceKind) observe(c *contents, o *Object, v *schema.Instance) {
	v.AgentVersion, v.Status = agentVersion, "idle"
	v.Facts = &schema.Facts{Kernel: "6.8.0-fake", Architecture: "amd64", Addresses: []string{v.InternalIP + "/16"}, Runtimes: []string{"process", "docker"}, DockerVersion: "29.0.0"}
	if !o.Ready {
		v.Status = "provisioning"
		return
	}
	for _, above := range c.dependents(o.ID) {
		if above.Kind == addr.KindJob && !jobEnded(above) {
			v.Status = "busy"
		}
	}
}

// inUse is the error for deleting what something stands on.
func inUse(o, above *Object) error {
	return &providers.Error{Kind: providers.Conflict, Code: "DependencyViolation",
		Message: fmt.Sprintf("%s is in use by %s %s", o.ID, above.Kind, above.ID)}
}

func setDefault[T comparable](into *T, v T) {
	var zero T
	if *into == zero {
		*into = v
	}
}

// address makes an IPv4 address of a number.
func address(net string, n int) string {
	return fmt.Sprintf("%s.%d.%d.%d", net, n>>16&255, n>>8&255, n&255)
}
