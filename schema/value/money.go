package value

import (
	"math"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Money is an amount in millionths of a dollar. Prices are amounts for each hour. It is rounded only when it is
// displayed, so that sums are exact.
type Money int64

// Dollar is one dollar.
const Dollar Money = 1_000_000

// HoursPerMonth is how many hours a month is counted as in prices for a month.
const HoursPerMonth = 730

// MoneyOf is an amount in dollars, rounded to millionths. What no Money can hold becomes the nearest that can be held.
func MoneyOf(dollars float64) Money {
	micros := math.Round(dollars * float64(Dollar))
	switch {
	case math.IsNaN(micros):
		return 0
	case micros >= math.MaxInt64:
		return math.MaxInt64
	case micros <= math.MinInt64:
		return -math.MaxInt64
	}
	return Money(micros)
}

// Dollars is the amount in dollars.
func (m Money) Dollars() float64 { return float64(m) / float64(Dollar) }

// PerMonth is what a price for each hour is for a month of 730 hours.
func (m Money) PerMonth() Money {
	const most = math.MaxInt64 / HoursPerMonth
	return min(max(m, -most), most) * HoursPerMonth
}

// Decimal is the exact amount in dollars without a sign for them: "20.352", for programs.
func (m Money) Decimal() string {
	sign, n := "", uint64(m)
	if m < 0 {
		sign, n = "-", -n
	}
	s := sign + strconv.FormatUint(n/uint64(Dollar), 10)
	if frac := n % uint64(Dollar); frac != 0 {
		s += "." + strings.TrimRight(strconv.FormatUint(frac+uint64(Dollar), 10)[1:], "0")
	}
	return s
}

// String is the amount for people: "$0.0548" with four significant digits under a dollar, else cents, "$1,234.50".
func (m Money) String() string { return m.format(false, false) }

// Hourly is a price for each hour for people: "$20.35/h".
func (m Money) Hourly() string { return m.String() + "/h" }

// Monthly is a price for each hour as people want it for a month: "$14,852/month". From ten dollars it is in whole
// dollars.
func (m Money) Monthly() string { return m.PerMonth().format(false, true) + "/month" }

// HourlyChange is the difference of two prices for each hour, with its sign: "+$20.35/h".
func (m Money) HourlyChange() string { return m.format(true, false) + "/h" }

// MonthlyChange is the difference of two prices for each hour as it is for a month, with its sign: "+$14,852/month".
func (m Money) MonthlyChange() string { return m.PerMonth().format(true, true) + "/month" }

// format prints the amount, rounded once. signed puts a plus before what is above zero; whole leaves out the cents
// from ten dollars.
func (m Money) format(signed, whole bool) string {
	sign, n := "", uint64(m)
	switch {
	case m < 0:
		sign, n = "-", -n
	case m > 0 && signed:
		sign = "+"
	}
	if n == 0 {
		return "$0"
	}
	unit := uint64(10_000) // a cent, in millionths
	if n < uint64(Dollar) {
		// Four significant digits.
		unit = 1
		for n/unit >= 10_000 {
			unit *= 10
		}
	} else if whole && n >= 10*uint64(Dollar) {
		unit = uint64(Dollar)
	}
	n = (n + unit/2) / unit * unit
	dollars := grouped(n / uint64(Dollar))
	if unit == uint64(Dollar) {
		return sign + "$" + dollars
	}
	cents := strings.TrimRight(strconv.FormatUint(n%uint64(Dollar)+uint64(Dollar), 10)[1:], "0")
	return sign + "$" + dollars + "." + cents + strings.Repeat("0", max(0, 2-len(cents)))
}

// grouped prints n with a comma before each three digits.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Price is a price in dollars for each hour, above zero: 2.5 or "2.5".
type Price struct {
	text string
	m    Money
}

var priceWords = words{"Price", `A price is a number of dollars for each hour, above 0 (2.5, "0.85").`}

var priceForms = forms[Price]{
	words: priceWords,
	text:  ParsePrice,
	number: func(text string) (Price, error) {
		p, err := ParsePrice(text)
		if err != nil {
			return Price{}, err
		}
		return PriceOf(p.m), nil
	},
}

// mostPrice is far above any price, and low enough for sums of a million of them.
const mostPrice = 1_000_000 * Dollar

// ParsePrice reads a price.
func ParsePrice(text string) (Price, error) {
	s := strings.Trim(text, " \t")
	start := strings.Index(text, s)
	fail := func(problem, detail string) (Price, error) {
		return Price{}, mistakeAt(start, len(s), "Price "+problem, "%s %s. %s", quote(s), detail, priceWords.accepts)
	}
	if s == "" {
		return Price{}, mistake("Price is empty", "The text is empty. %s", priceWords.accepts)
	}
	whole, frac, point := strings.Cut(s, ".")
	unsigned := strings.TrimPrefix(whole, "-")
	switch {
	case !allDigits(unsigned) || point && !allDigits(frac):
		return fail("is not a number", "is not a number of dollars")
	case unsigned != whole:
		return fail("is negative", "is below zero")
	}
	dollars, ok := digits(whole, int64(mostPrice/Dollar))
	if !ok {
		return fail("is out of range", "is more than a million dollars")
	}
	micros, _ := digits((frac + "000000")[:6], int64(Dollar))
	m := Money(dollars)*Dollar + Money(micros)
	if len(frac) > 6 && frac[6] >= '5' {
		m++
	}
	switch {
	case m == 0:
		return fail("is not above zero", "is less than a millionth of a dollar")
	case m > mostPrice:
		return fail("is out of range", "is more than a million dollars")
	}
	return Price{text: text, m: m}, nil
}

// PriceOf is a price for each hour. What is not above zero is unset.
func PriceOf(m Money) Price {
	if m <= 0 {
		return Price{}
	}
	m = min(m, mostPrice)
	return Price{text: m.Decimal(), m: m}
}

// Money is the price for each hour; it is zero if the price is unset.
func (p Price) Money() Money { return p.m }

// String is the price as written.
func (p Price) String() string { return p.text }

// Canonical is the exact price in dollars without superfluous zeros.
func (p Price) Canonical() string {
	if p.IsZero() {
		return ""
	}
	return p.m.Decimal()
}

// IsZero reports whether the price is unset.
func (p Price) IsZero() bool { return p == Price{} }

// Equal reports whether both are the same price, or both unset.
func (p Price) Equal(o Price) bool { return p.m == o.m }

// MarshalText gives the text as written.
func (p Price) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// UnmarshalText reads a price.
func (p *Price) UnmarshalText(text []byte) error { return decodeText(p, text, ParsePrice) }

// UnmarshalCty reads a number or a string.
func (p *Price) UnmarshalCty(v cty.Value) error { return decodeCty(p, v, priceForms) }

// Grammar describes prices.
func (Price) Grammar() Grammar {
	return Grammar{
		Name:    "Price",
		Summary: "A price in dollars for each hour.",
		Forms: []Form{
			{`2.5`, "two and a half dollars for each hour"},
			{`"0.85"`, "85 cents for each hour"},
		},
		Schema: anyOf(textSchema(`^\s*\d+(\.\d+)?\s*$`), Schema{"type": "number", "exclusiveMinimum": 0}),
	}
}
