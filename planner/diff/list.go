package diff

import (
	"slices"
	"strconv"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema"
)

// list compares two lists. Elements that the schema gives an identity are paired by it, all others by their longest common
// subsequence, and what has no partner there by place: so a change inside an element is one difference. A list that appears
// or goes is one difference too.
func (c *comparer) list(a *schema.Attribute, p, w cty.Value, path []byte) bool {
	if p.IsNull() || w.IsNull() {
		if p.IsNull() && w.IsNull() {
			return false
		}
		c.differ(a, string(path), p, w)
		return true
	}
	olds, news := p.AsValueSlice(), w.AsValueSlice()
	oldKeys, newKeys := c.keys(a, olds, c.prior, path), c.keys(a, news, c.want, path)
	oldIDs, newIDs := oldKeys, newKeys
	if id := identity(a); len(id) > 0 {
		oldIDs, newIDs = identities(id, olds, c.prior, path), identities(id, news, c.want, path)
	}
	first := len(c.out.Diffs)
	pairs := Align(oldIDs, newIDs)
	for i := 0; i < len(pairs); {
		if pair := pairs[i]; pair.Old >= 0 && pair.New >= 0 {
			if oldKeys[pair.Old] != newKeys[pair.New] {
				c.elements(a, olds, news, pair, path)
			}
			i++
			continue
		}
		end := i
		var gapOld, gapNew []int
		for ; end < len(pairs) && (pairs[end].Old < 0 || pairs[end].New < 0); end++ {
			if pairs[end].Old >= 0 {
				gapOld = append(gapOld, pairs[end].Old)
			} else {
				gapNew = append(gapNew, pairs[end].New)
			}
		}
		for _, pair := range partners(a, news, gapOld, gapNew) {
			c.elements(a, olds, news, pair, path)
		}
		i = end
	}
	moved(c.out.Diffs[first:], string(path))
	return len(c.out.Diffs) > first
}

// elements records what differs between two partners, or the one that has none.
func (c *comparer) elements(a *schema.Attribute, olds, news []cty.Value, pair Pair, path []byte) {
	elem := a.Type.ElementType()
	switch {
	case pair.New < 0:
		at := indexed(path, pair.Old)
		c.differGone(a, at, olds[pair.Old])
	case pair.Old < 0:
		at := indexed(path, pair.New)
		c.differAt(a, at, "", cty.NullVal(elem), news[pair.New])
	case a.Elem != nil && news[pair.New].IsKnown():
		c.paired(a, olds[pair.Old], news[pair.New], pair, path)
	default:
		priorAt, at := indexed(path, pair.Old), indexed(path, pair.New)
		c.differAt(a, at, priorAt, olds[pair.Old], news[pair.New])
	}
}

// differGone records an element that goes. Its path is one of prior: want may hold something else there.
func (c *comparer) differGone(a *schema.Attribute, path string, p cty.Value) {
	want := c.want
	c.want = Value{}
	c.differAt(a, path, path, p, cty.NullVal(p.Type()))
	c.want = want
}

// paired compares two objects that are one element, which may have moved. An element that has the same leaves but for
// what is unset is no difference.
func (c *comparer) paired(a *schema.Attribute, p, w cty.Value, pair Pair, path []byte) {
	sub := comparer{prior: rebase(c.prior, indexed(path, pair.Old)), want: rebase(c.want, indexed(path, pair.New)), quiet: c.quiet}
	sub.out.ByRule = map[schema.Change][]string{}
	sub.object(a.Elem, p, w, nil)
	base := indexed(path, pair.New) + "."
	for _, d := range sub.out.Diffs {
		d.Path = base + d.Path
		if d.MovedTo != "" {
			d.MovedTo = base + d.MovedTo
		}
		if d.MovedFrom != "" {
			d.MovedFrom = base + d.MovedFrom
		}
		c.out.Diffs = append(c.out.Diffs, d)
	}
	for rule, paths := range sub.out.ByRule {
		for _, p := range paths {
			c.follow(rule, base+p)
		}
	}
}

// rebase keeps of a value's secrets those below root, by their paths from there.
func rebase(v Value, root string) Value {
	out := Value{}
	for p, d := range v.Digests {
		if Under(p, root) && len(p) > len(root)+1 {
			if out.Digests == nil {
				out.Digests = map[string]string{}
			}
			out.Digests[p[len(root)+1:]] = d
		}
	}
	for _, p := range v.Sensitive {
		if Under(p, root) && len(p) > len(root)+1 {
			out.Sensitive = append(out.Sensitive, p[len(root)+1:])
		}
	}
	return out
}

// keys is one text for each element, the same for elements that are the same.
func (c *comparer) keys(a *schema.Attribute, elems []cty.Value, in Value, path []byte) []string {
	out := make([]string, len(elems))
	secrets := len(in.Digests) > 0
	for i, e := range elems {
		at := appendIndex(path, i)
		if e.Type() == cty.String && e.IsKnown() && !e.IsNull() && !secrets {
			out[i] = canonical(a, e.AsString())
			continue
		}
		out[i] = string(appendCanonical(nil, a, e, in, at, i))
	}
	return out
}

// appendCanonical writes a value so that equal values are written the same. An unknown one equals nothing, not even the
// unknown one beside it.
func appendCanonical(b []byte, a *schema.Attribute, v cty.Value, in Value, path []byte, salt int) []byte {
	if d, ok := in.Digests[string(path)]; ok {
		return append(append(b, 's'), d...)
	}
	if !v.IsKnown() {
		return strconv.AppendInt(append(b, "?\x00"...), int64(salt), 10)
	}
	if v.IsNull() {
		v = unset(a)
	}
	if v.IsNull() {
		return append(b, '-')
	}
	ty := v.Type()
	switch {
	case ty == cty.String && v.AsString() == "":
		return append(b, '-')
	case ty == cty.String:
		return strconv.AppendQuote(b, canonical(a, v.AsString()))
	case ty.IsObjectType() && a.Elem != nil:
		b = append(b, '{')
		for _, f := range a.Elem.Attrs {
			b = appendCanonical(b, f, attr(v, f), in, appendAttr(path, f.Name), salt)
			b = append(b, ',')
		}
		return append(b, '}')
	case ty.IsListType():
		b = append(b, '[')
		for i, e := range v.AsValueSlice() {
			b = appendCanonical(b, &schema.Attribute{Grammar: a.Grammar, Elem: a.Elem, Type: ty.ElementType()}, e, in, appendIndex(path, i), salt)
			b = append(b, ',')
		}
		return append(b, ']')
	case ty.IsMapType():
		b = append(b, '{')
		elems := v.AsValueMap()
		for _, k := range sortedKeys(elems, nil) {
			b = strconv.AppendQuote(b, k)
			b = appendCanonical(b, &schema.Attribute{Grammar: a.Grammar, Elem: a.Elem, Type: ty.ElementType()}, elems[k], in, appendKey(path, k), salt)
			b = append(b, ',')
		}
		return append(b, '}')
	}
	return append(b, encode(v)...)
}

// identity are the attributes that tell the elements of a list apart, none where the schema names none.
func identity(a *schema.Attribute) []*schema.Attribute {
	if a.Elem == nil {
		return nil
	}
	var out []*schema.Attribute
	for _, f := range a.Elem.Attrs {
		if f.Identity {
			out = append(out, f)
		}
	}
	return out
}

// identities is one text for each element, the same for elements that are one and the same on both sides.
func identities(id []*schema.Attribute, elems []cty.Value, in Value, path []byte) []string {
	out := make([]string, len(elems))
	var b []byte
	for i, e := range elems {
		b = b[:0]
		if !e.IsKnown() {
			out[i] = string(strconv.AppendInt(append(b, "?\x00"...), int64(i), 10))
			continue
		}
		at := appendIndex(path, i)
		for _, f := range id {
			b = append(appendCanonical(b, f, attr(e, f), in, appendAttr(at, f.Name), i), ',')
		}
		out[i] = string(b)
	}
	return out
}

// partners pairs what stands in one gap of an alignment by place. Where elements have an identity, what has no partner is
// another element, unless it is not known which one it is.
func partners(a *schema.Attribute, news []cty.Value, gapOld, gapNew []int) []Pair {
	if len(identity(a)) == 0 || slices.ContainsFunc(gapNew, func(at int) bool { return !news[at].IsKnown() }) {
		return byPlace(gapOld, gapNew)
	}
	out := make([]Pair, 0, len(gapOld)+len(gapNew))
	for _, at := range gapOld {
		out = append(out, Pair{at, -1})
	}
	for _, at := range gapNew {
		out = append(out, Pair{-1, at})
	}
	return out
}

func byPlace(gapOld, gapNew []int) []Pair {
	out := make([]Pair, 0, max(len(gapOld), len(gapNew)))
	for i := range max(len(gapOld), len(gapNew)) {
		p := Pair{-1, -1}
		if i < len(gapOld) {
			p.Old = gapOld[i]
		}
		if i < len(gapNew) {
			p.New = gapNew[i]
		}
		out = append(out, p)
	}
	return out
}
