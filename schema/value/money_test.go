package value_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/schema/value"
)

func priceRows() map[string]reading {
	return map[string]reading{
		"dollars":                     {hcl: "45", canonical: "45"},
		"dollars and cents":           {hcl: "2.5", canonical: "2.5"},
		"a text":                      {text: " 2.50 ", canonical: "2.5"},
		"a sum that floats get wrong": {hcl: "0.1 + 0.2", canonical: "0.3"},
		"a third is rounded once":     {hcl: "1 / 3", canonical: "0.333333"},
		"rounded up":                  {text: "0.0000015", canonical: "0.000002"},
		"a millionth":                 {text: "0.000001", canonical: "0.000001"},
		"a million":                   {text: "1000000", canonical: "1000000"},
		"leading zeros":               {text: "007", canonical: "7"},
		"zero":                        {hcl: "0", err: "Price is not above zero"},
		"too little":                  {text: "0.0000004", err: "Price is not above zero", marks: "0.0000004"},
		"a negative number":           {hcl: "-1", err: "Price is negative"},
		"a negative text":             {text: "-0.5", err: "Price is negative", marks: "-0.5"},
		"more than a million":         {text: "1000000.01", err: "Price is out of range", marks: "1000000.01"},
		"more than any integer":       {text: "99999999999999999999", err: "Price is out of range", marks: "99999999999999999999"},
		"a currency":                  {text: " $2.5", err: "Price is not a number", says: `"$2.5" is not a number of dollars.`, marks: "$2.5"},
		"no digits before the point":  {text: ".5", err: "Price is not a number", marks: ".5"},
		"no digits behind the point":  {text: "5.", err: "Price is not a number", marks: "5."},
		"a comma":                     {text: "2,5", err: "Price is not a number", marks: "2,5"},
		"not a number":                {text: "nan", err: "Price is not a number", marks: "nan"},
		"nothing":                     {text: "", err: "Price is empty"},
		"a bool is not allowed":       {hcl: "true", err: "Price has the wrong type"},
	}
}

func TestPrice(t *testing.T) {
	readAll[value.Price](t, priceRows())

	require.Equal(t, 45*value.Dollar, value.Must(value.ParsePrice("45")).Money())
	require.True(t, value.PriceOf(2_500_000).Equal(value.Must(value.ParsePrice("2.50"))))
	require.True(t, value.PriceOf(0).IsZero())
	require.True(t, value.PriceOf(-1).IsZero())
}

func TestMoneyIsDisplayed(t *testing.T) {
	for name, row := range map[string]struct {
		money                                      value.Money
		hourly, monthly, change, perMonth, decimal string
	}{
		"cents and less":            {54_800, "$0.0548/h", "$40/month", "+$0.0548/h", "+$40/month", "0.0548"},
		"four digits":               {109_600, "$0.1096/h", "$80/month", "+$0.1096/h", "+$80/month", "0.1096"},
		"a fifth digit is rounded":  {123_456, "$0.1235/h", "$90/month", "+$0.1235/h", "+$90/month", "0.123456"},
		"less than a cent":          {1_234, "$0.001234/h", "$0.9008/month", "+$0.001234/h", "+$0.9008/month", "0.001234"},
		"a millionth":               {1, "$0.000001/h", "$0.00073/month", "+$0.000001/h", "+$0.00073/month", "0.000001"},
		"half a dollar":             {500_000, "$0.50/h", "$365/month", "+$0.50/h", "+$365/month", "0.5"},
		"almost a dollar":           {999_999, "$1.00/h", "$730/month", "+$1.00/h", "+$730/month", "0.999999"},
		"a dollar":                  {1_000_000, "$1.00/h", "$730/month", "+$1.00/h", "+$730/month", "1"},
		"dollars and cents":         {20_345_200, "$20.35/h", "$14,852/month", "+$20.35/h", "+$14,852/month", "20.3452"},
		"half a cent is rounded up": {1_005_000, "$1.01/h", "$734/month", "+$1.01/h", "+$734/month", "1.005"},
		"a month below ten dollars": {10_000, "$0.01/h", "$7.30/month", "+$0.01/h", "+$7.30/month", "0.01"},
		"thousands":                 {1_234_567_890_000, "$1,234,567.89/h", "$901,234,560/month", "+$1,234,567.89/h", "+$901,234,560/month", "1234567.89"},
		"zero":                      {0, "$0/h", "$0/month", "$0/h", "$0/month", "0"},
		"less than before":          {-54_800, "-$0.0548/h", "-$40/month", "-$0.0548/h", "-$40/month", "-0.0548"},
		"much less than before":     {-20_345_200, "-$20.35/h", "-$14,852/month", "-$20.35/h", "-$14,852/month", "-20.3452"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, row.hourly, row.money.Hourly())
			require.Equal(t, row.monthly, row.money.Monthly())
			require.Equal(t, row.change, row.money.HourlyChange())
			require.Equal(t, row.perMonth, row.money.MonthlyChange())
			require.Equal(t, row.decimal, row.money.Decimal())
		})
	}
}

func TestMoneyIsRoundedOnce(t *testing.T) {
	// Ten prices of $1.005 are $10.05, although each is displayed as $1.01.
	var sum value.Money
	for range 10 {
		sum += value.MoneyOf(1.005)
	}
	require.Equal(t, "$10.05", sum.String())
	require.Equal(t, value.Money(20_345_200), value.MoneyOf(20.3452))
	require.InDelta(t, 20.3452, value.MoneyOf(20.3452).Dollars(), 1e-12)
}

func TestMoneyHasNoOverflow(t *testing.T) {
	require.Equal(t, value.Money(0), value.MoneyOf(math.NaN()))
	require.Equal(t, value.Money(math.MaxInt64), value.MoneyOf(math.Inf(1)))
	require.Positive(t, value.Money(math.MaxInt64).PerMonth())
	require.Negative(t, value.Money(math.MinInt64).PerMonth())
	require.Equal(t, "-9223372036854.775808", value.Money(math.MinInt64).Decimal())
	require.NotEmpty(t, value.Money(math.MinInt64).Hourly())
	require.NotEmpty(t, value.Money(math.MaxInt64).Monthly())
}
