package value_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/schema/value"
)

func durationRows() map[string]reading {
	return map[string]reading{
		// VAL-01
		"a bare number is seconds":              {text: "90", canonical: "90s"},
		"seconds":                               {text: "90s", canonical: "90s"},
		"a blank before the unit":               {text: "2 h", canonical: "2h"},
		"a week":                                {text: "1w", canonical: "1w"},
		"days":                                  {text: "3d", canonical: "3d"},
		"minutes that are hours":                {text: "60m", canonical: "1h"},
		"seconds that are a day":                {text: "86400", canonical: "1d"},
		"days that are weeks":                   {text: "14d", canonical: "2w"},
		"zero is set":                           {text: "0", canonical: "0s"},
		"zero with a unit":                      {text: "0h", canonical: "0s"},
		"leading zeros":                         {text: "007m", canonical: "7m"},
		"blanks around":                         {text: "  5 \t m ", canonical: "5m"},
		"a number":                              {hcl: "90", canonical: "90s"},
		"a fraction of a number is cut off":     {hcl: "90.7", canonical: "90s"},
		"a hundred years":                       {text: "36500d", canonical: "36500d"},
		"several parts":                         {text: "1h30m", err: "Duration has several parts", says: "90m", marks: "1h30m"},
		"several parts with blanks":             {text: "1h 30m", err: "Duration has several parts", marks: "1h 30m"},
		"an unknown unit":                       {text: "5y", err: "Duration has an unknown unit", says: `"y" is not a unit.`, marks: "y"},
		"milliseconds are no unit":              {text: "5 ms", err: "Duration has an unknown unit", says: `"ms" is not a unit. A duration`, marks: "ms"},
		"a unit in capitals":                    {text: "5H", err: "Duration has an unknown unit", says: `Write "h".`, marks: "H"},
		"a unit in full":                        {text: " 5 minutes", err: "Duration has an unknown unit", says: `Write "m".`, marks: "minutes"},
		"a fraction in a text":                  {text: "1.5h", err: "Duration is not a whole number", says: "90m", marks: "1.5h"},
		"a negative text":                       {text: "-5m", err: "Duration is negative", marks: "-5m"},
		"a negative number":                     {hcl: "-5", err: "Duration is negative"},
		"a unit alone":                          {text: "h", err: "Duration is not a number with a unit", marks: "h"},
		"off is not allowed here":               {text: "off", err: "Duration is not a number with a unit", marks: "off"},
		"nothing":                               {text: "", err: "Duration is empty"},
		"more than a hundred years":             {text: "101000000h", err: "Duration is too long", marks: "101000000h"},
		"more than any integer":                 {text: "99999999999999999999999999", err: "Duration is too long", marks: "99999999999999999999999999"},
		"a number of more than a hundred years": {hcl: "99999999999999999999999999", err: "Duration is too long"},
		"a bool is not allowed here":            {hcl: "false", err: "Duration has the wrong type", says: "This is true or false."},
		"a list is not allowed here":            {hcl: `["1h"]`, err: "Duration has the wrong type", says: "This is a list."},
		"an object is not allowed here":         {hcl: `{ hours = 1 }`, err: "Duration has the wrong type", says: "This is an object."},
	}
}

func TestDuration(t *testing.T) {
	readAll[value.Duration](t, durationRows())

	d := value.Must(value.ParseDuration("2h"))
	require.EqualValues(t, 7200, d.Seconds())
	require.Equal(t, 2*time.Hour, d.AsDuration())
	require.True(t, d.Equal(value.DurationOf(2*time.Hour+time.Millisecond)))
	require.False(t, d.Equal(value.Duration{}))
	require.Equal(t, "0s", value.DurationOf(-time.Second).String())
	require.False(t, value.DurationOf(0).IsZero(), "zero seconds are set")
}

func offDurationRows() map[string]reading {
	return map[string]reading{
		// VAL-02
		"off":                   {text: "off", canonical: "off"},
		"off in capitals":       {text: " OFF ", canonical: "off"},
		"false is off":          {hcl: "false", canonical: "off"},
		"true is the default":   {hcl: "true", canonical: ""},
		"a duration":            {text: "6h", canonical: "6h"},
		"a number":              {hcl: "21600", canonical: "6h"},
		"zero is set":           {hcl: "0", canonical: "0s"},
		"a negative number":     {hcl: "-1", err: "Duration is negative", says: `"off"`},
		"a negative text":       {text: "-1", err: "Duration is negative", marks: "-1"},
		"several parts":         {text: "1h30m", err: "Duration has several parts", marks: "1h30m"},
		"on is no word here":    {text: "on", err: "Duration is not a number with a unit", marks: "on"},
		"an unknown unit":       {text: "6x", err: "Duration has an unknown unit", marks: "x"},
		"a list is not allowed": {hcl: `[]`, err: "Duration has the wrong type"},
	}
}

func TestOffDuration(t *testing.T) {
	readAll[value.OffDuration](t, offDurationRows())

	off := value.Must(value.ParseOffDuration("off"))
	require.True(t, off.Off())
	_, limited := off.Limit()
	require.False(t, limited)
	_, limited = value.OffDuration{}.Seconds()
	require.False(t, limited, "unset is no limit of zero")
	limit, limited := value.Must(value.ParseOffDuration("0")).Limit()
	require.True(t, limited)
	require.Zero(t, limit)
	require.False(t, off.Equal(value.OffDuration{}), "off is not the default")
}

func idleDurationRows() map[string]reading {
	return map[string]reading{
		// VAL-03
		"off":                         {text: "off", canonical: "off"},
		"false is off":                {hcl: "false", canonical: "off"},
		"minus one is off":            {hcl: "-1", canonical: "off"},
		"any negative number is off":  {hcl: "-300", canonical: "off"},
		"a negative text is off":      {text: "-1", canonical: "off"},
		"true is the default":         {hcl: "true", canonical: ""},
		"zero goes at once":           {hcl: "0", canonical: "0s"},
		"a duration":                  {text: "3d", canonical: "3d"},
		"a number":                    {hcl: "300", canonical: "5m"},
		"minus zero":                  {text: "-0", err: "Idle duration is negative", marks: "-0"},
		"a negative text with a unit": {text: "-5m", err: "Idle duration is negative", says: `"off"`, marks: "-5m"},
		"several parts":               {text: "1h30m", err: "Idle duration has several parts", marks: "1h30m"},
		"an unknown unit":             {text: "3 q", err: "Idle duration has an unknown unit", marks: "q"},
		"an object is not allowed":    {hcl: `{}`, err: "Idle duration has the wrong type"},
	}
}

func TestIdleDuration(t *testing.T) {
	readAll[value.IdleDuration](t, idleDurationRows())

	require.True(t, value.Must(value.ParseIdleDuration("-1")).Never())
	require.True(t, value.Must(value.ParseIdleDuration("-1")).Equal(value.Must(value.ParseIdleDuration("off"))))
	limit, ok := value.Must(value.ParseIdleDuration("5m")).Limit()
	require.True(t, ok)
	require.Equal(t, 5*time.Minute, limit)
	_, ok = value.IdleDuration{}.Limit()
	require.False(t, ok)
}
