package schema

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema/value"
)

// Mount is one thing mounted at one path of a job.
type Mount struct {
	Volumes      []string `name:"volume,address" change:"replace" doc:"A volume, by reference, or several as alternatives: the one where the instance is gets mounted. Names of volumes will do."`
	InstancePath string   `name:"instance_path" change:"replace" doc:"A folder of the instance, made when missing."`
	Path         string   `name:"path,required,identity" change:"replace" doc:"Where it appears in the job."`
	Optional     bool     `name:"optional" change:"replace" doc:"Whether the job may run on a backend without instance folders."`
}

// ConformCty takes "data:/data", "/host:/path", and objects with volume (a reference or a list of them), name or
// instance_path.
func (*Mount) ConformCty(v cty.Value) (cty.Value, error) {
	if v.Type() == cty.String {
		return mountFromText(v)
	}
	if !v.Type().IsObjectType() && !v.Type().IsMapType() {
		return v, nil // object reports it
	}
	attrs := v.AsValueMap()
	if attrs == nil {
		attrs = map[string]cty.Value{}
	}
	if name, ok := attrs["name"]; ok {
		delete(attrs, "name")
		if _, both := attrs["volume"]; both {
			return v, &ConformError{Offset: -1, Summary: "Two volumes in one mount", Detail: "Write volume for a reference or name for a name, not both. Alternatives are a list: volume = [volume.a, volume.b]."}
		}
		attrs["volume"] = name
	}
	if vol, ok := attrs["volume"]; ok {
		list, err := mountedVolumes(vol)
		if err != nil {
			return v, err
		}
		attrs["volume"] = list
	}
	if err := cleanPath(attrs, "path", value.ParseMountPath); err != nil {
		return v, err
	}
	if err := cleanPath(attrs, "instance_path", value.ParseInstancePath); err != nil {
		return v, err
	}
	_, hasVolume := attrs["volume"]
	_, hasPath := attrs["instance_path"]
	if hasVolume == hasPath {
		return v, &ConformError{Offset: -1, Summary: "A mount needs one source", Detail: "Write volume = volume.name for a volume, or instance_path = \"/folder\" for a folder of the instance; one of them."}
	}
	return cty.ObjectVal(attrs), nil
}

// cleanPath checks an attribute and puts its clean form in its place.
func cleanPath(attrs map[string]cty.Value, name string, parse func(string) (string, error)) error {
	v, ok := attrs[name]
	if !ok {
		return nil
	}
	v, marks := v.Unmark()
	if !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
		return nil // object reports it
	}
	clean, err := parse(v.AsString())
	if err != nil {
		return textError(err, cty.GetAttrPath(name))
	}
	attrs[name] = cty.StringVal(clean).WithMarks(marks)
	return nil
}

func mountFromText(v cty.Value) (cty.Value, error) {
	var m value.Mount
	if err := m.UnmarshalCty(v); err != nil {
		return v, err
	}
	attrs := map[string]cty.Value{"path": cty.StringVal(m.Path())}
	if m.IsVolume() {
		var names []cty.Value
		for _, n := range m.Volumes() {
			names = append(names, cty.StringVal(n.String()))
		}
		attrs["volume"] = cty.ListVal(names)
	} else {
		attrs["instance_path"] = cty.StringVal(m.InstancePath())
		attrs["optional"] = cty.BoolVal(m.Optional())
	}
	return cty.ObjectVal(attrs), nil
}

// mountedVolumes turns a reference, a name, or a list of them into a list of addresses or names.
func mountedVolumes(v cty.Value) (cty.Value, error) {
	v, marks := v.Unmark()
	if v.IsNull() {
		return v, &ConformError{Path: cty.GetAttrPath("volume"), Offset: -1, Summary: "A mount has no volume", Detail: "The volume is null. Leave the whole mount out instead."}
	}
	if !v.IsKnown() {
		return cty.UnknownVal(cty.List(cty.String)).WithMarks(marks), nil
	}
	var items []cty.Value
	if ty := v.Type(); ty.IsTupleType() || ty.IsListType() || ty.IsSetType() {
		items = v.AsValueSlice()
	} else {
		items = []cty.Value{v}
	}
	if len(items) == 0 {
		return v, &ConformError{Path: cty.GetAttrPath("volume"), Offset: -1, Summary: "A mount has no volume", Detail: "The list of alternatives is empty. Leave the whole mount out instead."}
	}
	out := make([]cty.Value, len(items))
	for i, it := range items {
		it, _ = it.Unmark()
		switch {
		case !it.IsKnown():
			out[i] = cty.UnknownVal(cty.String)
		case !it.IsNull() && it.Type() == cty.String:
			out[i] = it
		case !it.IsNull() && it.Type().IsObjectType() && it.Type().HasAttribute("address"):
			out[i], _ = it.GetAttr("address").Unmark()
		default:
			return v, &ConformError{Path: cty.GetAttrPath("volume"), Offset: -1, Summary: "No volume", Detail: "A volume is a reference such as volume.data, or one of several: volume.data[node.rank]. This is " + article(it.Type()) + "."}
		}
	}
	return cty.ListVal(out).WithMarks(marks), nil
}

// ConformCty takes the name of a model alone, or an object.
func (*Model) ConformCty(v cty.Value) (cty.Value, error) {
	if v.Type() == cty.String {
		return cty.ObjectVal(map[string]cty.Value{"name": v}), nil
	}
	return v, nil
}
