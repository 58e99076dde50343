package place

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dstackai/dstack-planner/planner/offer"
)

// Summary is the headline of the error: "No offer fits fleet.train".
func (u Unplaceable) Summary() string {
	switch u.Kind {
	case NoOffer:
		return "No offer fits " + u.Block.String()
	case NoQuota:
		return "Not enough quota for " + u.Block.String()
	}
	return "No machine has room for " + u.Block.String()
}

// Detail says in sentences what is needed, what comes closest with what each lacks, what else is in the way, and what
// to do. Rows of the closest are lines of their own, indented by two; paragraphs are not wrapped.
func (u Unplaceable) Detail() string {
	var b strings.Builder
	b.WriteString(u.needed())
	for _, w := range u.Why {
		b.WriteString(" " + w)
	}
	rows := u.rows()
	if len(rows) > 0 {
		b.WriteString(" Closest:\n")
		writeRows(&b, rows)
	}
	if u.NextStep != "" {
		if len(rows) == 0 {
			b.WriteString(" ")
		}
		b.WriteString(u.NextStep)
	}
	return b.String()
}

// needed is the first sentence: "2 nodes are needed with 8 x A100 80GB for at most $30.00/h each, in one region."
func (u Unplaceable) needed() string {
	text := "1 node is needed"
	if u.Count > 1 {
		text = strconv.Itoa(u.Count) + " nodes are needed"
	}
	what := offer.Describe(u.Need)
	if what != "" {
		if !strings.HasPrefix(what, "for ") && !strings.HasPrefix(what, "as ") {
			what = "with " + what
		}
		text += " " + what
		if u.Count > 1 {
			text += " each"
		}
	}
	if u.One && u.Count > 1 {
		text += ", in one region"
	}
	return text + "."
}

// row is a line of a table: a cell for each column, the last of which may have several lines.
type row struct {
	where, what, price string
	lines              []string
}

func (u Unplaceable) rows() []row {
	var out []row
	for _, n := range u.Closest {
		r := row{where: n.where(), what: n.what(), price: n.Offer.Price.Hourly()}
		if n.Offer.PriceUnknown {
			r.price = "price unknown"
		}
		if !n.Machine.IsZero() {
			r.what, r.price = "", ""
		}
		for i, l := range n.Lacks {
			end := ";"
			if i == len(n.Lacks)-1 {
				end = ""
			}
			r.lines = append(r.lines, l.Text+end)
		}
		out = append(out, r)
	}
	for _, f := range u.Failed {
		r := row{where: f.Name, what: "not asked: " + f.Why}
		if f.Hint != "" {
			r.lines = []string{"(" + f.Hint + ")"}
		}
		out = append(out, r)
	}
	return out
}

// writeRows aligns the rows. A backend that was not asked has its reason where the others have their type.
func writeRows(b *strings.Builder, rows []row) {
	var where, what, price int
	for _, r := range rows {
		where = max(where, utf8.RuneCountInString(r.where))
		if r.price != "" {
			what = max(what, utf8.RuneCountInString(r.what))
			price = max(price, utf8.RuneCountInString(r.price))
		}
	}
	for _, r := range rows {
		line := "  " + pad(r.where, where) + "  "
		indent := 2 + where + 2
		switch {
		case r.price != "":
			line += pad(r.what, what) + "  " + pad(r.price, price) + "  "
			indent += what + 2 + price + 2
		case r.what != "": // not asked
			b.WriteString(line + r.what + "\n")
			line = strings.Repeat(" ", indent)
		}
		for _, l := range r.lines {
			b.WriteString(strings.TrimRight(line+l, " ") + "\n")
			line = strings.Repeat(" ", indent)
		}
		if len(r.lines) == 0 && r.price != "" {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
		}
	}
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}
