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
	in    *site     // nil means the only one of the root
	each  cty.Value // each.value, cty.NilVal without for_each
	// unknown says that the keys are not known: Validate looks at a block before they are.
	unknown bool
}

// site is where the instance stands.
func (i Instance) site() *site {
	if i.in == nil {
		return &site{module: i.Block.module}
	}
	return i.in
}

// Deferred says that the number of a block is not known yet, and why.
type Deferred struct {
	Block    addr.Block // with the keys of its module
	Range    hcl.Range  // the expression of count or for_each
	Argument string     // count or for_each
	Open                // what of it is unknown

	site *site
}

// Repetition says how many of a block there are, in all instances of its module. A block without count and for_each has
// one instance in each, with addr.NoKey. Where the number is unknown there is no instance, and a Deferred says why; where
// that of the modules is unknown there is neither, as it is the call that is deferred. Instances come in order of modules,
// and in each by index with count, by key with for_each.
func (c *Config) Repetition(b *Block, scope Scope) ([]Instance, []Deferred, diag.List) {
	e := c.evaluate(scope)
	all, list := e.sites(b.module)
	var out []Instance
	var deferred []Deferred
	for _, s := range all {
		some, d, ds := e.repeat(b, s)
		out, list = append(out, some...), append(list, ds...)
		if d != nil {
			deferred = append(deferred, *d)
		}
	}
	c.Snippets(list.For(b.Addr.String()))
	return out, deferred, list
}

// repeat says how many of a block there are in one site of its module.
func (e *evaluation) repeat(b *Block, at *site) ([]Instance, *Deferred, diag.List) {
	switch {
	case b.count != nil:
		return e.counted(b, at)
	case b.forEach != nil:
		return e.forEach(b, at)
	}
	return []Instance{{Addr: b.at(at).Instance(addr.NoKey), Block: b, in: at}}, nil, nil
}

func (e *evaluation) counted(b *Block, at *site) ([]Instance, *Deferred, diag.List) {
	c, a := e.c, b.count
	ctx, list := e.fill(at, nil, a.uses)
	v, ds := c.eval(a, ctx)
	if list = append(list, ds...); list.HasErrors() {
		return nil, nil, list
	}
	if ds := c.ephemeralIn(a, v, ctx); ds != nil {
		return nil, nil, append(list, ds...)
	}
	written := v
	v, _ = v.Unmark() // how many there are shows anyway
	rng := a.expr.Range()
	switch {
	case v.IsNull():
		return nil, nil, append(list, c.about(a, ctx, rng, "count is null", "count needs a whole number from 0; leave it out for exactly one.")...)
	case !v.IsKnown():
		return nil, e.deferral(b, at, a), list
	}
	n, err := toWhole(v)
	switch {
	case err != nil || n < 0:
		return nil, nil, append(list, c.about(a, ctx, rng, "count is no number of blocks", "count is a whole number from 0%s.", shown(written))...)
	case n > mostInstances:
		return nil, nil, append(list, c.about(a, ctx, rng, "count is too large", "At most %d of one block are allowed%s.", mostInstances, shown(written))...)
	}
	out := make([]Instance, n)
	address := b.at(at)
	for i := range out {
		out[i] = Instance{Addr: address.Instance(addr.Int(i)), Block: b, in: at}
	}
	return out, nil, list
}

func (e *evaluation) forEach(b *Block, at *site) ([]Instance, *Deferred, diag.List) {
	c, a := e.c, b.forEach
	ctx, list := e.fill(at, nil, a.uses)
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
		return nil, e.deferral(b, at, a), list
	case ty.IsTupleType() || ty.IsListType():
		return fail("for_each takes no list", "A list has no keys, so that removing one element would change all after it. Make a set of strings of it:\n  for_each = toset([\"a\", \"b\"])")
	case ty.IsSetType() && !v.IsWhollyKnown():
		return nil, e.deferral(b, at, a), list
	case ty.IsSetType() && !ty.ElementType().Equals(cty.String) && v.LengthInt() > 0:
		return fail("for_each has the wrong type", "A set must be one of strings, because its elements become keys; this is a set of %ss. Use a map, or { for x in ... : x.name => x }.", ty.ElementType().FriendlyName())
	case !ty.IsMapType() && !ty.IsObjectType() && !ty.IsSetType():
		return fail("for_each has the wrong type", "for_each needs a map, an object or a set of strings%s.", shown(v))
	}
	if v.LengthInt() > mostInstances {
		return fail("for_each is too large", "%d of one block are more than the %d that are allowed.", v.LengthInt(), mostInstances)
	}
	var out []Instance
	address := b.at(at)
	for it := v.ElementIterator(); it.Next(); {
		k, elem := it.Element()
		if ty.IsSetType() {
			k = elem
		}
		if k.IsNull() {
			return fail("A key is null", "One element of the set is null, and keys are strings. Remove it, for example with compact(...).")
		}
		out = append(out, Instance{Addr: address.Instance(addr.String(k.AsString())), Block: b, in: at, each: elem})
	}
	return out, nil, list
}

// deferral says what makes the number of a block unknown.
func (e *evaluation) deferral(b *Block, at *site, a *attribute) *Deferred {
	f := follower{e: e, seen: map[nameKey]bool{}}
	return &Deferred{site: at, Block: b.at(at), Range: a.expr.Range(), Argument: a.name, Open: f.follow(at, nil, a.uses)}
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
