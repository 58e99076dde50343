package diff

import (
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
)

// Action is what the differences of one resource ask for.
type Action string

// Actions, from the weakest to the strongest. Constraint and Provider are questions: Settle takes the answers.
const (
	// None: there is no difference.
	None Action = "none"
	// Record: only the record changes; nothing is called.
	Record Action = "record"
	// Update: the provider changes the thing itself.
	Update Action = "update"
	// Provider: an update, unless the provider's Plan says that it must be replaced.
	Provider Action = "provider"
	// Constraint: as what else differs says, or the record alone, unless the machine breaks the new constraint.
	Constraint Action = "constraint"
	// Replace: nothing but a new one will do.
	Replace Action = "replace"
)

// strength orders the actions.
func (a Action) strength() int {
	return slices.Index([]Action{None, Record, Update, Provider, Constraint, Replace}, a)
}

// actionOf is what a rule of the schema asks for.
func actionOf(rule schema.Change) Action {
	switch rule {
	case schema.Record:
		return Record
	case schema.InPlace:
		return Update
	case schema.Provider:
		return Provider
	case schema.Constraint:
		return Constraint
	case schema.Replace:
		return Replace
	}
	return None
}

// Options say what to leave out and what to compare beside what is configured.
type Options struct {
	// Ignore lists paths that keep what is recorded, as ignore_changes has them; "all" is every attribute.
	Ignore []string
	// Also picks attributes that nobody writes (computed, placed, status), to be compared nevertheless: placed ones when a
	// replacement is shown, all of them for drift. They never have a say in the action.
	Also func(*schema.Attribute) bool
}

// Result is what a comparison found.
type Result struct {
	Action Action
	// Diffs are in the order of the schema's attributes. In a list they are in the order of both lists: the index of an
	// element that goes is its old one, of any other its new one.
	Diffs []plan.AttrDiff
	// Unchanged counts the configured attributes that have a value and keep it, leaves of nested objects one by one.
	Unchanged int
	// Forces lists the paths that force a replacement.
	Forces []string
	// ByRule lists the paths of the differences that follow each rule.
	ByRule map[schema.Change][]string
	// After is what is wanted, completed by what is kept: ignored paths, attributes that stay as they were decided, and
	// computed values for which nothing else is known.
	After Value
}

// Settle answers the questions that are open: forced has the paths that force a replacement, with a sentence of why,
// because the machine breaks a constraint or the provider cannot update. A constraint that is kept changes the record
// alone, and what the provider can change is an update. A forced path at which nothing differs forces all the same.
func (r Result) Settle(forced map[string]string) Result {
	out := r
	out.Diffs = slices.Clone(r.Diffs)
	out.Forces = slices.Clone(r.Forces)
	out.Action = None
	raise := func(a Action) {
		if a.strength() > out.Action.strength() {
			out.Action = a
		}
	}
	for rule, paths := range r.ByRule {
		switch a := actionOf(rule); {
		case len(paths) == 0:
		case a == Constraint:
			raise(Record)
		case a == Provider:
			raise(Update)
		default:
			raise(a)
		}
	}
	for path, why := range forced {
		raise(Replace)
		if !slices.Contains(out.Forces, path) {
			out.Forces = append(out.Forces, path)
		}
		for i := range out.Diffs {
			if d := &out.Diffs[i]; Under(d.Path, path) || Under(path, d.Path) {
				d.Forces, d.Why = true, why
			}
		}
	}
	slices.Sort(out.Forces)
	return out
}

// Compare says how want differs from prior, both of kind o, and what that does. Neither has marks.
//
// Attributes that nobody writes do not differ. Nothing written is the same as the schema's default, or as false, zero or
// an empty map where there is none. What is unknown in want differs, and follows the rule of its attribute.
func Compare(o *schema.Object, prior, want Value, opts Options) Result {
	after := keep(o, prior, want, opts.Ignore)
	c := comparer{prior: prior, want: after, also: opts.Also}
	c.out.ByRule = map[schema.Change][]string{}
	c.object(o, prior.V, after.V, nil)
	c.out.After = after
	c.out.Action = None
	for rule := range c.out.ByRule {
		if a := actionOf(rule); a.strength() > c.out.Action.strength() {
			c.out.Action = a
		}
	}
	return c.out
}

type comparer struct {
	prior, want Value
	also        func(*schema.Attribute) bool
	quiet       bool // inside an attribute that nobody writes
	out         Result
}

// object compares attribute by attribute. A null object is one whose attributes are all unset.
func (c *comparer) object(o *schema.Object, p, w cty.Value, path []byte) {
	for _, a := range o.Attrs {
		if !a.Configured() && (c.also == nil || !c.also(a)) {
			continue
		}
		pv, wv := attr(p, a), attr(w, a)
		if pv.IsNull() && wv.IsNull() && len(c.prior.Digests) == 0 && len(c.want.Sensitive) == 0 && len(c.want.Digests) == 0 {
			continue
		}
		quiet := c.quiet
		c.quiet = quiet || !a.Configured()
		at := appendAttr(path, a.Name)
		if a.Elem != nil && !a.Many && pv.Type().IsObjectType() && wv.IsKnown() {
			c.nested(a, pv, wv, at)
		} else if !c.attribute(a, pv, wv, at) {
			if !c.quiet && (says(a, pv) || says(a, wv) || c.want.hidden(string(at))) {
				c.out.Unchanged++
			}
		}
		c.quiet = quiet
	}
}

// nested compares an object inside an object. When it appears or goes as a whole, the rule of its own attribute counts
// as well as those of the leaves.
func (c *comparer) nested(a *schema.Attribute, p, w cty.Value, path []byte) {
	before := len(c.out.Diffs)
	c.object(a.Elem, p, w, path)
	if len(c.out.Diffs) > before && p.IsNull() != w.IsNull() && !c.quiet {
		c.follow(a.Change, string(path))
	}
}

// attribute compares what is no nested object, and tells whether it differs.
func (c *comparer) attribute(a *schema.Attribute, p, w cty.Value, path []byte) bool {
	switch {
	case !w.IsKnown():
		c.differ(a, string(path), p, w)
		return true
	case a.Type.IsMapType():
		return c.mapping(a, p, w, path)
	case a.Type.IsListType():
		return c.list(a, p, w, path)
	}
	return c.leaf(a, p, w, path)
}

func (c *comparer) mapping(a *schema.Attribute, p, w cty.Value, path []byte) bool {
	pm, wm := valueMap(p), valueMap(w)
	differs, first := false, len(c.out.Diffs)
	for _, k := range sortedKeys(pm, wm) {
		pe, we := orNull(pm[k], a.Type.ElementType()), orNull(wm[k], a.Type.ElementType())
		if c.element(a, pe, we, appendKey(path, k)) {
			differs = true
		}
	}
	moved(c.out.Diffs[first:], string(path))
	return differs
}

// element compares two elements of a map, where an empty text is a value and nothing stands in for what is missing.
func (c *comparer) element(a *schema.Attribute, p, w cty.Value, path []byte) bool {
	at := string(path)
	if w.IsKnown() && c.sameSecret(at, at, func() bool {
		if p.IsNull() || w.IsNull() {
			return p.IsNull() && w.IsNull()
		}
		return same(a, p, w)
	}) {
		return false
	}
	c.differ(a, at, p, w)
	return true
}

func (c *comparer) leaf(a *schema.Attribute, p, w cty.Value, path []byte) bool {
	equal := func() bool {
		x, y := p, w
		if x.IsNull() {
			x = unset(a)
		}
		if y.IsNull() {
			y = unset(a)
		}
		if x.IsNull() || y.IsNull() {
			return emptyText(x) && emptyText(y)
		}
		return same(a, x, y)
	}
	if len(c.prior.Digests) == 0 && len(c.want.Digests) == 0 && len(c.want.Sensitive) == 0 {
		if equal() {
			return false
		}
	} else if at := string(path); c.sameSecret(at, at, equal) {
		return false
	}
	c.differ(a, string(path), p, w)
	return true
}

// sameSecret compares by digest where either side is a secret, and by clear otherwise.
func (c *comparer) sameSecret(priorPath, wantPath string, clear func() bool) bool {
	dp, okp := c.prior.Digests[priorPath]
	dw, okw := c.want.Digests[wantPath]
	if !okp && !okw {
		return clear()
	}
	return okp && okw && dp == dw
}

// differ records one difference. Of a secret it says only whether there is one on each side.
func (c *comparer) differ(a *schema.Attribute, path string, p, w cty.Value) {
	c.differAt(a, path, path, p, w)
}

func (c *comparer) differAt(a *schema.Attribute, path, priorPath string, p, w cty.Value) {
	d := plan.AttrDiff{Path: path, Unknown: !w.IsKnown()}
	d.Sensitive = a.Sensitive || c.prior.holdsSecret(priorPath) || c.want.holdsSecret(path)
	if d.Sensitive {
		d.Before = veil(!p.IsNull() || c.prior.hidden(priorPath))
		d.After = veil(!d.Unknown && (!w.IsNull() || c.want.hidden(path)))
	} else {
		d.Before, d.After = encode(p), encode(w)
		if a.Grammar == "" && !d.Unknown {
			d.Inside = Inside(d.Before, d.After)
		}
	}
	if !c.quiet {
		d.Forces = a.Change == schema.Replace
		c.follow(a.Change, path)
	}
	c.out.Diffs = append(c.out.Diffs, d)
}

func (c *comparer) follow(rule schema.Change, path string) {
	c.out.ByRule[rule] = append(c.out.ByRule[rule], path)
	if rule == schema.Replace {
		c.out.Forces = append(c.out.Forces, path)
	}
}

// veil stands for a secret: null where there is one, nothing where there is none.
func veil(present bool) []byte {
	if !present {
		return nil
	}
	return []byte("null")
}

// encode is the JSON of what is known of v, nil for null. It cannot fail for values of a schema without marks.
func encode(v cty.Value) []byte {
	if v.IsNull() || !v.IsKnown() {
		return nil
	}
	if !v.IsWhollyKnown() {
		v = cty.UnknownAsNull(v)
	}
	b, err := schema.MarshalValue(v)
	if err != nil {
		return nil
	}
	return b
}

// same compares two known leaves.
func same(a *schema.Attribute, x, y cty.Value) bool {
	switch ty := x.Type(); {
	case ty != y.Type():
		return false
	case ty == cty.String:
		return SameText(a, x.AsString(), y.AsString())
	case ty == cty.Bool:
		return x.True() == y.True()
	case ty == cty.Number:
		return x.AsBigFloat().Cmp(y.AsBigFloat()) == 0
	}
	return x.RawEquals(y)
}

// says tells whether a value is more than what stands there anyway: false and zero come from every provider's struct.
func says(a *schema.Attribute, v cty.Value) bool {
	if v.IsNull() {
		return false
	}
	if ty := v.Type(); ty != cty.Bool && ty != cty.Number {
		return true
	}
	anyway := unset(a)
	return anyway.IsNull() || !same(a, v, anyway)
}

func emptyText(v cty.Value) bool {
	return v.IsNull() || v.Type() == cty.String && v.AsString() == ""
}

// attr is an attribute of an object that may be null or of an older shape.
func attr(v cty.Value, a *schema.Attribute) cty.Value {
	if v == cty.NilVal || v.IsNull() {
		return cty.NullVal(a.Type)
	}
	if _, ok := v.Type().AttributeTypes()[a.Name]; !ok {
		return cty.NullVal(a.Type)
	}
	return v.GetAttr(a.Name)
}

func valueMap(v cty.Value) map[string]cty.Value {
	if v.IsNull() {
		return nil
	}
	return v.AsValueMap()
}

func orNull(v cty.Value, ty cty.Type) cty.Value {
	if v == cty.NilVal {
		return cty.NullVal(ty)
	}
	return v
}

func sortedKeys(a, b map[string]cty.Value) []string {
	keys := make([]string, 0, len(a)+len(b))
	for k := range a {
		keys = append(keys, k)
	}
	for k := range b {
		if _, both := a[k]; !both {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}
