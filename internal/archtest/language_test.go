package archtest

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var languageRow = regexp.MustCompile(`(?m)^\| (L[0-9]+) \| (.*?) \| (.*?) \| (.*) \|$`)

// languageIDs are the rows of docs/language.md in their order.
func languageIDs() []string {
	var out []string
	for n := range 14 {
		out = append(out, fmt.Sprintf("L%d", n+1))
	}
	return append(out, "L17")
}

// unshown says what is wrong with a page of the language.
func unshown(page string, there func(file, test string) bool) []string {
	var wrong, ids []string
	for _, row := range languageRow.FindAllStringSubmatch(page, -1) {
		id, text := row[1], row[4]
		ids = append(ids, id)
		tests, scripts := namedTest.FindAllStringSubmatch(text, -1), namedScript.FindAllStringSubmatch(text, -1)
		if len(tests)+len(scripts) == 0 {
			wrong = append(wrong, id+" is shown by no test")
		}
		if len(looksLikeOne.FindAllString(text, -1)) != len(tests)+len(scripts) {
			wrong = append(wrong, id+" names a test in a form that is none")
		}
		for _, t := range tests {
			if !there(t[1], t[2]) {
				wrong = append(wrong, fmt.Sprintf("%s names %s in %s, which is not there", id, t[2], t[1]))
			}
		}
		for _, s := range scripts {
			if !there(s[1], "") {
				wrong = append(wrong, fmt.Sprintf("%s names %s, which is not there", id, s[1]))
			}
		}
	}
	if want := languageIDs(); !slices.Equal(want, ids) {
		wrong = append(wrong, fmt.Sprintf("the rows are %v, and not %v", ids, want))
	}
	return wrong
}

func TestThePageOfTheLanguageIsWholeAndTrue(t *testing.T) {
	text, err := os.ReadFile("../../docs/language.md")
	require.NoError(t, err)
	page := string(text)
	require.Empty(t, unshown(page, inRepository))
	line := regexp.MustCompile(`(?m)^\| L13 .*\n`).FindString(page)
	require.NotEmpty(t, line)
	for name, tc := range map[string]struct{ instead, want string }{
		"a row is missing":       {"", "the rows are"},
		"a row is doubled":       {line + line, "the rows are"},
		"words alone":            {"| L13 | Backends | it works | look at it |\n", "L13 is shown by no test"},
		"a test that is not":     {"| L13 | Backends | it works | `planner/defer_test.go: TestNothing` |\n", "names TestNothing"},
		"a script that is not":   {"| L13 | Backends | it works | `cmd/dstack/testdata/script/nothing.txtar` |\n", "nothing.txtar, which is not there"},
		"a test named otherwise": {"| L13 | Backends | it works | `planner/defer_test.go: TestLife`, `defer_test.go` |\n", "in a form"},
	} {
		require.Contains(t, strings.Join(unshown(strings.Replace(page, line, tc.instead, 1), inRepository), "\n"), tc.want, name)
	}
}
