package addr

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestModulePaths(t *testing.T) {
	deep := Root.Child("eu", String(`a"${x}`)).Child("net", Int(2)).Child("core", NoKey)
	t.Run("a path prints and parses", func(t *testing.T) {
		got, err := ParseModule(string(deep))
		require.NoError(t, err)
		require.Equal(t, deep, got)
	})
	t.Run("static paths have no keys", func(t *testing.T) {
		require.Equal(t, Module("module.eu.module.net.module.core"), deep.Static())
		require.Equal(t, Root, Root.Static())
	})
	t.Run("the call is the last step", func(t *testing.T) {
		call, ok := deep.Call()
		require.True(t, ok)
		require.Equal(t, Block{Module: Root.Child("eu", String(`a"${x}`)).Child("net", Int(2)), Type: "module", Name: "core"}.Instance(NoKey), call)
		_, ok = Root.Call()
		require.False(t, ok)
	})
	t.Run("up goes to an ancestor", func(t *testing.T) {
		require.Equal(t, Root, deep.Up(0))
		require.Equal(t, Root.Child("eu", String(`a"${x}`)), deep.Up(1))
		require.Equal(t, deep, deep.Up(3))
		require.Equal(t, deep, deep.Up(9))
		require.Equal(t, 3, deep.Depth())
	})
	t.Run("names are plain words", func(t *testing.T) {
		require.Empty(t, cmp.Diff([]string{"eu", `a"${x}`, "net", "2", "core"}, deep.Names()))
		require.Empty(t, Root.Names())
	})
	for name, tc := range map[string]struct {
		m, pattern Module
		want       bool
	}{
		"everything is within the root":        {deep, Root, true},
		"itself":                               {deep, deep, true},
		"a parent":                             {deep, deep.Up(2), true},
		"a parent without its key":             {deep, "module.eu.module.net", true},
		"a parent with another key":            {deep, "module.eu.module.net[1]", false},
		"another module":                       {deep, "module.us", false},
		"a child is no parent":                 {deep.Up(1), deep, false},
		"the root is within nothing else":      {Root, "module.eu", false},
		"a name that starts alike is no match": {"module.eu2", "module.eu", false},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, tc.m.Within(tc.pattern)) })
	}
}

func TestModuleCallsAreBlocks(t *testing.T) {
	i, err := ParseInstance(`module.eu["a"].module.net[1]`)
	require.NoError(t, err)
	require.Equal(t, Block{Module: `module.eu["a"]`, Type: "module", Name: "net"}.Instance(Int(1)), i)
	_, err = ParseModule(`module.eu.fleet.a`)
	require.ErrorContains(t, err, "a module is module.eu")
	_, err = ParseResource(`module.eu`)
	require.ErrorContains(t, err, "it names a block")
}
