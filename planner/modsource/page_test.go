package modsource

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestThePageOfModulesIsTrue holds the sources in docs/modules.md against Parse.
func TestThePageOfModulesIsTrue(t *testing.T) {
	text, err := os.ReadFile("../../docs/modules.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(text), "| source | means |")
	require.True(t, ok)
	can, cannot, ok := strings.Cut(rest, "| source | because |")
	require.True(t, ok)
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")
	good, bad := row.FindAllStringSubmatch(can, -1), row.FindAllStringSubmatch(cannot, -1)
	require.Len(t, good, 8)
	require.Len(t, bad, 7)
	for _, r := range good {
		_, err := Parse(r[1])
		require.NoError(t, err, r[1])
	}
	for _, r := range bad {
		_, err := Parse(r[1])
		require.Error(t, err, r[1])
	}
}
