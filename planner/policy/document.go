package policy

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// document is a plan as policies see it; it is a config.Scope. Each part is made when it is asked for first.
type document struct {
	plan   *plan.Plan
	need   *need
	open   bool // nothing is known of the plan but what it is made of
	values map[string]cty.Value
	fields map[reflect.Type][]field
}

func newDocument(p *plan.Plan, n *need) *document {
	return &document{plan: p, need: n, values: map[string]cty.Value{}, fields: map[reflect.Type][]field{}}
}

// Walk promises that the answers stay the same, so that locals are evaluated once.
func (d *document) Walk() int { return 1 }

// Value is one part of the plan.
func (d *document) Value(b addr.Block) (cty.Value, bool) {
	if b.Type != config.PlanName {
		return cty.NilVal, false
	}
	if v, ok := d.values[b.Name]; ok {
		return v, true
	}
	index, ok := parts()[b.Name]
	if !ok {
		return cty.NilVal, false
	}
	n := d.need.wants(b.Name)
	if n == nil {
		n = &need{}
	}
	v := d.value(reflect.ValueOf(d.plan).Elem().Field(index), n)
	d.values[b.Name] = v
	return v, true
}

// parts are what policies see of a plan, with the fields: all of its JSON but what is made after the policies are judged.
func parts() map[string]int {
	out := map[string]int{}
	for _, f := range fieldsOf(reflect.TypeFor[plan.Plan]()) {
		switch f.name {
		case "id", "policies", "diagnostics":
		default:
			out[f.name] = f.index
		}
	}
	return out
}

// field is one attribute of a struct's JSON.
type field struct {
	index int
	name  string
	omit  bool // it is left out of the JSON where it is empty
}

func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		name, opts, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			out = append(out, field{i, name, strings.HasPrefix(opts, "omit")})
		}
	}
	return out
}

func (d *document) fieldsOf(t reflect.Type) []field {
	if _, ok := d.fields[t]; !ok {
		d.fields[t] = fieldsOf(t)
	}
	return d.fields[t]
}

// value is what a policy sees of a part of the plan: its JSON, prices as numbers of dollars, what is left out of the JSON
// as null, and what the plan does not hold as unknown.
func (d *document) value(v reflect.Value, n *need) cty.Value {
	switch x := v.Interface().(type) {
	case value.Money:
		if d.open {
			return cty.UnknownVal(cty.Number)
		}
		return dollars(x)
	case plan.Action:
		return d.action(x)
	case json.RawMessage:
		if d.open {
			return cty.DynamicVal
		}
		return fromJSON(x)
	case time.Time:
		if d.open {
			return cty.UnknownVal(cty.String)
		}
		if x.IsZero() {
			return cty.NullVal(cty.String)
		}
		return cty.StringVal(x.UTC().Format(time.RFC3339))
	case plan.Cost:
		return d.cost(v, n)
	case plan.Amount:
		return d.amount(v, n, true)
	case plan.Change:
		return d.change(v, n)
	case plan.Output:
		return d.veiled(v, n, x.Sensitive, x.Unknown)
	case plan.AttrDiff:
		return d.veiled(v, n, x.Sensitive, x.Unknown)
	case schema.Offer:
		return d.object(v, n, func(name string, _ *need) (cty.Value, bool) {
			return cty.UnknownVal(cty.Number), name == "price" && x.PriceUnknown
		})
	}
	return d.plain(v, n)
}

// plain is the value of what has no rule of its own.
func (d *document) plain(v reflect.Value, n *need) cty.Value {
	t := v.Type()
	switch t.Kind() {
	case reflect.Pointer:
		if d.open {
			return d.value(reflect.Zero(t.Elem()), n)
		}
		if v.IsNil() {
			return cty.NullVal(cty.DynamicPseudoType)
		}
		return d.value(v.Elem(), n)
	case reflect.Struct:
		return d.object(v, n, nil)
	case reflect.Slice, reflect.Array:
		element := n.element()
		if d.open {
			return cty.TupleVal([]cty.Value{d.value(reflect.Zero(t.Elem()), element)})
		}
		out := make([]cty.Value, v.Len())
		for i := range out {
			out[i] = d.value(v.Index(i), element)
		}
		return cty.TupleVal(out)
	case reflect.Map:
		if d.open {
			return cty.DynamicVal
		}
		out := make(map[string]cty.Value, v.Len())
		for it := v.MapRange(); it.Next(); {
			of := n.wants(it.Key().String())
			if of == nil {
				of = &need{}
			}
			out[it.Key().String()] = d.value(it.Value(), of)
		}
		return cty.ObjectVal(out)
	case reflect.String:
		if d.open {
			return cty.UnknownVal(cty.String)
		}
		return cty.StringVal(v.String())
	case reflect.Bool:
		if d.open {
			return cty.UnknownVal(cty.Bool)
		}
		return cty.BoolVal(v.Bool())
	}
	if d.open {
		return cty.UnknownVal(cty.Number)
	}
	switch {
	case v.CanInt():
		return cty.NumberIntVal(v.Int())
	case v.CanUint():
		return cty.NumberUIntVal(v.Uint())
	case v.CanFloat():
		return cty.NumberFloatVal(v.Float())
	}
	return cty.DynamicVal
}

// object is the value of a struct. Own may say what single attributes are.
func (d *document) object(v reflect.Value, n *need, own func(name string, n *need) (cty.Value, bool)) cty.Value {
	out := map[string]cty.Value{}
	for _, f := range d.fieldsOf(v.Type()) {
		of := n.wants(f.name)
		if of == nil {
			continue
		}
		if own != nil {
			if special, ok := own(f.name, of); ok {
				out[f.name] = special
				continue
			}
		}
		if f.omit && !d.open && v.Field(f.index).Kind() == reflect.String && v.Field(f.index).Len() == 0 {
			out[f.name] = cty.NullVal(cty.String)
			continue
		}
		out[f.name] = d.value(v.Field(f.index), of)
	}
	return cty.ObjectVal(out)
}

func (d *document) action(a plan.Action) cty.Value {
	if d.open {
		return cty.TupleVal([]cty.Value{cty.UnknownVal(cty.String)})
	}
	var out []cty.Value
	for name := range strings.SplitSeq(string(a), ",") {
		out = append(out, cty.StringVal(name))
	}
	return cty.TupleVal(out)
}

// cost is plan.cost. The difference of totals has no lower end where it is the total before that lacks a price.
func (d *document) cost(v reflect.Value, n *need) cty.Value {
	c := v.Interface().(plan.Cost)
	return d.object(v, n, func(name string, n *need) (cty.Value, bool) {
		if name != "difference" {
			return cty.NilVal, false
		}
		difference := c.Difference
		difference.Unknown += c.Before.Unknown
		return d.amount(reflect.ValueOf(difference), n, c.Before.Unknown == 0), true
	})
}

// amount is a price. One to which parts are missing is unknown; that it is at least what it has is known where it is bounded.
func (d *document) amount(v reflect.Value, n *need, bounded bool) cty.Value {
	missing := v.Interface().(plan.Amount).Unknown > 0
	return d.object(v, n, func(name string, _ *need) (cty.Value, bool) {
		if !missing || name == "unknown" {
			return cty.NilVal, false
		}
		if !bounded {
			return cty.UnknownVal(cty.Number).RefineNotNull(), true
		}
		for _, f := range d.fieldsOf(v.Type()) {
			if f.name == name {
				least := dollars(v.Field(f.index).Interface().(value.Money))
				return cty.UnknownVal(cty.Number).Refine().NotNull().NumberRangeLowerBound(least, true).NewValue(), true
			}
		}
		return cty.NilVal, false
	})
}

// change is one of plan.changes.
func (d *document) change(v reflect.Value, n *need) cty.Value {
	if d.open {
		return d.object(v, n, func(name string, n *need) (cty.Value, bool) {
			return cty.DynamicVal, name == "before" || name == "after"
		})
	}
	c := v.Interface().(plan.Change)
	return d.object(v, n, func(name string, n *need) (cty.Value, bool) {
		switch name {
		case "before":
			return attributes{kind: c.Kind, sensitive: c.Sensitive, recorded: true}.value(c.Before, n), true
		case "after":
			return attributes{kind: c.Kind, sensitive: c.Sensitive, unknown: c.AfterUnknown}.value(c.After, n), true
		case "cost":
			if c.Cost == nil { // it costs nothing, and sums need no exception for it
				return d.value(reflect.ValueOf(plan.CostLine{}), n), true
			}
		}
		return cty.NilVal, false
	})
}

// veiled is a struct of which before and after may be secret, and after may be unknown.
func (d *document) veiled(v reflect.Value, n *need, sensitive, unknown bool) cty.Value {
	return d.object(v, n, func(name string, _ *need) (cty.Value, bool) {
		switch {
		case d.open || name != "before" && name != "after":
			return cty.NilVal, false
		case sensitive:
			return cty.DynamicVal.Mark(schema.SensitiveMark), true
		case unknown && name == "after":
			return cty.DynamicVal, true
		}
		return cty.NilVal, false
	})
}

// dollars is an amount as a number of dollars, exactly.
func dollars(m value.Money) cty.Value {
	if m%value.Dollar == 0 {
		return cty.NumberIntVal(int64(m / value.Dollar))
	}
	return cty.MustParseNumberVal(m.Decimal())
}

// fromJSON is the value of any JSON; null where there is none.
func fromJSON(raw []byte) cty.Value {
	var p any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if dec.Decode(&p) != nil {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	return fromAny(p)
}

func fromAny(p any) cty.Value {
	switch p := p.(type) {
	case string:
		return cty.StringVal(p)
	case bool:
		return cty.BoolVal(p)
	case json.Number:
		if v, err := cty.ParseNumberVal(p.String()); err == nil {
			return v
		}
	case []any:
		out := make([]cty.Value, len(p))
		for i, e := range p {
			out[i] = fromAny(e)
		}
		return cty.TupleVal(out)
	case map[string]any:
		out := make(map[string]cty.Value, len(p))
		for k, e := range p {
			out[k] = fromAny(e)
		}
		return cty.ObjectVal(out)
	}
	return cty.NullVal(cty.DynamicPseudoType)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
