package config

import (
	"fmt"
	"math"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// mostInstances is the number of repetitions of one block above which a mistake is assumed.
const mostInstances = 100_000

// Instance is one repetition of a block.
type Instance struct {
	Addr  addr.Instance
	Block *Block
	each  cty.Value // each.value, cty.NilVal without for_each
	// unknown says that the keys are not known: Validate looks at a block before they are.
	unknown bool
}

// Deferred says that the number of a block is not known yet, and why.
type Deferred struct {
	Range     hcl.Range // the expression of count or for_each
	Argument  string    // count or for_each
	Reference string    // what of it is unknown: volume.data.id; "" if that cannot be said
}

// Repetition says how many of a block there are. A block without count and for_each has one instance, with addr.NoKey.
// If the number is unknown there is no instance, and Deferred says why. Instances come in order: by index with count,
// by key with for_each.
func (c *Config) Repetition(b *Block, scope Scope) ([]Instance, *Deferred, diag.List) {
	var out []Instance
	var deferred *Deferred
	var list diag.List
	switch {
	case b.count != nil:
		out, deferred, list = c.counted(b, scope)
	case b.forEach != nil:
		out, deferred, list = c.forEach(b, scope)
	default:
		return []Instance{{Addr: b.Addr.Instance(addr.NoKey), Block: b}}, nil, nil
	}
	c.Snippets(list.For(b.Addr.String()))
	return out, deferred, list
}

func (c *Config) counted(b *Block, scope Scope) ([]Instance, *Deferred, diag.List) {
	a := b.count
	ctx, list := c.contextOf(scope, nil, a.uses)
	v, ds := c.eval(a, ctx)
	if list = append(list, ds...); list.HasErrors() {
		return nil, nil, list
	}
	written := v
	v, _ = v.Unmark() // how many there are shows anyway
	rng := a.expr.Range()
	switch {
	case v.IsNull():
		return nil, nil, append(list, c.about(a, ctx, rng, "count is null", "count needs a whole number from 0; leave it out for exactly one.")...)
	case !v.IsKnown():
		return nil, c.deferral(a, scope), list
	}
	n, err := toWhole(v)
	switch {
	case err != nil || n < 0:
		return nil, nil, append(list, c.about(a, ctx, rng, "count is no number of blocks", "count is a whole number from 0%s.", shown(written))...)
	case n > mostInstances:
		return nil, nil, append(list, c.about(a, ctx, rng, "count is too large", "At most %d of one block are allowed%s.", mostInstances, shown(written))...)
	}
	out := make([]Instance, n)
	for i := range out {
		out[i] = Instance{Addr: b.Addr.Instance(addr.Int(i)), Block: b}
	}
	return out, nil, list
}

func (c *Config) forEach(b *Block, scope Scope) ([]Instance, *Deferred, diag.List) {
	a := b.forEach
	ctx, list := c.contextOf(scope, nil, a.uses)
	v, ds := c.eval(a, ctx)
	if list = append(list, ds...); list.HasErrors() {
		return nil, nil, list
	}
	rng := a.expr.Range()
	fail := func(summary, format string, args ...any) ([]Instance, *Deferred, diag.List) {
		return nil, nil, append(list, c.about(a, ctx, rng, summary, format, args...)...)
	}
	ty := v.Type()
	switch {
	case v.HasMark(schema.SensitiveMark), ty.IsSetType() && v.ContainsMarked():
		return fail("for_each is sensitive", "The keys of for_each become parts of addresses, which are shown everywhere, and this value is sensitive. Use a value that is not, or nonsensitive(...) around keys that may be shown.")
	case v.IsNull():
		return fail("for_each is null", "for_each needs a map, an object or a set of strings. For none of the block write {}.")
	case !v.IsKnown():
		return nil, c.deferral(a, scope), list
	case ty.IsTupleType() || ty.IsListType():
		return fail("for_each takes no list", "A list has no keys, so that removing one element would change all after it. Make a set of strings of it:\n  for_each = toset([\"a\", \"b\"])")
	case ty.IsSetType() && !v.IsWhollyKnown():
		return nil, c.deferral(a, scope), list
	case ty.IsSetType() && !ty.ElementType().Equals(cty.String) && v.LengthInt() > 0:
		return fail("for_each has the wrong type", "A set must be one of strings, because its elements become keys; this is a set of %s. Use a map, or { for x in ... : x.name => x }.", ty.ElementType().FriendlyName())
	case !ty.IsMapType() && !ty.IsObjectType() && !ty.IsSetType():
		return fail("for_each has the wrong type", "for_each needs a map, an object or a set of strings%s.", shown(v))
	}
	if v.LengthInt() > mostInstances {
		return fail("for_each is too large", "%d of one block are more than the %d that are allowed.", v.LengthInt(), mostInstances)
	}
	var out []Instance
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if ty.IsSetType() {
			k = e
		}
		if k.IsNull() {
			return fail("A key is null", "One element of the set is null, and keys are strings. Remove it, for example with compact(...).")
		}
		out = append(out, Instance{Addr: b.Addr.Instance(addr.String(k.AsString())), Block: b, each: e})
	}
	return out, nil, list
}

// deferral says what makes the number of a block unknown.
func (c *Config) deferral(a *attribute, scope Scope) *Deferred {
	d := &Deferred{Range: a.expr.Range(), Argument: a.name}
	for _, u := range a.uses {
		ctx := c.context(scope, nil, []use{u})
		v, ds := u.traversal.TraverseAbs(ctx)
		if ds.HasErrors() {
			continue
		}
		if v, _ = v.UnmarkDeep(); !v.IsWhollyKnown() {
			d.Reference = traversalText(u.traversal)
			return d
		}
	}
	return d
}

// names are each.* and count.* of an instance.
func (i Instance) names() extra {
	switch {
	case i.Block.forEach != nil && i.unknown:
		return extra{"each": cty.ObjectVal(map[string]cty.Value{"key": cty.UnknownVal(cty.String), "value": cty.DynamicVal})}
	case i.Block.forEach != nil:
		return extra{"each": cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(i.Addr.Key.Text()), "value": i.each})}
	case i.Block.count != nil && i.unknown:
		return extra{"count": cty.ObjectVal(map[string]cty.Value{"index": cty.UnknownVal(cty.Number)})}
	case i.Block.count != nil:
		n, _ := i.Addr.Key.Int()
		return extra{"count": cty.ObjectVal(map[string]cty.Value{"index": cty.NumberIntVal(int64(n))})}
	}
	return nil
}

// toWhole reads a whole number.
func toWhole(v cty.Value) (int64, error) {
	v, err := convertTo(v, cty.Number)
	if err != nil {
		return 0, err
	}
	f := v.AsBigFloat()
	n, acc := f.Int64()
	if acc != 0 || f.IsInf() || n > math.MaxInt32 || n < math.MinInt32 {
		return 0, fmt.Errorf("a whole number is needed")
	}
	return n, nil
}
