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

// inPart is the state of a row of docs/plan-coverage.md that is shown but for something that it names.
const inPart = "in part"

var planRow = regexp.MustCompile(`(?m)^\| (P[0-9]+|2g-[0-9]+|4c-[a-z]) \| (.+?) \| (.*?) \| (.*) \|$`)

func planIDs() []string {
	var out []string
	for n := range 24 {
		out = append(out, fmt.Sprintf("P%d", n+1))
	}
	for n := range 16 {
		out = append(out, fmt.Sprintf("2g-%d", n+1))
	}
	return append(out, "4c-a", "4c-b", "4c-c", "4c-d", "4c-e")
}

// unplanned says what is wrong with the page of what plans show.
func unplanned(page string, there func(file, test string) bool) []string {
	var wrong, ids []string
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for _, row := range planRow.FindAllStringSubmatch(page, -1) {
		id, state, text := row[1], row[3], row[4]
		ids = append(ids, id)
		tests, scripts := namedTest.FindAllStringSubmatch(text, -1), namedScript.FindAllStringSubmatch(text, -1)
		named := len(tests) + len(scripts)
		switch state {
		case shown, inPart:
			if named == 0 {
				complain("%s is shown by no test", id)
			}
			if words := namedScript.ReplaceAllString(namedTest.ReplaceAllString(text, ""), ""); state == inPart && len(words) < 20 {
				complain("%s does not say what is missing", id)
			}
		case notYet:
			if len(text) < 20 {
				complain("%s is not yet without a reason", id)
			}
		default:
			complain("%s is %q, which is no state", id, state)
		}
		if len(looksLikeOne.FindAllString(text, -1)) != named {
			complain("%s names a test in a form that is not `path/to/file_test.go: TestName` or `path/to/script.txtar`", id)
		}
		for _, t := range append(tests, scripts...) {
			test := ""
			if len(t) > 2 {
				test = t[2]
			}
			if !there(t[1], test) {
				complain("%s names %s %s, which is not there", id, t[1], test)
			}
		}
	}
	if !slices.Equal(planIDs(), ids) {
		complain("the rows are %v", ids)
	}
	return wrong
}

func TestPlanCoverageIsWholeAndTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/plan-coverage.md")
	require.NoError(t, err)
	for _, w := range unplanned(string(page), inRepository) {
		t.Error(w)
	}
}

// TestGapsInPlanCoverageAreFound proves that the test above would notice.
func TestGapsInPlanCoverageAreFound(t *testing.T) {
	raw, err := os.ReadFile("../../docs/plan-coverage.md")
	require.NoError(t, err)
	line := regexp.MustCompile(`(?m)^\| P7 .*\n`).FindString(string(raw))
	require.NotEmpty(t, line)
	for name, tc := range map[string]struct{ instead, want string }{
		"a row is missing":        {"", "the rows are"},
		"a row is doubled":        {line + line, "the rows are"},
		"a test that is not":      {"| P7 | x | shown | `internal/archtest/arch_test.go: TestNothing` |\n", "TestNothing, which is not there"},
		"a script that is not":    {"| P7 | x | shown | `cmd/dstack/testdata/script/nothing.txtar` |\n", "nothing.txtar , which is not there"},
		"words alone":             {"| P7 | x | shown | look at it |\n", "shown by no test"},
		"a part without the rest": {"| P7 | x | in part | `internal/archtest/arch_test.go: TestLaws` |\n", "what is missing"},
		"not yet without reason":  {"| P7 | x | not yet | soon |\n", "without a reason"},
		"another state":           {"| P7 | x | soon | `internal/archtest/arch_test.go: TestLaws` |\n", "no state"},
		"a test named otherwise":  {"| P7 | x | shown | `internal/archtest/arch_test.go: TestLaws`, `arch_test.go` |\n", "in a form"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, strings.Join(unplanned(strings.Replace(string(raw), line, tc.instead, 1), inRepository), "\n"), tc.want)
		})
	}
}
