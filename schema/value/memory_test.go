package value_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/schema/value"
)

func memoryRows() map[string]reading {
	return map[string]reading{
		// VAL-04
		"MB":                        {text: "512MB", canonical: "0.5GB"},
		"TB":                        {text: "1TB", canonical: "1024GB"},
		"a bare number is GB":       {text: "16", canonical: "16GB"},
		"lower case":                {text: "16gb", canonical: "16GB"},
		"mixed case":                {text: "1.5tB", canonical: "1536GB"},
		"blanks anywhere":           {text: " 1 6 G\tB ", canonical: "16GB"},
		"a fraction without a zero": {text: ".5GB", canonical: "0.5GB"},
		"superfluous zeros":         {text: "016.50GB", canonical: "16.5GB"},
		"a number":                  {hcl: "16", canonical: "16GB"},
		"a number with a fraction":  {hcl: "0.1", canonical: "0.1GB"},
		"zero is set":               {text: "0", canonical: "0GB"},
		"a third of a GB":           {hcl: "1/4", canonical: "0.25GB"},
		"an unknown unit":           {text: "1.5xb", err: "Memory has an unknown unit", says: `"xb" is not a unit. Memory`, marks: "xb"},
		"a unit with a blank":       {text: "16 X B", err: "Memory has an unknown unit", says: `"X B"`, marks: "X B"},
		"Kubernetes' unit":          {text: "16Gi", err: "Memory has an unknown unit", says: "Write GB, which is 1024MB here.", marks: "Gi"},
		"another program's MB":      {text: "16M", err: "Memory has an unknown unit", says: "Write MB", marks: "M"},
		"another program's TB":      {text: "16TiB", err: "Memory has an unknown unit", says: "Write TB", marks: "TiB"},
		"a negative text":           {text: "-5GB", err: "Memory is negative", marks: "-5GB"},
		"a negative number":         {hcl: "-5", err: "Memory is negative"},
		"not a number":              {text: "nan", err: "Memory is not a number", says: `"nan" is not a number.`, marks: "nan"},
		"infinite":                  {text: "inf", err: "Memory is not a number", marks: "inf"},
		"a unit alone":              {text: "GB", err: "Memory is not a number", marks: "GB"},
		"two points":                {text: "1.2.3GB", err: "Memory is not a number", marks: "1.2.3"},
		"a point at the end":        {text: "1.GB", err: "Memory is not a number", marks: "1."},
		"a point alone":             {text: ".", err: "Memory is not a number", marks: "."},
		"an exponent":               {text: "1e3", err: "Memory has an unknown unit", marks: "e3"},
		"a range is not allowed":    {text: "8GB..", err: "Memory has an unknown unit", marks: "GB.."},
		"nothing":                   {text: "", err: "Memory is empty"},
		"blanks alone":              {text: "  ", err: "Memory is empty"},
		"more than a million TB":    {text: "1000001TB", err: "Memory is out of range", marks: "1000001TB"},
		"an infinite number":        {hcl: "inf", err: "Memory is infinite"},
		"a number beyond all":       {hcl: "huge", err: "Memory is out of range"},
		"a number close to zero":    {hcl: "tiny", err: "Memory is out of range"},
		"a bool is not allowed":     {hcl: "true", err: "Memory has the wrong type"},
		"an object is not allowed":  {hcl: `{ min = 1 }`, err: "Memory has the wrong type"},
	}
}

func TestMemory(t *testing.T) {
	readAll[value.Memory](t, memoryRows())

	m := value.Must(value.ParseMemory("1.5TB"))
	require.Equal(t, 1536.0, m.GB())
	require.EqualValues(t, 1536*1024, m.MiB())
	require.EqualValues(t, 1536<<30, m.Bytes())
	require.True(t, m.Equal(value.MemoryFromMiB(1536*1024)))
	require.False(t, value.MemoryOf(0).Equal(value.Memory{}), "0GB is set")
	require.Equal(t, "0GB", value.MemoryOf(math.NaN()).String())
	require.Equal(t, "1024000000GB", value.MemoryOf(math.Inf(1)).String())
}

func TestMemoryIsDisplayedWithSixDigits(t *testing.T) {
	for mib, want := range map[int64]string{
		1152 * 1024: "1152GB", 512: "0.5GB", 22888: "22.3516GB", 0: "0GB", 1: "0.000976562GB", 2048 * 1024 * 1024: "2097150GB",
	} {
		require.Equal(t, want, value.MemoryFromMiB(mib).Display())
	}
	require.Empty(t, value.Memory{}.Display())
}

func memoryRangeRows() map[string]reading {
	return map[string]reading{
		// VAL-05
		"a minimum":                        {text: "16gb..", canonical: "16GB.."},
		"a maximum":                        {text: "..32GB", canonical: "..32GB"},
		"both":                             {text: "8GB..32GB", canonical: "8GB..32GB"},
		"an exact amount":                  {text: "16GB", canonical: "16GB"},
		"both the same":                    {text: "16GB..16384MB", canonical: "16GB"},
		"a bare number in it is GB":        {text: "512..1 TB", canonical: "512GB..1024GB"},
		"bare numbers":                     {text: "8 .. 16", canonical: "8GB..16GB"},
		"fractions beside the dots":        {text: ".5...75", canonical: "0.5GB..0.75GB"},
		"a number":                         {hcl: "16", canonical: "16GB"},
		"zero":                             {hcl: "0", canonical: "0GB"},
		"from zero":                        {text: "0..", canonical: "0GB.."},
		"an object":                        {hcl: `{ min = "8GB", max = 32 }`, canonical: "8GB..32GB"},
		"an object with a minimum":         {hcl: `{ min = 8 }`, canonical: "8GB.."},
		"an object with a null":            {hcl: `{ min = null, max = "1TB" }`, canonical: "..1024GB"},
		"an object with both the same":     {hcl: `{ min = 8, max = "8GB" }`, canonical: "8GB"},
		"no bound":                         {text: "..", err: "Memory has no bound", marks: ".."},
		"no bound but blanks":              {text: " . . ", err: "Memory has no bound", marks: ". ."},
		"the wrong way round":              {text: "32GB..8GB", err: "Memory has its bounds the wrong way round", says: `The minimum "32GB" is above the maximum "8GB".`, marks: "32GB..8GB"},
		"three bounds":                     {text: "1..2..3", err: "Memory has more than two bounds", marks: ".."},
		"four dots":                        {text: "1....3", err: "Memory has more than two bounds", marks: ".."},
		"an unknown unit":                  {text: "16XB", err: "Memory has an unknown unit", says: `"XB" is not a unit. Memory is a number of GB, or a number with MB, GB or TB, or a range of them`, marks: "XB"},
		"an unknown unit of the maximum":   {text: "8GB .. 16 X B", err: "Memory has an unknown unit", marks: "X B"},
		"a negative minimum":               {text: "-8GB..", err: "Memory is negative", marks: "-8GB"},
		"a negative maximum":               {text: "..-8GB", err: "Memory is negative", marks: "-8GB"},
		"nothing":                          {text: "", err: "Memory is empty"},
		"an empty object":                  {hcl: `{}`, err: "Memory has no bound", says: "neither min nor max"},
		"an object of nulls":               {hcl: `{ min = null, max = null }`, err: "Memory has no bound"},
		"an object the wrong way round":    {hcl: `{ min = 3, max = 1 }`, err: "Memory has its bounds the wrong way round", says: "The minimum 3GB is above the maximum 1GB."},
		"an object with an unknown key":    {hcl: `{ mim = 3 }`, err: "Memory has an unknown key", says: `"mim" is no key here. Did you mean "min"? The keys are min, max.`, path: ".mim"}, // VAL-15
		"an object with a bad bound":       {hcl: `{ max = "x" }`, err: "Memory is not a number", marks: "", path: ".max"},
		"an object with a bound of a bool": {hcl: `{ max = true }`, err: "Memory has the wrong type", path: ".max"},
		"an object with an unknown bound":  {hcl: `{ max = unknown }`, err: "Memory is not known yet", path: ".max"},
		"an object with a sensitive bound": {hcl: `{ max = sensitive }`, err: "Memory is marked", path: ".max"},
	}
}

func TestMemoryRange(t *testing.T) {
	readAll[value.MemoryRange](t, memoryRangeRows())

	r := value.Must(value.ParseMemoryRange("16GB..32GB"))
	for gb, want := range map[float64]bool{15.999: false, 16: true, 20: true, 32: true, 32.001: false} {
		require.Equal(t, want, r.Contains(gb), "%v GB", gb)
	}
	require.True(t, r.ContainsMiB(16*1024))
	require.False(t, r.ContainsMiB(16*1024-1))
	require.True(t, value.MemoryRange{}.Contains(0), "unset contains everything")
	low, ok := r.Min()
	require.True(t, ok)
	require.Equal(t, "16GB", low.String())
	_, ok = value.Must(value.ParseMemoryRange("16GB..")).Max()
	require.False(t, ok)
	require.Equal(t, "0GB..1GB", value.MemoryRangeOf(value.Between(-1.0, 1.0)).String())
	require.True(t, value.MemoryRangeOf(value.Range[float64]{}).IsZero())
}

func intRangeRows() map[string]reading {
	return map[string]reading{
		"an exact number":              {text: "2", canonical: "2"},
		"a number":                     {hcl: "2", canonical: "2"},
		"a minimum":                    {text: "2..", canonical: "2.."},
		"a maximum":                    {text: "..4", canonical: "..4"},
		"both":                         {text: " 1 .. 4 ", canonical: "1..4"},
		"both the same":                {text: "4..4", canonical: "4"},
		"leading zeros":                {text: "01..004", canonical: "1..4"},
		"zero":                         {hcl: "0", canonical: "0"},
		"an object":                    {hcl: `{ min = 1, max = "4" }`, canonical: "1..4"},
		"no bound":                     {text: "..", err: "Count has no bound", marks: ".."},
		"the wrong way round":          {text: "3..1", err: "Count has its bounds the wrong way round", marks: "3..1"},
		"three dots":                   {text: "1...3", err: "Count is not a whole number", says: `".3"`, marks: ".3"},
		"a fraction":                   {text: "2.5", err: "Count is not a whole number", marks: "2.5"},
		"a number with a fraction":     {hcl: "2.5", err: "Count is not a whole number", says: `"2.5"`},
		"a negative number":            {hcl: "-1", err: "Count is negative"},
		"a negative bound":             {text: "-1..4", err: "Count is negative", marks: "-1"},
		"a word":                       {text: "many", err: "Count is not a whole number", marks: "many"},
		"too many":                     {text: "1..99999999999999999999", err: "Count is out of range", marks: "99999999999999999999"},
		"nothing":                      {text: "", err: "Count is empty"},
		"an object with a bad minimum": {hcl: `{ min = 1.5 }`, err: "Count is not a whole number", path: ".min"},
		"an object with empty text":    {hcl: `{ min = "" }`, err: "Count is empty", path: ".min"},
		"a list is not allowed":        {hcl: `[1, 4]`, err: "Count has the wrong type"},
	}
}

func TestIntRange(t *testing.T) {
	readAll[value.IntRange](t, intRangeRows())

	r := value.Must(value.ParseIntRange("2.."))
	require.True(t, r.Contains(2))
	require.False(t, r.Contains(1))
	n, ok := r.Min()
	require.True(t, ok)
	require.Equal(t, 2, n)
	_, ok = r.Max()
	require.False(t, ok)
	require.Equal(t, "0..4", value.IntRangeOf(value.Between(-3, 4)).String())
}

func TestRangesIntersect(t *testing.T) {
	for name, row := range map[string]struct{ a, b, want string }{
		"overlap":             {"1..4", "3..8", "3..4"},
		"one inside":          {"1..8", "3..4", "3..4"},
		"touch":               {"1..3", "3..8", "3"},
		"apart":               {"1..2", "3..8", "nothing"},
		"minimum and maximum": {"2..", "..5", "2..5"},
		"both open":           {"2..", "4..", "4.."},
		"an exact number out": {"2..", "1", "nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := value.Must(value.ParseIntRange(row.a)), value.Must(value.ParseIntRange(row.b))
			for _, pair := range [][2]value.IntRange{{a, b}, {b, a}} {
				got, ok := pair[0].Intersect(pair[1])
				if row.want == "nothing" {
					require.False(t, ok)
					require.True(t, got.IsZero())
					continue
				}
				require.True(t, ok)
				require.Equal(t, row.want, got.String())
			}
			same, ok := a.Intersect(value.IntRange{})
			require.True(t, ok)
			require.True(t, same.Equal(a), "unset restricts nothing")
		})
	}
	m, ok := value.Must(value.ParseMemoryRange("8GB..")).Intersect(value.Must(value.ParseMemoryRange("..1TB")))
	require.True(t, ok)
	require.Equal(t, "8GB..1024GB", m.String())
	_, ok = value.DiskSizeOf(value.AtLeast(100.0)).Intersect(value.DiskSizeOf(value.AtMost(50.0)))
	require.False(t, ok)
	if diff := cmp.Diff(value.Range[int]{Min: 3, Max: 3, HasMin: true, HasMax: true}, value.Exactly(3)); diff != "" {
		t.Error(diff)
	}
	n, exact := value.Between(1, 2).IsExact()
	require.False(t, exact, n)
}

func diskRows() map[string]reading {
	return map[string]reading{
		"a minimum":               {text: "100GB..", canonical: "100GB.."},
		"an exact size":           {text: "1tb", canonical: "1024GB"},
		"a number":                {hcl: "200", canonical: "200GB"},
		"a range as object":       {hcl: `{ min = 100, max = "1TB" }`, canonical: "100GB..1024GB"},
		"a size in an object":     {hcl: `{ size = "100GB.." }`, canonical: "100GB.."},
		"a number in an object":   {hcl: `{ size = 100 }`, canonical: "100GB"},
		"a range in an object":    {hcl: `{ size = { min = 100 } }`, canonical: "100GB.."},
		"an unknown unit":         {text: "16XB", err: "Disk size has an unknown unit", says: "A disk size is", marks: "XB"},
		"nothing":                 {text: "", err: "Disk size is empty"},
		"an empty object":         {hcl: `{}`, err: "Disk size is missing"},
		"an unknown key":          {hcl: `{ sise = 100 }`, err: "Disk size has an unknown key", says: `Did you mean "size"?`, path: ".sise"},
		"a size beside a range":   {hcl: `{ size = 100, min = 50 }`, err: "Disk size has an unknown key", path: ".min"},
		"a bool as size":          {hcl: `{ size = true }`, err: "Disk size has the wrong type", path: ".size"},
		"a bad bound deep inside": {hcl: `{ size = { min = -1 } }`, err: "Disk size is negative", path: ".size.min"},
		"a list is not allowed":   {hcl: `[100]`, err: "Disk size has the wrong type"},
	}
}

func TestDiskSize(t *testing.T) {
	readAll[value.DiskSize](t, diskRows())

	d := value.Must(value.ParseDiskSize("100GB..1TB"))
	require.True(t, d.Contains(1024))
	require.False(t, d.ContainsMiB(99*1024))
	low, _ := d.Min()
	high, _ := d.Max()
	require.Equal(t, []float64{100, 1024}, []float64{low.GB(), high.GB()})
	require.Equal(t, value.Between(100.0, 1024.0), d.Range())
}
