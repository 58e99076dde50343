package desired

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// Unlimited is the upper end of a fleet that has none.
const Unlimited = -1

// Fleet is a fleet as expanded from its block.
type Fleet struct {
	Addr     addr.Instance
	Name     string
	Min, Max int // instances that are always kept, and the most there may be (Unlimited)
	Cluster  bool
	SSH      bool
	Need     schema.Requirements

	value cty.Value // the block's, merged
	hosts []cty.Value
	set   Settings
}

// ExpandFleet expands a fleet's block. v is of the fleet block's type, with profile and defaults merged in. A number
// of nodes, or hosts (HostsKnown), that are not known yet are the caller's to defer.
func ExpandFleet(a addr.Instance, v cty.Value, set Settings) (*Fleet, error) {
	name, err := nameOf(a, v)
	if err != nil {
		return nil, err
	}
	need, err := Requirements(v)
	if err != nil {
		return nil, err
	}
	f := &Fleet{Addr: a, Name: name, Need: need, value: v, set: set, Cluster: Text(v, "placement") == string(value.PlacementCluster)}
	if ssh := v.GetAttr("ssh"); isSet(ssh) {
		f.SSH = true
		f.hosts = sshHosts(ssh)
		f.Min, f.Max = len(f.hosts), len(f.hosts)
		return f, nil
	}
	nodes, err := value.ParseIntRange(Text(v, "nodes"))
	if err != nil {
		return nil, fmt.Errorf("nodes of %s: %w", a, err)
	}
	f.Min, _ = nodes.Min()
	f.Max = Unlimited
	if most, ok := nodes.Max(); ok {
		f.Max = most
	}
	f.Need.MultiNode = f.Cluster
	return f, nil
}

// HostsKnown tells whether it is known which hosts the fleet has. Of a fleet without hosts it is.
func HostsKnown(v cty.Value) bool {
	ssh, _ := v.GetAttr("ssh").Unmark()
	if ssh.IsNull() || !ssh.IsKnown() {
		return ssh.IsKnown()
	}
	list, _ := ssh.GetAttr("host").Unmark()
	if list.IsNull() || !list.IsKnown() {
		return list.IsKnown()
	}
	for _, h := range list.AsValueSlice() {
		if h, _ = h.Unmark(); !h.IsKnown() {
			return false
		}
		if name, _ := h.GetAttr("hostname").Unmark(); !name.IsKnown() {
			return false
		}
	}
	return true
}

// sshHosts gives every host the settings that it shares with its fleet.
func sshHosts(ssh cty.Value) []cty.Value {
	list, _ := ssh.GetAttr("host").Unmark()
	if list.IsNull() || !list.IsKnown() {
		return nil
	}
	var out []cty.Value
	for _, h := range list.AsValueSlice() {
		set := map[string]cty.Value{}
		for _, name := range []string{"user", "port", "identity_file", "proxy_jump"} {
			if !isSet(h.GetAttr(name)) {
				set[name] = ssh.GetAttr(name)
			}
		}
		set["network"] = ssh.GetAttr("network")
		out = append(out, WithAttrs(h, set))
	}
	return out
}

// Have is an instance of a fleet that exists.
type Have struct {
	Key  addr.Key
	Busy bool // it has jobs
	Idle bool // its idle time is over
}

// Instances decides which instances there are: what exists stays, idle ones go first when there are too many, and the
// lowest free numbers are taken when there are too few. Nothing is renumbered.
func (f *Fleet) Instances(have []Have) []Resource {
	if f.SSH {
		out := make([]Resource, len(f.hosts))
		for i, h := range f.hosts {
			out[i] = f.host(h)
		}
		return out
	}
	keep := f.kept(have)
	taken := map[int]bool{}
	var out []Resource
	for _, h := range keep {
		n, _ := h.Key.Int()
		taken[n] = true
		out = append(out, f.Instance(h.Key))
	}
	for n := 0; len(out) < f.Min; n++ {
		if !taken[n] {
			out = append(out, f.Instance(addr.Int(n)))
		}
	}
	return out
}

// kept drops what is too much: beyond the upper end always, above the lower end when idle; the highest numbers first.
func (f *Fleet) kept(have []Have) []Have {
	keep := append([]Have(nil), have...)
	drop := func(limit int, may func(Have) bool) {
		for i := len(keep) - 1; i >= 0 && len(keep) > limit; i-- {
			if may(keep[i]) {
				keep = append(keep[:i], keep[i+1:]...)
			}
		}
	}
	drop(f.Min, func(h Have) bool { return h.Idle && !h.Busy })
	if f.Max != Unlimited {
		drop(f.Max, func(h Have) bool { return !h.Busy })
		drop(f.Max, func(Have) bool { return true })
	}
	return keep
}

// Instance is the instance of a number, for those that placement adds as well.
func (f *Fleet) Instance(k addr.Key) Resource {
	return Resource{Addr: f.Addr.Machine(k), Value: instanceValue(f.value, f.Name+"-"+k.Text(), f.set, nil)}
}

func (f *Fleet) host(h cty.Value) Resource {
	key := addr.String(Text(h, "hostname"))
	set := map[string]cty.Value{"host": project(schema.Of[schema.Host](), h, nil)}
	if b := h.GetAttr("blocks"); isSet(b) {
		set["blocks"] = b
	}
	return Resource{Addr: f.Addr.Machine(key), Value: instanceValue(f.value, f.Name+"-"+key.Text(), f.set, set)}
}

func instanceValue(block cty.Value, name string, set Settings, more map[string]cty.Value) cty.Value {
	attrs := map[string]cty.Value{"name": cty.StringVal(name)}
	if len(set.AuthorizedKeys) > 0 {
		keys := make([]cty.Value, len(set.AuthorizedKeys))
		for i, k := range set.AuthorizedKeys {
			keys[i] = cty.StringVal(k)
		}
		attrs["authorized_keys"] = cty.ListVal(keys)
	}
	for k, v := range more {
		attrs[k] = v
	}
	return project(schema.Of[schema.Instance](), block, attrs)
}

// Value is the block's value, with profile and defaults merged in.
func (f *Fleet) Value() cty.Value { return f.value }
