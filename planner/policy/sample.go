package policy

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
)

// sample makes the document one of a plan that is written by hand as policies see it: what is not written is as in a plan
// that has nothing of it. A name that no plan has is an error.
func (d *document) sample(expr hclsyntax.Expression) diag.List {
	given, ds := expr.Value(nil)
	if ds.HasErrors() {
		return diag.FromHCL(ds)
	}
	known := parts()
	all := given.AsValueMap()
	rng := expr.Range()
	var list diag.List
	for _, name := range sortedKeys(all) {
		index, ok := known[name]
		if !ok {
			list = append(list, diag.Errorf("Unknown attribute", "A plan has no %q.%s", name, schema.DidYouMean(name, sortedKeys(known))).At(&rng)...)
			continue
		}
		v, why := d.overlay(reflect.TypeFor[plan.Plan]().Field(index).Type, all[name], name)
		if why != "" {
			list = append(list, diag.Errorf("Unknown attribute", "%s", why).At(&rng)...)
			continue
		}
		d.values[name] = v
	}
	return list
}

// overlay is what is given in place of a part of the plan of that type, completed with what is not.
func (d *document) overlay(t reflect.Type, given cty.Value, path string) (out cty.Value, why string) {
	if given.IsNull() || t == reflect.TypeFor[json.RawMessage]() || t == reflect.TypeFor[plan.Action]() {
		return given, ""
	}
	ty := given.Type()
	switch {
	case t.Kind() == reflect.Pointer:
		return d.overlay(t.Elem(), given, path)
	case t.Kind() == reflect.Struct && ty.IsObjectType():
		return d.overlayStruct(t, given.AsValueMap(), path)
	case t.Kind() == reflect.Slice && (ty.IsTupleType() || ty.IsListType()):
		items := given.AsValueSlice()
		for i, item := range items {
			if items[i], why = d.overlay(t.Elem(), item, fmt.Sprintf("%s[%d]", path, i)); why != "" {
				return given, why
			}
		}
		return cty.TupleVal(items), ""
	case t.Kind() == reflect.Map && ty.IsObjectType():
		items := given.AsValueMap()
		for _, name := range sortedKeys(items) {
			if items[name], why = d.overlay(t.Elem(), items[name], path+"."+name); why != "" {
				return given, why
			}
		}
		return cty.ObjectVal(items), ""
	}
	return given, ""
}

func (d *document) overlayStruct(t reflect.Type, given map[string]cty.Value, path string) (cty.Value, string) {
	zero := reflect.New(t).Elem()
	out := d.value(zero, &need{all: true}).AsValueMap()
	types := map[string]reflect.Type{}
	for _, f := range d.fieldsOf(t) {
		types[f.name] = t.Field(f.index).Type
	}
	for _, name := range sortedKeys(given) {
		of, ok := types[name]
		if !ok {
			return cty.NilVal, fmt.Sprintf("%s has no %q.%s", path, name, schema.DidYouMean(name, sortedKeys(types)))
		}
		v, why := d.overlay(of, given[name], path+"."+name)
		if why != "" {
			return cty.NilVal, why
		}
		out[name] = v
	}
	if t == reflect.TypeFor[plan.Change]() {
		for _, name := range []string{"before", "after"} {
			out[name] = overlayAttributes(given["kind"], out[name])
		}
	}
	return cty.ObjectVal(out), ""
}

// overlayAttributes adds the attributes of a kind that are not given, as null.
func overlayAttributes(kind, given cty.Value) cty.Value {
	if given.IsNull() || !given.Type().IsObjectType() || kind == cty.NilVal || kind.IsNull() || kind.Type() != cty.String || !isKind(kind.AsString()) {
		return given
	}
	attrs := given.AsValueMap()
	if attrs == nil {
		attrs = map[string]cty.Value{}
	}
	for _, a := range schema.KindObject(kind.AsString()).Attrs {
		if _, ok := attrs[a.Name]; !ok {
			attrs[a.Name] = cty.NullVal(a.Type)
		}
	}
	return cty.ObjectVal(attrs)
}
