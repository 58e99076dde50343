package value

import "strings"

// Range is an interval that includes its bounds. A bound that is not there is open; its field is zero. The zero
// value has no bounds and contains everything.
type Range[T int | float64] struct {
	Min, Max       T
	HasMin, HasMax bool
}

// Exactly is the range that contains n alone.
func Exactly[T int | float64](n T) Range[T] { return Range[T]{n, n, true, true} }

// AtLeast is the range from n.
func AtLeast[T int | float64](n T) Range[T] { return Range[T]{Min: n, HasMin: true} }

// AtMost is the range up to n.
func AtMost[T int | float64](n T) Range[T] { return Range[T]{Max: n, HasMax: true} }

// Between is the range from low to high.
func Between[T int | float64](low, high T) Range[T] { return Range[T]{low, high, true, true} }

// Contains reports whether n is within the bounds.
func (r Range[T]) Contains(n T) bool {
	return (!r.HasMin || n >= r.Min) && (!r.HasMax || n <= r.Max)
}

// Intersect is what both ranges contain, and false if that is nothing.
func (r Range[T]) Intersect(o Range[T]) (Range[T], bool) {
	if o.HasMin && (!r.HasMin || o.Min > r.Min) {
		r.Min, r.HasMin = o.Min, true
	}
	if o.HasMax && (!r.HasMax || o.Max < r.Max) {
		r.Max, r.HasMax = o.Max, true
	}
	if r.HasMin && r.HasMax && r.Min > r.Max {
		return Range[T]{}, false
	}
	return r, true
}

// IsExact reports whether the range contains one number only, and which.
func (r Range[T]) IsExact() (T, bool) {
	return r.Min, r.HasMin && r.HasMax && r.Min == r.Max
}

// format prints the range: one number if both bounds are equal, else "a..b", "a.." or "..b".
func (r Range[T]) format(one func(T) string) string {
	if n, ok := r.IsExact(); ok {
		return one(n)
	}
	var b strings.Builder
	if r.HasMin {
		b.WriteString(one(r.Min))
	}
	b.WriteString("..")
	if r.HasMax {
		b.WriteString(one(r.Max))
	}
	return b.String()
}

// parseRange reads q.s[from:to] as one number or a range, each number by one.
func parseRange[T int | float64](q squeezed, from, to int, w words, one func(q squeezed, from, to int, w words) (T, error)) (Range[T], error) {
	s := q.s[from:to]
	if s == "" {
		return Range[T]{}, q.mistake(from, to, w.noun+" is empty", "The text is empty. %s", w.accepts)
	}
	dots := strings.Index(s, "..")
	if dots < 0 {
		n, err := one(q, from, to, w)
		if err != nil {
			return Range[T]{}, err
		}
		return Exactly(n), nil
	}
	if s == ".." {
		return Range[T]{}, q.mistake(from, to, w.noun+" has no bound", `".." has a number neither before it nor behind it. %s`, w.accepts)
	}
	if again := strings.Index(s[dots+2:], ".."); again >= 0 {
		at := from + dots + 2 + again
		return Range[T]{}, q.mistake(at, at+2, w.noun+" has more than two bounds", `".." stands in it more than once. %s`, w.accepts)
	}
	var r Range[T]
	var err error
	if dots > 0 {
		if r.Min, err = one(q, from, from+dots, w); err != nil {
			return Range[T]{}, err
		}
		r.HasMin = true
	}
	if dots+2 < len(s) {
		if r.Max, err = one(q, from+dots+2, to, w); err != nil {
			return Range[T]{}, err
		}
		r.HasMax = true
	}
	if r.HasMin && r.HasMax && r.Min > r.Max {
		return Range[T]{}, q.mistake(from, to, w.noun+" has its bounds the wrong way round",
			"The minimum %s is above the maximum %s. Write the smaller one first.", quote(s[:dots]), quote(s[dots+2:]))
	}
	return r, nil
}

// rangeFromObject reads `{ min, max }`.
func rangeFromObject[T int | float64](o object, bound forms[T], print func(T) string) (Range[T], error) {
	var r Range[T]
	var err error
	if err = o.only("min", "max"); err != nil {
		return r, err
	}
	if r.Min, r.HasMin, err = attr(o, "min", bound); err != nil {
		return Range[T]{}, err
	}
	if r.Max, r.HasMax, err = attr(o, "max", bound); err != nil {
		return Range[T]{}, err
	}
	switch {
	case !r.HasMin && !r.HasMax:
		return r, mistake(o.noun+" has no bound", "The object has neither min nor max. %s", o.accepts)
	case r.HasMin && r.HasMax && r.Min > r.Max:
		return Range[T]{}, mistake(o.noun+" has its bounds the wrong way round",
			"The minimum %s is above the maximum %s.", print(r.Min), print(r.Max))
	}
	return r, nil
}
