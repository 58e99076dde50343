package move

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
)

// statements reads "module.m: volume.a -> volume.b"; one that begins with ~ is implied.
func statements(t *testing.T, list ...string) []Statement {
	t.Helper()
	var out []Statement
	for _, text := range list {
		var s Statement
		text, s.Implied = strings.CutPrefix(text, "~")
		in, rest, found := strings.Cut(text, ": ")
		if !found {
			in, rest = "", text
		}
		from, to, _ := strings.Cut(rest, " -> ")
		var err error
		s.Module = addr.Module(in)
		s.From, err = addr.ParseSubject(from)
		require.NoError(t, err)
		s.To, err = addr.ParseSubject(to)
		require.NoError(t, err)
		out = append(out, s)
	}
	return out
}

func resources(t *testing.T, list ...string) []addr.Resource {
	t.Helper()
	var out []addr.Resource
	for _, text := range list {
		r, err := addr.ParseAny(text)
		require.NoError(t, err)
		out = append(out, r)
	}
	return out
}

func TestResolve(t *testing.T) {
	for name, tc := range map[string]struct {
		statements, recorded, want, blocked []string
	}{
		"a block goes with all that belongs to it": {
			[]string{"fleet.a -> fleet.b"},
			[]string{"fleet.a.instance[0]", "fleet.a.instance[1]", `fleet.a.support["placement-group"]`, "volume.a"},
			[]string{"fleet.a -> fleet.b"}, nil,
		},
		"a whole block goes with all its repetitions": {
			[]string{"volume.data -> volume.disk"},
			[]string{`volume.data["eu"]`, `volume.data["us"]`},
			[]string{`volume.data["eu"] -> volume.disk["eu"]`, `volume.data["us"] -> volume.disk["us"]`}, nil,
		},
		"one repetition gets a key of another sort": {
			[]string{`volume.data[0] -> volume.data["eu"]`},
			[]string{"volume.data[0]", "volume.data[1]"},
			[]string{`volume.data[0] -> volume.data["eu"]`}, nil,
		},
		"a block without key gets one, and the other ones stay": {
			[]string{`volume.data -> volume.data["eu"]`},
			[]string{"volume.data", `volume.data["us"]`},
			[]string{`volume.data -> volume.data["eu"]`}, nil,
		},
		"a repetition loses its key": {
			[]string{`volume.data["eu"] -> volume.data`},
			[]string{`volume.data["eu"]`},
			[]string{`volume.data["eu"] -> volume.data`}, nil,
		},
		"a chain leads to its end, in whatever order it is written": {
			[]string{"volume.b -> volume.c", "volume.a -> volume.b", "volume.c -> volume.d"},
			[]string{"volume.a"},
			[]string{"volume.a -> volume.d"}, nil,
		},
		"of a chain of which two steps are there, each goes as far as it can": {
			[]string{"volume.a -> volume.b", "volume.b -> volume.c"},
			[]string{"volume.a", "volume.b"},
			[]string{"volume.b -> volume.c"}, []string{"volume.a -> volume.b"},
		},
		"what is at the target stays": {
			[]string{"volume.a -> volume.b"}, []string{"volume.a", "volume.b"}, nil, []string{"volume.a -> volume.b"},
		},
		"nobody is told of an implied move that cannot be": {
			[]string{"~volume.a -> volume.a[0]"}, []string{"volume.a", "volume.a[0]"}, nil, nil,
		},
		"what is not recorded moves nothing": {[]string{"volume.a -> volume.b"}, []string{"volume.b"}, nil, nil},
		"one host of a fleet": {
			[]string{`fleet.lab.instance["10.0.0.1"] -> fleet.lab.instance["gpu1"]`},
			[]string{`fleet.lab.instance["10.0.0.1"]`, `fleet.lab.instance["10.0.0.2"]`, `fleet.lab.instance["10.0.0.1"].support["attachment/volume.a"]`},
			[]string{`fleet.lab.instance["10.0.0.1"] -> fleet.lab.instance["gpu1"]`}, nil,
		},
		"an instance that a run brought goes into a fleet": {
			[]string{"task.train.instance[0] -> fleet.gpus.instance[3]"},
			[]string{"task.train.instance[0]", "task.train.job[0]"},
			[]string{"task.train.instance[0] -> fleet.gpus.instance[3]"}, nil,
		},
		"what is said of a part counts before what is said of the whole": {
			[]string{"fleet.a -> fleet.b", "fleet.a.instance[1] -> fleet.c.instance[0]"},
			[]string{"fleet.a.instance[0]", "fleet.a.instance[1]"},
			[]string{"fleet.a -> fleet.b", "fleet.a.instance[1] -> fleet.c.instance[0]"}, nil,
		},
		"a part goes on with where it went": {
			[]string{"fleet.b -> fleet.c", "fleet.a.instance[1] -> fleet.b.instance[7]"},
			[]string{"fleet.a.instance[0]", "fleet.a.instance[1]"},
			[]string{"fleet.a.instance[1] -> fleet.c.instance[7]"}, nil,
		},
		"a module with all its repetitions": {
			[]string{"module.a -> module.b"},
			[]string{`module.a["x"].volume.d`, `module.a["y"].module.in[0].fleet.f.instance[0]`, "module.ab.volume.d"},
			[]string{`module.a["x"].volume.d -> module.b["x"].volume.d`, `module.a["y"].module.in[0].fleet.f -> module.b["y"].module.in[0].fleet.f`}, nil,
		},
		"one repetition of a module": {
			[]string{`module.a -> module.a["x"]`},
			[]string{"module.a.volume.d", `module.a["y"].volume.d`},
			[]string{`module.a.volume.d -> module.a["x"].volume.d`}, nil,
		},
		"into a module, and out of one": {
			[]string{"volume.in -> module.m.volume.in", `module.m["k"].volume.out -> volume.out`},
			[]string{"volume.in", `module.m["k"].volume.out`},
			[]string{`module.m["k"].volume.out -> volume.out`, "volume.in -> module.m.volume.in"}, nil,
		},
		"out of a module that moves itself": {
			[]string{"module.a -> module.b", "module.a.volume.x -> volume.x"},
			[]string{"module.a.volume.x", "module.a.volume.y"},
			[]string{"module.a.volume.x -> volume.x", "module.a.volume.y -> module.b.volume.y"}, nil,
		},
		"what a module says of itself counts in each of its repetitions, also after it moved": {
			[]string{"module.b: volume.x -> volume.y", "module.a -> module.b"},
			[]string{`module.a["1"].volume.x`, `module.a["2"].volume.x`, "volume.x"},
			[]string{`module.a["1"].volume.x -> module.b["1"].volume.y`, `module.a["2"].volume.x -> module.b["2"].volume.y`}, nil,
		},
		"a module moves into another": {
			[]string{"module.a -> module.up.module.a"},
			[]string{"module.a[0].volume.x"},
			[]string{"module.a[0].volume.x -> module.up.module.a[0].volume.x"}, nil,
		},
		"support objects of a backend stay": {
			[]string{"fleet.a -> fleet.b"}, []string{`backend.aws.support["security-group/us"]`, "fleet.a.instance[0]"}, []string{"fleet.a -> fleet.b"}, nil,
		},
		"a run of which only history is left": {[]string{"task.a -> task.b"}, []string{"task.a"}, []string{"task.a -> task.b"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			moves, blocked := Resolve(statements(t, tc.statements...), resources(t, tc.recorded...))
			var got, stuck []string
			for _, m := range moves {
				got = append(got, m.From.String()+" -> "+m.To.String())
				require.NotEmpty(t, m.By, "every move says why")
			}
			for _, b := range blocked {
				stuck = append(stuck, b.From.String()+" -> "+b.To.String())
			}
			require.Empty(t, cmp.Diff(tc.want, got))
			require.Empty(t, cmp.Diff(tc.blocked, stuck))
		})
	}
}

func TestAMoveSaysBecauseOfWhat(t *testing.T) {
	moves, _ := Resolve(statements(t, "volume.b -> volume.c", "volume.a -> volume.b"), resources(t, "volume.a"))
	require.Len(t, moves, 1)
	require.Equal(t, []int{1, 0}, moves[0].By)
}
