package addr

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlainReadsNothingOtherwiseThanHCL(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		plain bool
	}{
		"a block":                     {"fleet.train", true},
		"a number":                    {"volume.data[1]", true},
		"nought":                      {"volume.data[0]", true},
		"a quoted key":                {`fleet.lab.instance["10.0.0.11"]`, true},
		"an empty quoted key":         {`volume.data[""]`, true},
		"a bracket in a quoted key":   {`volume.data["a]b"]`, true},
		"modules":                     {`module.eu["a"].module.net.task.x[2].job[0]`, true},
		"support":                     {`fleet.t.instance[1].support["attachment/volume.data[1]"]`, true},
		"names with - and _":          {"dev_environment._a-b-", true},
		"a word of the language":      {"true.null[0]", true},
		"a key of a module":           {"module[0].a.b.c", true},
		"one name":                    {"fleet", true},
		"no part of a block":          {"fleet.a.what[0]", true},
		"nothing":                     {"", false},
		"a leading zero":              {"volume.data[01]", false},
		"a number of ten digits":      {"volume.data[1000000000]", false},
		"a negative number":           {"volume.data[-1]", false},
		"a fraction":                  {"volume.data[1.5]", false},
		"an escape":                   {`volume.data["a\"b"]`, false},
		"a template":                  {`volume.data["${x}"]`, false},
		"an escaped template":         {`volume.data["$${x}"]`, false},
		"a letter outside ASCII":      {`volume.dätä`, false},
		"a key outside ASCII":         {`volume.data["é"]`, false},
		"a space":                     {"volume . data", false},
		"a space in brackets":         {"volume.data[ 1 ]", false},
		"two keys":                    {"volume.data[0][1]", false},
		"no name":                     {"volume.", false},
		"a name that starts with one": {"volume.1a", false},
		"a number as a part":          {"volume.data.0", false},
		"a splat":                     {"volume.data[*]", false},
		"an open bracket":             {"volume.data[", false},
		"an open number":              {"volume.data[1", false},
		"an open quote":               {`volume.data["a`, false},
		"no closing bracket":          {`volume.data["a"`, false},
		"something else for it":       {`volume.data["a")`, false},
		"empty brackets":              {"volume.data[]", false},
		"something behind":            {"volume.data[0]x", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, ok := plainSteps(tc.text)
			require.Equal(t, tc.plain, ok)
			sameAsHCL(t, tc.text)
		})
	}
}

// asHCL reads an address with HCL's own scanner.
func asHCL(s string) (Resource, error) {
	steps, err := stepsHCL(s)
	if err != nil {
		return Resource{}, err
	}
	return fromSteps(s, steps)
}

// sameAsHCL fails when an address means one thing to the quick reader and another to HCL.
func sameAsHCL(t *testing.T, s string) {
	t.Helper()
	got, gotErr := parse(s)
	want, wantErr := asHCL(s)
	require.Equal(t, wantErr, gotErr)
	require.Equal(t, want, got)
}

func FuzzPlain(f *testing.F) {
	for _, s := range []string{`volume.data[1]`, `module.eu["a"].task.x.job[0]`, `fleet.t.instance["10.0.0.1"].support["a/b"]`, `a.b["$${x}"]`, `a.b[00]`, `a.b["%{"]`, "a.b\n", `a.b["` + "\t" + `"]`} {
		f.Add(s)
	}
	f.Fuzz(sameAsHCL)
}

func BenchmarkParse(b *testing.B) {
	for name, s := range map[string]string{"plain": `module.eu.fleet.train["a"].instance[12]`, "not plain": `module.eu.fleet.träin["a"].instance[12]`} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseAny(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
