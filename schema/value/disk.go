package value

import "github.com/zclconf/go-cty/cty"

// DiskSize is a range of disk sizes in GB: "100GB..", 200, or { size = "100GB.." }.
type DiskSize struct {
	span MemoryRange
}

var diskWords = words{"Disk size",
	`A disk size is a number of GB, or a number with MB, GB or TB, or a range of them ("100GB..", "200GB", "100GB..1TB").`}

var diskSizeForms = memoryRangeFormsFor(diskWords)

var diskForms = forms[DiskSize]{
	words:  diskWords,
	text:   ParseDiskSize,
	number: func(text string) (DiskSize, error) { r, err := diskSizeForms.number(text); return DiskSize{r}, err },
	object: diskFromObject,
}

// ParseDiskSize reads a range of disk sizes.
func ParseDiskSize(text string) (DiskSize, error) {
	r, err := parseMemoryRange(text, diskWords)
	return DiskSize{r}, err
}

// DiskSizeOf is a range of disk sizes in GB. A range without any bound is unset.
func DiskSizeOf(span Range[float64]) DiskSize { return DiskSize{MemoryRangeOf(span)} }

// Range is the range in GB.
func (d DiskSize) Range() Range[float64] { return d.span.span }

// Min is the lower bound, and false if there is none.
func (d DiskSize) Min() (Memory, bool) { return d.span.Min() }

// Max is the upper bound, and false if there is none.
func (d DiskSize) Max() (Memory, bool) { return d.span.Max() }

// Contains reports whether a size in GB is in the range. An unset range contains everything.
func (d DiskSize) Contains(gb float64) bool { return d.span.Contains(gb) }

// ContainsMiB reports whether a size in MB of 1024 x 1024 bytes is in the range.
func (d DiskSize) ContainsMiB(mib int64) bool { return d.span.ContainsMiB(mib) }

// Intersect is what both ranges contain, and false if that is nothing.
func (d DiskSize) Intersect(o DiskSize) (DiskSize, bool) {
	span, ok := d.span.Intersect(o.span)
	return DiskSize{span}, ok
}

// String is the size as written.
func (d DiskSize) String() string { return d.span.text }

// Canonical is the range in GB.
func (d DiskSize) Canonical() string { return d.span.Canonical() }

// IsZero reports whether the size is unset.
func (d DiskSize) IsZero() bool { return d.span.IsZero() }

// Equal reports whether both are the same range, or both unset.
func (d DiskSize) Equal(o DiskSize) bool { return d.span.Equal(o.span) }

// MarshalText gives the text as written.
func (d DiskSize) MarshalText() ([]byte, error) { return d.span.MarshalText() }

// UnmarshalText reads a range of disk sizes.
func (d *DiskSize) UnmarshalText(text []byte) error { return decodeText(d, text, ParseDiskSize) }

// UnmarshalCty reads a string, a number of GB, an object { min, max }, or an object { size } with one of those.
func (d *DiskSize) UnmarshalCty(v cty.Value) error { return decodeCty(d, v, diskForms) }

// Grammar describes disk sizes.
func (DiskSize) Grammar() Grammar {
	size := memoryRangeSchema()
	return Grammar{
		Name:    "Disk size",
		Summary: "How large a disk is accepted; the bounds are included.",
		Forms: []Form{
			{`"100GB.."`, "100GB or more"},
			{`"100GB..1TB"`, "from 100GB to 1024GB"},
			{`200`, "exactly 200GB"},
			{`{ min = "100GB", max = "1TB" }`, "from 100GB to 1024GB"},
			{`{ size = "100GB.." }`, "100GB or more"},
		},
		Schema: anyOf(size, objectSchema([]string{"size"}, map[string]Schema{"size": size})),
	}
}

func diskFromObject(o object) (DiskSize, error) {
	if !o.has("size") {
		if o.has("min") || o.has("max") {
			r, err := diskSizeForms.object(o)
			return DiskSize{r}, err
		}
		if err := o.only("size", "min", "max"); err != nil {
			return DiskSize{}, err
		}
		return DiskSize{}, mistake(o.noun+" is missing", "The object has no size. %s", o.accepts)
	}
	if err := o.only("size"); err != nil {
		return DiskSize{}, err
	}
	r, _, err := attr(o, "size", diskSizeForms)
	return DiskSize{r}, err
}
