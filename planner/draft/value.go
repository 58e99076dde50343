package draft

import (
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// said is what a block would say for one repetition to be as it is: a value of the block's type, in which everything is null
// that need not be written.
func (r repetition) said(o Options) (cty.Value, diag.List) {
	object := objectOf(r.addr.Type)
	t := r.things[0]
	var attrs map[string]cty.Value
	var diags diag.List
	if r.addr.Type == "fleet" {
		attrs, diags = r.fleet(object)
	} else {
		attrs = project(object, t.Value)
		drop(object, attrs, "backend", t.Backend)
		drop(object, attrs, "region", t.Region)
		if name := desired.Text(t.Value, "name"); name == defaultName(r.addr) || !isName(name) {
			attrs["name"] = cty.NullVal(cty.String) // what is no name of ours gets one, as the plan shows
		}
		if id, ok := attrs["volume_id"]; ok && !id.IsNull() {
			attrs["size"] = cty.NullVal(cty.String) // it is as large as it is
		}
	}
	for _, a := range object.Attrs {
		if o.Profiles && inProfiles(a.Name) {
			continue // a profile may say something else
		}
		if d, ok := desired.Default(a); ok && equal(a, attrs[a.Name], d) {
			attrs[a.Name] = cty.NullVal(a.Type)
		}
		if a.Type == cty.Bool && a.Default == "" && attrs[a.Name].RawEquals(cty.False) {
			attrs[a.Name] = cty.NullVal(a.Type)
		}
	}
	return cty.ObjectVal(attrs), diags
}

func inProfiles(name string) bool { return schema.Of[schema.Profile]().Attr(name) != nil }

// project takes what a block can say from the value of a kind.
func project(block *schema.Object, v cty.Value) map[string]cty.Value {
	out := make(map[string]cty.Value, len(block.Attrs))
	kind := v.Type()
	for _, a := range block.Attrs {
		out[a.Name] = cty.NullVal(a.Type)
		if kind.HasAttribute(a.Name) && kind.AttributeType(a.Name).Equals(a.Type) && v.GetAttr(a.Name).IsKnown() {
			out[a.Name] = v.GetAttr(a.Name)
		}
	}
	return out
}

// drop leaves an attribute out that has a value anyway.
func drop(o *schema.Object, attrs map[string]cty.Value, name, implied string) {
	if a := o.Attr(name); a != nil && implied != "" && equal(a, attrs[name], cty.StringVal(implied)) {
		attrs[name] = cty.NullVal(a.Type)
	}
}

// equal tells whether two values of an attribute mean the same.
func equal(a *schema.Attribute, v, w cty.Value) bool {
	if a.Type == cty.String && !v.IsNull() && !w.IsNull() {
		return diff.SameText(a, v.AsString(), w.AsString())
	}
	return v.RawEquals(w)
}

// limits are what decides which machine an instance may be.
func limits() []string {
	return []string{"resources", "backends", "regions", "availability_zones", "instance_types", "reservation", "spot_policy", "max_price"}
}

// fleet is what a fleet would say to have these instances. Where nothing is known of what they were asked for, it asks for
// what they are.
func (r repetition) fleet(block *schema.Object) (map[string]cty.Value, diag.List) {
	var diags diag.List
	list := make([]map[string]cty.Value, len(r.things))
	derived := true
	for i, t := range r.things {
		list[i] = project(block, t.Value)
		asked := func(name string) bool { return !list[i][name].IsNull() }
		if slices.ContainsFunc(limits(), asked) {
			derived = false
		} else {
			derive(list[i], t)
		}
		list[i]["env"] = cty.NullVal(block.Attr("env").Type) // for hosts of SSH fleets alone
	}
	out := list[0]
	for i, other := range list[1:] {
		for _, a := range block.Attrs {
			if a.Name == "name" || equal(a, out[a.Name], other[a.Name]) {
				continue
			}
			joined, ok := join(a, out[a.Name], other[a.Name])
			if !ok {
				diags = append(diags, r.warn("%s and %s differ in %s, and a fleet says it once. The block has that of the former; the plan shows what it would change about the latter.", r.things[0].To, r.things[i+1].To, a.Name)...)
			}
			out[a.Name] = joined
		}
	}
	if t := r.things[0]; derived {
		dropList(out, "backends", t.Backend)
		dropList(out, "regions", t.Region)
	}
	out["nodes"] = cty.StringVal(strconv.Itoa(len(r.things)))
	out["name"] = fleetName(r)
	return out, diags
}

// derive asks for a machine as it is.
func derive(attrs map[string]cty.Value, t Thing) {
	one := func(name string) cty.Value {
		text := desired.Text(t.Value, name)
		if text == "" {
			return cty.NullVal(cty.List(cty.String))
		}
		return cty.ListVal([]cty.Value{cty.StringVal(text)})
	}
	attrs["backends"], attrs["regions"], attrs["instance_types"] = one("backend"), one("region"), one("instance_type")
	if spot := t.Value.GetAttr("spot"); spot.IsKnown() && !spot.IsNull() && spot.True() {
		attrs["spot_policy"] = cty.StringVal(string(value.SpotOnly))
	}
}

// dropList leaves a list out of which the only element is what it would be anyway.
func dropList(attrs map[string]cty.Value, name, implied string) {
	if implied != "" && attrs[name].RawEquals(cty.ListVal([]cty.Value{cty.StringVal(implied)})) {
		attrs[name] = cty.NullVal(cty.List(cty.String))
	}
}

// join finds what two instances of a fleet may both have asked for. It is false where there is nothing.
func join(a *schema.Attribute, v, w cty.Value) (cty.Value, bool) {
	switch {
	case a.Name == "spot_policy":
		return cty.StringVal(string(value.SpotAuto)), true
	case v.IsNull() || w.IsNull() || !a.Type.Equals(cty.List(cty.String)):
		return v, false
	}
	all := append(v.AsValueSlice(), w.AsValueSlice()...)
	slices.SortFunc(all, func(x, y cty.Value) int { return strings.Compare(x.AsString(), y.AsString()) })
	return cty.ListVal(slices.CompactFunc(all, func(x, y cty.Value) bool { return x.RawEquals(y) })), true
}

// fleetName is the name of the fleet of which the instances have theirs, null where they do not agree or it is the default.
func fleetName(r repetition) cty.Value {
	name := ""
	for _, t := range r.things {
		base, ok := strings.CutSuffix(desired.Text(t.Value, "name"), "-"+t.To.Key().Text())
		if !ok || name != "" && base != name {
			return cty.NullVal(cty.String)
		}
		name = base
	}
	if name == "" || name == defaultName(r.addr) || !isName(name) {
		return cty.NullVal(cty.String)
	}
	return cty.StringVal(name)
}

func isName(text string) bool {
	_, err := value.ParseName(text)
	return err == nil
}
