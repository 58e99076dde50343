package reference_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/internal/golden"
	"github.com/dstackai/dstack-planner/internal/reference"
	"github.com/dstackai/dstack-planner/schema"
)

const docs = "../../docs/"

func pages() map[string]string {
	return map[string]string{
		"blocks.md": reference.Blocks(), "values.md": reference.Values(), "kinds.md": reference.Kinds(),
	}
}

func TestReferencePagesSayWhatTheCodeSays(t *testing.T) {
	for name, text := range pages() {
		t.Run(name, func(t *testing.T) { golden.Assert(t, docs+"reference/"+name, text) })
	}
}

var (
	headings = regexp.MustCompile(`(?m)^#+ (.*)$`)
	links    = regexp.MustCompile(`\]\(([a-z]*(?:\.md)?)#([^)]*)\)`)
)

func TestLinksOfReferencePagesLeadToHeadings(t *testing.T) {
	all := pages()
	there := map[string]map[string]int{}
	for name, text := range all {
		there[name] = map[string]int{}
		for _, h := range headings.FindAllStringSubmatch(text, -1) {
			there[name][strings.ReplaceAll(strings.ToLower(h[1]), " ", "-")]++
		}
		for h, n := range there[name] {
			require.Equalf(t, 1, n, "%s: two headings are %q, so that links to the second go astray", name, h)
		}
	}
	for name, text := range all {
		found := links.FindAllStringSubmatch(text, -1)
		for _, l := range found {
			page := l[1]
			if page == "" {
				page = name
			}
			require.Containsf(t, there[page], l[2], "%s: the link %s", name, l[0])
		}
		require.NotEmptyf(t, found, "%s has no links", name)
	}
}

func TestTablesAreWhole(t *testing.T) {
	for name, text := range pages() {
		width := 0
		for n, line := range strings.Split(text, "\n") {
			if !strings.HasPrefix(line, "|") {
				width = 0
				continue
			}
			cells := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
			if width == 0 {
				width = cells
			}
			require.Equalf(t, width, cells, "%s:%d: %s", name, n+1, line)
		}
	}
}

func TestEveryAttributeHasALine(t *testing.T) {
	text := reference.Blocks()
	for _, b := range schema.BlockTypes() {
		require.Contains(t, text, "\n## "+b.Name+"\n")
		for _, a := range b.Object.Attrs {
			require.Contains(t, text, "| `"+a.Name+"` |", b.Name)
		}
	}
}
