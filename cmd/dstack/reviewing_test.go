package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/internal/browser"
	"github.com/dstackai/dstack-planner/internal/golden"
)

// passing is what differs each time that the plan of docs/reviewing is made, with what stands for it there.
var passing = []struct {
	found *regexp.Regexp
	shown string
}{
	{regexp.MustCompile(`"id": "[0-9a-f]{16}"`), `"id": "7f3a91c05d6e4b2a"`},
	{regexp.MustCompile("plan `[0-9a-f]{12}`"), "plan `7f3a91c05d6e`"},
	{regexp.MustCompile(`Plan [0-9a-f]{16}, made [0-9-]+ [0-9:]+ UTC`), "Plan 7f3a91c05d6e4b2a, made 2026-03-04 12:00:00 UTC"},
	{regexp.MustCompile(`"lineage": "[^"]+"`), `"lineage": "0b7e6f5a-1d2c-4f3e-8a9b-0c1d2e3f4a5b"`},
	{regexp.MustCompile(`"head": "[0-9a-f]{64}"`), `"head": "` + strings.Repeat("c0ffee00", 8) + `"`},
	{regexp.MustCompile(`"created_at": "[^"]+"`), `"created_at": "2026-03-04T12:00:00Z"`},
	{regexp.MustCompile(`"(started|submitted)_at": "[^"]+"`), `"${1}_at": "2026-03-04T08:48:00Z"`},
	{regexp.MustCompile(`running since [0-9-]+ [0-9:]+ UTC`), "running since 2026-03-04 08:48 UTC"},
	{regexp.MustCompile(`running for [0-9]+ [a-z]+( [0-9]+ [a-z]+)?`), "running for 3 h 12 m"},
	{regexp.MustCompile(`"world": "[^"]+"`), `"world": "/var/lib/fake/world.json"`},
}

// TestThePlanOfTheReviewingPage makes the plan that docs/reviewing.md shows, in all renderings from one run.
func TestThePlanOfTheReviewingPage(t *testing.T) {
	docs := filepath.Join("..", "..", "docs")
	dir := t.TempDir()
	dstack := func(args ...string) string {
		cmd := exec.Command(filepath.Join(bin, "dstack"), args...)
		cmd.Dir = dir
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "DSTACK_HOME=" + filepath.Join(dir, ".home"), "DSTACK_FAKE_WORLD=" + filepath.Join(dir, "world.json")}
		out, err := cmd.Output()
		require.NoError(t, err, "%v", args)
		return string(out)
	}
	configure := func(state string) {
		source, err := os.ReadFile(filepath.Join(docs, "reviewing", state, "main.dstack.hcl"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "main.dstack.hcl"), source, 0o600))
	}
	configure("before")
	dstack("apply", "--auto-approve", "--parallelism", "1")
	configure("after")
	made := map[string]string{"plan.txt": dstack("plan", "--out", "night.plan", "--markdown-out", "plan.md", "--json-out", "plan.json", "--html-out", "plan.html")}
	for _, name := range []string{"plan.md", "plan.json", "plan.html"} {
		body, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		made[name] = string(body)
	}
	page, err := os.ReadFile(filepath.Join(docs, "reviewing.md"))
	require.NoError(t, err)
	shown := string(page)
	for name, text := range made {
		for _, p := range passing {
			text = p.found.ReplaceAllString(text, p.shown)
		}
		golden.Assert(t, filepath.Join(docs, "reviewing", name), text)
		if name == "plan.html" { // the page has a picture of it
			t.Run("picture", func(t *testing.T) { picture(t, filepath.Join(docs, "reviewing", "plan.png"), text) })
			continue
		}
		fence, lang, _ := strings.Cut(map[string]string{"plan.txt": "``` text", "plan.md": "```` markdown", "plan.json": "``` json"}[name], " ")
		if name == "plan.json" { // the page has its beginning
			head, _, ok := strings.Cut(text, "  \"changes\": [\n")
			require.True(t, ok)
			text = head + "  \"changes\": [ ... ],\n  ...\n}\n"
		}
		shown = embed(t, shown, name, fence+lang+"\n"+text+fence+"\n")
	}
	golden.Assert(t, filepath.Join(docs, "reviewing.md"), shown)
}

// embed puts a text between the comments that stand for it in a page.
func embed(t *testing.T, page, name, text string) string {
	t.Helper()
	before, rest, ok := strings.Cut(page, "<!-- "+name+" -->\n")
	require.True(t, ok, "the page has a place for %s", name)
	_, after, ok := strings.Cut(rest, "<!-- end of "+name+" -->\n")
	require.True(t, ok)
	return before + "<!-- " + name + " -->\n" + text + "<!-- end of " + name + " -->\n" + after
}

// picture holds the picture of a page against what a browser shows: not dot by dot, because fonts differ between machines.
func picture(t *testing.T, path, html string) {
	file, now := browser.Start(t).Open(t, []byte(html)).Screenshot()
	if golden.Updating() {
		require.NoError(t, os.WriteFile(path, file, 0o644))
	}
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Less(t, len(kept), 150_000, "it is fetched with the page that shows it")
	then, err := png.Decode(bytes.NewReader(kept))
	require.NoError(t, err)
	require.Equal(t, now.Bounds(), then.Bounds())
	require.Less(t, unlike(now, then), 0.03, "%s shows another page; to take it anew: go test ./cmd/dstack -run Reviewing -update", path)
	require.Greater(t, unlike(then, image.NewUniform(color.White)), 0.03, "%s is blank", path)
}

// unlike tells how far two pictures are apart, 0 for the same and 1 for black and white: by the mean brightness of fields
// of 20 by 20 dots.
func unlike(a, b image.Image) float64 {
	const field = 20
	bright := func(p image.Image, x, y int) float64 {
		sum := 0.0
		for i := range field * field {
			sum += float64(color.GrayModel.Convert(p.At(x+i%field, y+i/field)).(color.Gray).Y) / 255
		}
		return sum / (field * field)
	}
	sum, n := 0.0, 0.0
	for x := a.Bounds().Min.X; x+field <= a.Bounds().Max.X; x += field {
		for y := a.Bounds().Min.Y; y+field <= a.Bounds().Max.Y; y += field {
			sum += math.Abs(bright(a, x, y) - bright(b, x, y))
			n++
		}
	}
	return sum / n
}
