package law

import (
	"flag"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Check looks at a property with so many draws, a fifth of them with -short, and with the same ones in every run. Flags of
// rapid on the command line (-rapid.checks, -rapid.seed) win over both. It sets such flags while it runs, so that tests that
// call it do not run beside each other.
func Check(t *testing.T, checks int, holds func(*rapid.T)) {
	t.Helper()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || strings.HasPrefix(f.Name, "rapid.") })
	if !asked {
		for name, value := range map[string]string{"rapid.checks": strconv.Itoa(checks), "rapid.seed": "1"} {
			f := flag.Lookup(name)
			before := f.Value.String()
			require.NoError(t, f.Value.Set(value))
			defer func() { require.NoError(t, f.Value.Set(before)) }()
		}
	}
	rapid.Check(t, holds)
}
