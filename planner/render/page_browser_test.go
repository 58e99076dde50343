package render_test

import (
	"fmt"
	"image"
	"image/color"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/internal/browser"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/planner/render/rendertest"
)

func show(t *testing.T, b *browser.Browser, p *plan.Plan) *browser.Page {
	t.Helper()
	html, err := render.HTML(p, render.HTMLOptions{Name: "infra/research", Saved: "night.plan"})
	require.NoError(t, err)
	return b.Open(t, html)
}

// visible counts elements that a reader can see.
func visible(p *browser.Page, selector string) int {
	return browser.Eval[int](p, fmt.Sprintf(`[...document.querySelectorAll(%q)].filter(e => e.checkVisibility()).length`, selector))
}

func text(p *browser.Page, selector string) string {
	return browser.Eval[string](p, fmt.Sprintf(`document.querySelector(%q).innerText`, selector))
}

// focused is the address of the change that has the focus, "" for none.
func focused(p *browser.Page) string {
	return browser.Eval[string](p, `(document.activeElement.closest(".change") || {dataset: {}}).dataset.address || ""`)
}

func isOpen(p *browser.Page, address string) bool {
	return browser.Eval[bool](p, fmt.Sprintf(`[...document.querySelectorAll(".change")].find(c => c.dataset.address === %q).open`, address))
}

// TestALargePageInABrowser has the plan that the issue names: 2,000 changes, of which 300 are destroys.
func TestALargePageInABrowser(t *testing.T) {
	b := browser.Start(t)
	p := show(t, b, rendertest.Large(2000, 300))
	require.Equal(t, "dstack plan infra/research", browser.Eval[string](p, `document.title`))
	require.Contains(t, text(p, "h1"), "1,700 create, 300 destroy")
	require.Equal(t, 2000, visible(p, ".change"))
	require.Equal(t, 300, visible(p, ".change.destroy[open] pre"), "what is lost is open")
	require.Equal(t, 0, visible(p, ".change.create pre"))
	file, picture := p.Screenshot()
	require.NotEmpty(t, file)
	require.Greater(t, colours(picture), 20, "the picture is not blank")

	// What is filtered is not there.
	p.Click(`[data-filter="create"]`)
	require.Equal(t, 300, visible(p, ".change"))
	require.Equal(t, 0, visible(p, ".change.create"))
	p.Click(`[data-filter="destroy"]`)
	require.Equal(t, 0, visible(p, ".change"))
	require.Equal(t, 1, visible(p, "#none"), "it says that nothing is left")
	p.Click(`[data-filter="create"]`)
	require.Equal(t, 1700, visible(p, ".change"))
	p.Click(`[data-filter="destroy"]`)
	p.Click(`input[data-kind="job"]`)
	require.Equal(t, 300, visible(p, ".change"))
	p.Click(`input[data-kind="job"]`)

	// Finding, by words in any order.
	p.Press("/")
	p.Press("job 001999")
	require.Equal(t, 1, visible(p, ".change"))
	p.Press(kb.Enter)
	require.Equal(t, "task.train-001999.job[0]", focused(p))
	require.False(t, isOpen(p, "task.train-001999.job[0]"))
	p.Press(kb.Enter)
	require.True(t, isOpen(p, "task.train-001999.job[0]"))
	require.Contains(t, text(p, ".change:not([hidden]) pre"), "a reason of its own, main.dstack.hcl:2000")
	p.Press("/")
	p.Press(kb.Backspace)
	require.Equal(t, 2000, visible(p, ".change"))

	// The graph is drawn by kinds, and leads to what it stands for.
	require.Contains(t, text(p, "[aria-label=Graph]"), "by kinds")
	require.Equal(t, []string{"+ any job (1,700)", "- any volume (300)"}, browser.Eval[[]string](p, `[...document.querySelectorAll(".box text")].map(e => e.textContent)`))
	p.Click(`.box.create`)
	require.Equal(t, "task.train-000300.job[0]", focused(p))
	require.True(t, isOpen(p, "task.train-000300.job[0]"))
	require.Empty(t, p.Complaints())
}

// TestTheGraphLeadsToTheDifference clicks through a plan of the size that people have.
func TestTheGraphLeadsToTheDifference(t *testing.T) {
	b := browser.Start(t)
	p := show(t, b, rendertest.Night())
	box := func(title string) string {
		return browser.Eval[string](p, fmt.Sprintf(`(() => { const g = [...document.querySelectorAll("g.box")].find(g => g.querySelector("title").textContent === %q); g.id = "wanted"; return "#wanted" })()`, title))
	}
	p.Click("#close")
	require.Equal(t, 0, visible(p, ".change pre"))
	p.Click(box("fleet.train.instance (2): replace") + " rect")
	require.Equal(t, "fleet.train.instance[0], instance[1]", focused(p))
	require.True(t, isOpen(p, "fleet.train.instance[0], instance[1]"))
	require.Equal(t, 1, visible(p, ".change pre"))
	require.True(t, browser.Eval[bool](p, `(r => r.top >= 0 && r.bottom <= innerHeight)(document.activeElement.getBoundingClientRect())`), "it is in view")
	pre := text(p, ".change[open] pre")
	for _, want := range []string{`- "A100:40GB:8"`, `+ "A100:80GB:8"`, "p4d.24xlarge -> p4de.24xlarge", "main.dstack.hcl:14, from var.gpu"} {
		require.Contains(t, strings.ReplaceAll(pre, `"A100:40GB:8" -> "A100:80GB:8"`, `- "A100:40GB:8" + "A100:80GB:8"`), want)
	}

	// What a filter hides is faint in the graph; a click brings it back.
	p.Click(`[data-filter="replace"]`)
	require.Equal(t, 0, visible(p, ".change.replace"))
	require.Equal(t, 2, browser.Eval[int](p, `document.querySelectorAll(".box.off").length`))
	p.Click("#wanted rect")
	require.Equal(t, "fleet.train.instance[0], instance[1]", focused(p))

	// It can be made larger, moved and seen whole.
	view := func() string {
		return browser.Eval[string](p, `document.querySelector("#graph svg").getAttribute("viewBox")`)
	}
	whole := view()
	p.Click(`[data-zoom="in"]`)
	near := view()
	require.NotEqual(t, whole, near)
	p.Click(`[data-zoom="all"]`)
	require.Equal(t, whole, view())
	require.Contains(t, browser.Eval[string](p, `document.querySelector(".bars").getAttribute("aria-label")`), "now $78.44/h. after $98.79/h. at most $100.46/h.")
	require.Empty(t, p.Complaints())
}

// TestThePageByKeyboardAlone never touches the mouse.
func TestThePageByKeyboardAlone(t *testing.T) {
	b := browser.Start(t)
	p := show(t, b, rendertest.Night())
	first := browser.Eval[string](p, `document.querySelector(".change").dataset.address`)
	require.Equal(t, "volume.scratch", first, "what loses data is first")
	p.Press("j")
	require.Equal(t, first, focused(p))
	require.True(t, isOpen(p, first))
	p.Press("o")
	require.False(t, isOpen(p, first))
	p.Press("j")
	require.Equal(t, "fleet.train.instance[0], instance[1]", focused(p))
	p.Press("k")
	p.Press("k")
	require.Equal(t, first, focused(p), "there is nothing before the first")
	p.Press("?")
	require.True(t, browser.Eval[bool](p, `document.getElementById("help").open`))
	p.Press("j")
	require.True(t, browser.Eval[bool](p, `document.getElementById("help").open`), "keys do nothing behind it")
	p.Press(kb.Escape)
	require.False(t, browser.Eval[bool](p, `document.getElementById("help").open`))
	require.Empty(t, p.Complaints())

	// Tab alone reaches everything, in the order of the page, and shows where it is.
	p = show(t, b, rendertest.Night())
	reached := map[string]bool{}
	for range 80 {
		p.Press(kb.Tab)
		at := browser.Eval[string](p, `(e => e.dataset.filter ? "filter " + e.dataset.filter : e.dataset.target ? "box " + e.dataset.target : e.dataset.kind ? "kind " + e.dataset.kind : e.dataset.zoom ? "zoom " + e.dataset.zoom : e.closest(".change") ? "change " + e.closest(".change").dataset.address : e.id || e.className)(document.activeElement)`)
		if at == "" {
			break // behind the last one
		}
		require.True(t, browser.Eval[bool](p, `document.activeElement.matches(":focus-visible")`), "%s shows that it has the focus", at)
		reached[at] = true
	}
	for _, want := range []string{"filter destroy", "filter create", "search", "open", "close", "keys", "change volume.scratch", "change task.eval.job[0]", "graph", "zoom in"} {
		require.True(t, reached[want], "%s is not among %v", want, reached)
	}
	boxes := 0
	for at := range reached {
		if strings.HasPrefix(at, "box ") {
			boxes++
		}
	}
	require.Equal(t, 5, boxes, "each box that leads somewhere")

	// A filter with the space bar, a box with Enter.
	browser.Eval[bool](p, `(document.querySelector("[data-filter=create]").focus(), true)`)
	p.Press(" ")
	require.Equal(t, 0, visible(p, ".change.create"))
	browser.Eval[bool](p, `(document.querySelector(".box.create").focus(), true)`)
	p.Press(kb.Enter)
	require.Equal(t, "fleet.eval.instance[0]", focused(p))
	require.True(t, isOpen(p, "fleet.eval.instance[0]"))
	require.Empty(t, p.Complaints())
}

// contrast finds the texts of a page that are hard to read: those whose colour is less than 4.5 times as light or as dark
// as what is behind them, which is what WCAG 2 asks of texts of this size.
const contrast = `(() => {
	const parse = c => { const m = c.match(/[\d.]+/g).map(Number); return m.length > 3 ? m : [...m, 1]; };
	const light = c => { const [r, g, b] = c.map(v => { v /= 255; return v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4); }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const behind = e => {
		if (e.tagName === "text") { const r = e.parentNode.querySelector("rect"); if (r && e.parentNode.classList.contains("box")) return parse(getComputedStyle(r).fill); }
		for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; }
		return [255, 255, 255, 1];
	};
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), bad = [];
	let seen = 0;
	for (let n; n = walk.nextNode();) {
		const e = n.parentElement;
		if (!n.textContent.trim() || !e.checkVisibility() || ["SCRIPT", "STYLE", "title"].includes(e.tagName)) continue;
		const style = getComputedStyle(e), front = parse(e.tagName === "text" ? style.fill : style.color);
		const a = light(front.slice(0, 3)), b = light(behind(e).slice(0, 3));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		seen++;
		if (ratio < 4.5) bad.push(n.textContent.trim().slice(0, 30) + " " + ratio.toFixed(2));
	}
	return {seen, bad, back: getComputedStyle(document.body).backgroundColor};
})()`

func TestPagesCanBeReadInDarkAndInLight(t *testing.T) {
	b := browser.Start(t)
	type found struct {
		Seen int      `json:"seen"`
		Bad  []string `json:"bad"`
		Back string   `json:"back"`
	}
	for _, name := range []string{"night", "every-action", "warnings", "in-flight"} {
		p := show(t, b, rendertest.Named(name))
		p.Click("#open")
		backs := map[string]bool{}
		for _, scheme := range []string{"light", "dark"} {
			p.Prefer(scheme)
			f := browser.Eval[found](p, contrast)
			require.Empty(t, f.Bad, "%s in %s", name, scheme)
			require.Greater(t, f.Seen, 20)
			backs[f.Back] = true
			_, picture := p.Screenshot()
			corner := color.GrayModel.Convert(picture.At(2, 2)).(color.Gray).Y
			require.Equal(t, scheme == "light", corner > 127, "%s in %s", name, scheme)
			require.Greater(t, colours(picture), 20)
		}
		require.Len(t, backs, 2)
		browser.Eval[bool](p, `(document.body.style.color = "#777", document.body.style.background = "#888", true)`)
		require.NotEmpty(t, browser.Eval[found](p, contrast).Bad, "what cannot be read is found")
	}
}

// TestHostileTextsInABrowser opens each text of the corpus: nothing of it runs, asks, or leads away.
func TestHostileTextsInABrowser(t *testing.T) {
	b := browser.Start(t)
	p := show(t, b, rendertest.With(rendertest.Harmless))
	const shape = `(document.getElementById("open").click(), [document.scripts.length, document.styleSheets.length, document.images.length, document.links.length, document.forms.length, ` +
		`document.querySelectorAll("h1, iframe, object, embed, meta, base").length, [...document.querySelectorAll(".change pre")].filter(e => e.checkVisibility()).length].join(" "))`
	want := browser.Eval[string](p, shape)
	for _, h := range rendertest.Hostile() {
		if h.Long {
			continue // it is what the others are, and more of it
		}
		html, err := render.HTML(rendertest.With(h.Text), render.HTMLOptions{Name: h.Text, Saved: h.Text, Commit: h.Text})
		require.NoError(t, err)
		p.Load(html)
		require.Equal(t, want, browser.Eval[string](p, shape), h.Name)
		require.Empty(t, p.Complaints(), h.Name)
	}
	p.Load([]byte(`<!doctype html><script>alert(1)</script>`))
	require.NotEmpty(t, p.Complaints(), "what runs is heard")
}

// colours counts the colours of a picture, up to 100.
func colours(p image.Image) int {
	seen := map[color.Color]bool{}
	for y := p.Bounds().Min.Y; y < p.Bounds().Max.Y; y++ {
		for x := p.Bounds().Min.X; x < p.Bounds().Max.X; x++ {
			if seen[p.At(x, y)] = true; len(seen) >= 100 {
				return len(seen)
			}
		}
	}
	return len(seen)
}
