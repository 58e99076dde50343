package config

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

var functionRow = regexp.MustCompile("(?m)^\\| `([a-z0-9]+)` \\| [A-Z0-9-].*[.] \\| `(.*)` \\| `(.*)` \\|$")

// TestThePageOfFunctionsIsTrue holds docs/functions.md against the library: each function has one row, and each example
// gives what the page says.
func TestThePageOfFunctionsIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/functions.md")
	require.NoError(t, err)
	c, list := Load(t.Context(), LoadOptions{Dir: "testdata/files", Sources: []Source{{Path: "main.dstack.hcl", Text: []byte("locals {\n  greeting = \"hello $${name}\"\n}\n")}}})
	require.NoError(t, list.Err())

	var documented []string
	for _, row := range functionRow.FindAllStringSubmatch(string(page), -1) {
		name, example, result := row[1], row[2], row[3]
		documented = append(documented, name)
		t.Run(name, func(t *testing.T) {
			require.Contains(t, example, name+"(")
			got, list := c.Evaluate("<console>", example, nil)
			require.NoError(t, list.Err())
			want, list := c.Evaluate("<console>", result, nil)
			require.NoError(t, list.Err())
			if got.Type() != cty.DynamicPseudoType {
				want, err = convert.Convert(want, got.Type())
				require.NoError(t, err)
			}
			require.Truef(t, got.RawEquals(want), "%s gives %#v, and the page says %s", example, got, result)
		})
	}
	slices.Sort(documented)
	require.Empty(t, cmp.Diff(slices.Sorted(maps.Keys(functions(".", nil))), documented), "(-library +page)")
	rows := strings.Count(string(page), "\n| `")
	require.Equal(t, rows, len(documented), "a row of the page cannot be read")
}
