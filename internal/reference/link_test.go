package reference_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	relativeLink = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	testName     = regexp.MustCompile("`(Test[A-Z][A-Za-z0-9]+)`")
)

func TestLinksOfPagesLeadSomewhere(t *testing.T) {
	found := 0
	for _, page := range markdown(t) {
		if !strings.HasPrefix(page, "docs/") {
			continue
		}
		text, err := os.ReadFile("../../" + page)
		require.NoError(t, err)
		for _, l := range relativeLink.FindAllStringSubmatch(string(text), -1) {
			found++
			_, err := os.Stat(filepath.Join("../..", path.Dir(page), l[1]))
			require.NoErrorf(t, err, "%s links to %s", page, l[1])
		}
	}
	require.NotZero(t, found)
}

// TestDecisionsNameTestsThatExist keeps "shown by" true.
func TestDecisionsNameTestsThatExist(t *testing.T) {
	var tests strings.Builder
	require.NoError(t, filepath.WalkDir("../..", func(p string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(p, "_test.go") {
			return err
		}
		text, err := os.ReadFile(p)
		tests.Write(text)
		return err
	}))
	pages, err := filepath.Glob(docs + "decisions/*.md")
	require.NoError(t, err)
	index, err := os.ReadFile(docs + "decisions/README.md")
	require.NoError(t, err)
	for _, p := range pages {
		text, err := os.ReadFile(p)
		require.NoError(t, err)
		for _, name := range testName.FindAllStringSubmatch(string(text), -1) {
			require.Containsf(t, tests.String(), "\nfunc "+name[1]+"(", "%s names a test that is not there", p)
		}
		if filepath.Base(p) == "README.md" {
			continue
		}
		require.Contains(t, string(index), "]("+filepath.Base(p)+")", "the list of decisions has each page")
		for _, part := range []string{"**Problem.**", "**Choice", "**Alternatives.**", "**Consequence.**"} {
			require.Containsf(t, string(text), "\n"+part, "%s", p)
		}
	}
}
