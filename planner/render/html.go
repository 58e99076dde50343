package render

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/planner/plan"
)

// The parts of the page. The script is the only one that may run: its digest stands in the page's own policy.
var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/page.css
	pageCSS string
	//go:embed page/page.js
	pageJS string
)

// HTMLOptions say what the page knows beside the plan.
type HTMLOptions struct {
	Name   string // of the configuration
	Saved  string // the file that the plan was saved to
	Commit string // what the plan was made of
}

// HTML writes a plan as one page that needs nothing but itself: it can be opened from a disk without a network, read in
// dark and in light, and used by keyboard. What it shows is what Text shows, with the graph drawn.
func HTML(p *plan.Plan, o HTMLOptions) ([]byte, error) {
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, newPage(p, o)); err != nil {
		return nil, fmt.Errorf("write the page: %w", err)
	}
	return out.Bytes(), nil
}

// page is what the template shows. All texts are clean; the template escapes them.
type page struct {
	Title, Headline, Cost, Name, Commit, Created, ID string
	Dangers                                          []string
	Bars                                             []pageBar
	BarsHeight                                       int
	Filters, Kinds                                   []pageFilter
	Changes                                          []pageChange
	Remarks                                          []remark
	Warnings                                         string
	Bill                                             string
	Graph                                            *drawing
	Folded                                           bool // the graph is drawn by kinds
	Next                                             string
	CSS                                              template.CSS
	JS                                               template.JS
	Policy                                           string
}

// pageBar is one amount of the bill as a bar.
type pageBar struct {
	Word, Text string
	Y, TextY   int
	Width      int // of barWidth
}

const barWidth, barHeight = 300, 22

// pageFilter lets one action or one kind be hidden.
type pageFilter struct {
	Class, Word string
	N           int
}

// pageChange is a change, or several that look the same.
type pageChange struct {
	ID, Class, Kind, Symbol, Address, Title, Because string
	N                                                int
	Open                                             bool
	Lines                                            []pageLine
}

type pageLine struct{ Class, Text string }

// Word names a remark, for the template.
func (r remark) Word() string { return r.word }

// Text is a remark's text, for the template.
func (r remark) Text() string { return r.text }

// htmlWidth is how wide lines are broken that the page shows as they are.
const htmlWidth = 110

func newPage(p *plan.Plan, o HTMLOptions) *page {
	v := newChangeView(p, Options{Width: htmlWidth, Now: p.CreatedAt, document: true})
	sum := sha256.Sum256([]byte(pageJS))
	out := &page{
		Title: "dstack plan", Name: clean(o.Name), Commit: clean(o.Commit), Created: p.CreatedAt.UTC().Format("2006-01-02 15:04:05 UTC"), ID: clean(p.ID),
		CSS: template.CSS(pageCSS), JS: template.JS(pageJS),
		Policy: "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'",
	}
	if o.Name != "" {
		out.Title += " " + clean(o.Name)
	}
	out.Headline, out.Cost = headline(p), costLine(p)
	if v.nothing() {
		out.Headline = noChanges(p, "")
	} else {
		out.Next = strings.TrimRight(next(p, Options{Saved: o.Saved}), "\n")
	}
	for _, d := range v.dangers() {
		out.Dangers = append(out.Dangers, d.text())
	}
	out.Dangers = append(out.Dangers, denials(p)...)
	ids := map[string]string{}
	for i, b := range v.blocks() {
		c := changeOf(b, fmt.Sprintf("c%d", i))
		for _, k := range b.keys {
			ids[b.base+keyed(k)] = c.ID
		}
		if ids[b.base] == "" {
			ids[b.base] = c.ID
		}
		out.Changes = append(out.Changes, c)
	}
	out.Filters, out.Kinds = filters(out.Changes), kindFilters(out.Changes)
	out.Bars = bars(p)
	out.BarsHeight = len(out.Bars) * barHeight
	out.Remarks = v.remarks()
	out.Bill = costTable(p, Options{Width: htmlWidth})
	if len(p.Diagnostics) > 0 {
		out.Warnings = Diagnostics(p.Diagnostics, Options{Width: htmlWidth})
	}
	nodes, edges, _ := standing(p, math.MaxInt, math.MaxInt)
	if out.Folded = len(nodes) > mostDrawn || len(edges) > mostDrawnEdges; out.Folded {
		nodes, edges, ids = folded(nodes, edges, ids)
	}
	if len(nodes) > 1 {
		out.Graph = draw(nodes, edges, ids)
	}
	return out
}

func keyed(k string) string {
	if k == "" {
		return ""
	}
	return "[" + k + "]"
}

// changeOf is a block as the page shows it: open where something is lost.
func changeOf(b *block, id string) pageChange {
	c := pageChange{ID: id, Class: b.action.class(), Symbol: strings.TrimSpace(b.action.symbol()), Address: addressList(b.base, b.keys), Title: b.title, N: len(b.keys)}
	if len(b.changes) > 0 {
		c.Kind = clean(b.changes[0].Kind)
	}
	c.Open = b.risk || b.action == showDestroy || b.action == showReplace || b.action == showReplaceNewFirst
	for _, f := range b.fields {
		if f.label == "because" && len(f.lines) > 0 {
			c.Because = f.lines[0]
		}
	}
	var text strings.Builder
	room := labelWidth
	for _, f := range b.fields {
		if n := displayWidth(f.label); n > room && n <= widestLabel {
			room = n
		}
	}
	for _, f := range b.fields {
		if f.pair && len(f.lines) > 1 { // one above the other, with their signs
			f.lines = slices.Clone(f.lines)
			f.lines[0], f.lines[1] = "- "+f.lines[0], "+ "+f.lines[1]
		}
		from := text.Len()
		f.write(&text, Options{Width: htmlWidth}, room)
		for _, l := range strings.Split(strings.TrimSuffix(text.String()[from:], "\n"), "\n") {
			c.Lines = append(c.Lines, pageLine{lineClass(f, l), strings.TrimPrefix(l, "  ")})
		}
	}
	return c
}

// lineClass is how a line of a change is coloured. Its signs say the same.
func lineClass(f field, l string) string {
	t := strings.TrimSpace(l)
	if f.pair {
		t = strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(t, "~ "), f.label))
	}
	switch {
	case f.pair && strings.HasPrefix(t, "+ "):
		return "comes"
	case f.pair && strings.HasPrefix(t, "- "):
		return "goes"
	case f.verbatim && strings.HasPrefix(t, "+ "), f.marker == "+" && !f.verbatim:
		return "comes"
	case f.verbatim && strings.HasPrefix(t, "- "), f.marker == "-" && !f.verbatim:
		return "goes"
	case f.marker == "~" && !f.verbatim:
		return "differs"
	case strings.HasPrefix(t, "# "):
		return "quiet"
	}
	return ""
}

// class groups actions by what they mean for what is there.
func (s shown) class() string {
	switch s {
	case showDestroy:
		return "destroy"
	case showReplace, showReplaceNewFirst:
		return "replace"
	case showForget:
		return "forget"
	case showUpdate, showRecord:
		return "update"
	case showCreate:
		return "create"
	case showImport:
		return "import"
	case showMove:
		return "move"
	case showRead:
		return "read"
	case showInFlight:
		return "inflight"
	}
	return "stays"
}

// filters count what can be hidden, in the order of danger.
func filters(changes []pageChange) []pageFilter {
	words := []pageFilter{
		{"destroy", "destroy", 0}, {"replace", "replace", 0}, {"forget", "forget", 0}, {"inflight", "in flight or deferred", 0},
		{"update", "update", 0}, {"create", "create", 0}, {"import", "import", 0}, {"move", "move", 0}, {"read", "read", 0}, {"stays", "other", 0},
	}
	for _, c := range changes {
		i := slices.IndexFunc(words, func(f pageFilter) bool { return f.Class == c.Class })
		words[i].N += c.N
	}
	return slices.DeleteFunc(words, func(f pageFilter) bool { return f.N == 0 })
}

// kindFilters count what of each kind there is, where there is more than one.
func kindFilters(changes []pageChange) []pageFilter {
	counts := map[string]int{}
	for _, c := range changes {
		if c.Kind != "" { // what is deferred has none
			counts[c.Kind] += c.N
		}
	}
	if len(counts) < 2 {
		return nil
	}
	var out []pageFilter
	for _, kind := range sortedKeys(counts) {
		out = append(out, pageFilter{kind, kind, counts[kind]})
	}
	return out
}

// bars show what is paid now, afterwards, and at most.
func bars(p *plan.Plan) []pageBar {
	before, after := p.Cost.Before, p.Cost.After
	most := max(before.Hourly, after.Hourly, after.HourlyMax)
	if most <= 0 || before == after {
		return nil
	}
	var out []pageBar
	bar := func(word string, a plan.Amount) {
		y := len(out) * barHeight
		out = append(out, pageBar{word, amount(a), y + 2, y + 15, int(max(a.Hourly, 0) * barWidth / most)})
	}
	bar("now", before)
	bar("after", after)
	if after.HourlyMax > after.Hourly {
		bar("at most", plan.Amount{Hourly: after.HourlyMax, Unknown: after.Unknown})
	}
	return out
}
