package archtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// features are the groups of what dstack 0.18.41 does, in the order of docs/coverage.md, with the number of rows of each.
var features = []struct {
	group string
	rows  int
}{
	{"VAL", 18}, {"NAM", 4}, {"PRF", 9}, {"RUN", 27}, {"STM", 10}, {"INS", 9}, {"OFR", 14}, {"BLK", 8}, {"FLT", 9}, {"SSH", 13}, {"VOL", 14},
	{"PLN", 8}, {"AGT", 11}, {"ATT", 6}, {"LOG", 1}, {"SVC", 12}, {"GTW", 5}, {"CLI", 9}, {"STO", 4}, {"SEC", 2}, {"PLG", 1},
}

func featureIDs() []string {
	var out []string
	for _, f := range features {
		for n := range f.rows {
			out = append(out, fmt.Sprintf("%s-%02d", f.group, n+1))
		}
	}
	return out
}

// States of a row.
const (
	shown    = "shown"
	notYet   = "not yet"
	replaced = "replaced"
)

var (
	coverageRow  = regexp.MustCompile(`(?m)^\| ([A-Z]{3}-[0-9]{2}) \| (.*?) \| (.*?) \| (.*) \|$`)
	countRow     = regexp.MustCompile(`(?m)^\| (shown|not yet|replaced) \| ([0-9]+) \|$`)
	namedTest    = regexp.MustCompile("`([a-z0-9_/]+_test\\.go): ((?:Test|Fuzz|Benchmark)[A-Za-z0-9_]+)`")
	namedScript  = regexp.MustCompile("`([a-z0-9_/-]+\\.txtar)`")
	looksLikeOne = regexp.MustCompile("`[^`]*(?:_test\\.go|\\.txtar)[^`]*`")
)

// uncovered says what is wrong with a page of coverage. There tells whether a file exists, and if test is not empty,
// whether that test is in it.
func uncovered(page string, there func(file, test string) bool) []string {
	var wrong []string
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	var ids []string
	counts := map[string]int{}
	for _, row := range coverageRow.FindAllStringSubmatch(page, -1) {
		id, feature, state, text := row[1], row[2], row[3], row[4]
		ids = append(ids, id)
		counts[state]++
		tests, scripts := namedTest.FindAllStringSubmatch(text, -1), namedScript.FindAllStringSubmatch(text, -1)
		switch {
		case strings.TrimSpace(feature) == "":
			complain("%s has no feature", id)
		case state == shown && len(tests)+len(scripts) == 0:
			complain("%s is shown by no test", id)
		case state == notYet && !regexp.MustCompile("^[a-zA-Z`]").MatchString(text), state == replaced && len(text) < 20:
			complain("%s is %s without a reason", id, state)
		case state != shown && state != notYet && state != replaced:
			complain("%s is %q, which is no state", id, state)
		}
		if len(looksLikeOne.FindAllString(text, -1)) != len(tests)+len(scripts) {
			complain("%s names a test in a form that is not `path/to/file_test.go: TestName` or `path/to/script.txtar`", id)
		}
		for _, t := range tests {
			if !there(t[1], t[2]) {
				complain("%s names %s in %s, which is not there", id, t[2], t[1])
			}
		}
		for _, s := range scripts {
			if !there(s[1], "") {
				complain("%s names %s, which is not there", id, s[1])
			}
		}
	}
	if want := featureIDs(); !slices.Equal(want, ids) {
		for _, id := range want {
			if n := len(slices.DeleteFunc(slices.Clone(ids), func(s string) bool { return s != id })); n != 1 {
				complain("%s is there %d times", id, n)
			}
		}
		for _, id := range ids {
			if !slices.Contains(want, id) {
				complain("%s is no row of dstack", id)
			}
		}
		complain("the rows are not those of dstack in its order")
	}
	said := countRow.FindAllStringSubmatch(page, -1)
	if len(said) != 3 {
		complain("the page does not count its states")
	}
	for _, c := range said {
		if c[2] != strconv.Itoa(counts[c[1]]) {
			complain("the page says that %s rows are %s, and they are %d", c[2], c[1], counts[c[1]])
		}
	}
	return wrong
}

func inRepository(file, test string) bool {
	text, err := os.ReadFile("../../" + file)
	return err == nil && (test == "" || strings.Contains(string(text), "\nfunc "+test+"("))
}

// TestTestsThatPagesNameAreThere looks through all pages that are written by hand.
func TestTestsThatPagesNameAreThere(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	named := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range namedTest.FindAllStringSubmatch(string(text), -1) {
			named++
			require.True(t, inRepository(m[1], m[2]), "%s names %s in %s, which is not there", page, m[2], m[1])
		}
		for _, m := range namedScript.FindAllStringSubmatch(string(text), -1) {
			require.True(t, inRepository(m[1], ""), "%s names %s, which is not there", page, m[1])
		}
	}
	require.Greater(t, named, 100)
}

func TestCoveragePageIsWholeAndTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/coverage.md")
	require.NoError(t, err)
	require.Len(t, featureIDs(), 194)
	for _, w := range uncovered(string(page), inRepository) {
		t.Error(w)
	}
}

// TestGapsInCoverageAreFound proves that the test above would notice.
func TestGapsInCoverageAreFound(t *testing.T) {
	raw, err := os.ReadFile("../../docs/coverage.md")
	require.NoError(t, err)
	page := string(raw)
	line := regexp.MustCompile(`(?m)^\| BLK-03 .*\n`).FindString(page)
	require.NotEmpty(t, line)
	is := func(state, text string) string { return "| BLK-03 | TPU | " + state + " | " + text + " |\n" }
	for name, tc := range map[string]struct{ instead, want string }{
		"a row is missing":            {"", "BLK-03 is there 0 times"},
		"a row is doubled":            {line + line, "BLK-03 is there 2 times"},
		"a row that dstack has not":   {line + strings.Replace(line, "BLK-03", "BLK-33", 1), "BLK-33 is no row of dstack"},
		"a test that does not exist":  {is(shown, "`internal/archtest/arch_test.go: TestNothing`"), "names TestNothing in internal/archtest/arch_test.go, which is not there"},
		"a file that does not exist":  {is(shown, "`internal/nothing_test.go: TestLaws`"), "internal/nothing_test.go, which is not there"},
		"a script that does not":      {is(shown, "`cmd/dstack/testdata/script/nothing.txtar`"), "nothing.txtar, which is not there"},
		"a test named otherwise":      {is(shown, "`internal/archtest/arch_test.go: TestLaws`, `arch_test.go`"), "names a test in a form"},
		"shown by words alone":        {is(shown, "look at it"), "is shown by no test"},
		"not yet, and no capability":  {is(notYet, ""), "not yet without a reason"},
		"replaced, and nobody knows":  {is(replaced, "so"), "replaced without a reason"},
		"another state":               {is("partly", "`internal/archtest/arch_test.go: TestLaws`"), "which is no state"},
		"the count of shown is wrong": {is(notYet, "clouds"), "rows are shown, and they are"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, strings.Join(uncovered(strings.Replace(page, line, tc.instead, 1), inRepository), "\n"), tc.want)
		})
	}
	require.Contains(t, strings.Join(uncovered("", inRepository), "\n"), "does not count its states")
}
