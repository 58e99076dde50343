package addr

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestSubjects(t *testing.T) {
	type facts struct {
		Module, Block bool
		In            Module
		Key           Key
	}
	for text, want := range map[string]facts{
		`module.a`:                            {Module: true, Block: true},
		`module.a["x"]`:                       {Module: true, Block: true, Key: String("x")},
		`module.a[0].module.b["y"]`:           {Module: true, Block: true, In: "module.a[0]", Key: String("y")},
		`fleet.train`:                         {Block: true},
		`volume.data[1]`:                      {Block: true, Key: Int(1)},
		`module.m.volume.data["a.b"]`:         {Block: true, In: "module.m", Key: String("a.b")},
		`fleet.lab.instance["10.0.0.1"]`:      {},
		`module.m["k"].fleet.lab.instance[2]`: {In: `module.m["k"]`},
	} {
		t.Run(text, func(t *testing.T) {
			s, err := ParseSubject(text)
			require.NoError(t, err)
			require.Equal(t, text, s.String())
			require.Empty(t, cmp.Diff(want, facts{s.IsModule(), s.IsBlock(), s.Block().Module, s.Key()}, cmp.AllowUnexported(Key{})))
			require.Equal(t, "module.up."+text, s.Within("module.up").String())
		})
	}
	for _, text := range []string{"", "module", "fleet", "module.a.b", "module[0].a", "fleet.a.foo", "module.a[0].volume"} {
		_, err := ParseSubject(text)
		require.Error(t, err, text)
	}
}

func TestPathsOfModulesAreJoined(t *testing.T) {
	require.Equal(t, Module(`module.a["x"].module.b`), Module(`module.a["x"]`).Join("module.b"))
	require.Equal(t, Module("module.a"), Root.Join("module.a"))
	require.Equal(t, Module("module.a"), Module("module.a").Join(Root))
}
