package addr

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestParsePrintsTheSame(t *testing.T) {
	for s, kind := range map[string]string{
		`volume.data`:                                    KindVolume,
		`volume.data[1]`:                                 KindVolume,
		`gateway.public`:                                 KindGateway,
		`fleet.train.instance[0]`:                        KindInstance,
		`fleet.train["eu"].instance[12]`:                 KindInstance,
		`fleet.lab.instance["10.0.0.11"]`:                KindInstance,
		`task.finetune.job[1]`:                           KindJob,
		`module.eu.volume.data[1]`:                       KindVolume,
		`module.eu["a"].module.net.task.x.job[0]`:        KindJob,
		`fleet.train.support["placement-group"]`:         KindSupport,
		`backend.aws.support["security-group/us-1"]`:     KindSupport,
		`service.llama.support["route/0"]`:               KindSupport,
		`volume.odd["a\"b$${c}%%{d}é\n"]`:                KindVolume,
		`fleet.t.instance[1].support["attachment/v[0]"]`: KindSupport,
	} {
		t.Run(s, func(t *testing.T) {
			r, err := ParseResource(s)
			require.NoError(t, err)
			require.Equal(t, s, r.String())
			require.Equal(t, kind, r.Kind())
		})
	}
}

// A block with two labels is called by both.
func TestDataIsCalledByKindAndName(t *testing.T) {
	for _, s := range []string{"data.offers.cheap", `data.offers.cheap["eu"]`, "module.net.data.offers.cheap[2]"} {
		a, err := ParseInstance(s)
		require.NoError(t, err, s)
		require.Equal(t, s, a.String())
		require.Equal(t, "data", a.Type)
		require.Equal(t, "offers.cheap", a.Name)
	}
	for _, s := range []string{"data.offers", `data.offers["x"].cheap`, "data.offers.cheap.first"} {
		_, err := ParseInstance(s)
		require.Error(t, err, s)
	}
}

func TestParseRefusesWhatIsNoAddress(t *testing.T) {
	for name, tc := range map[string]struct{ text, why string }{
		"a block is no resource":     {`fleet.train`, "it names a block"},
		"a word alone":               {`fleet`, "a type and a name are needed"},
		"key before the name":        {`fleet[0].train.instance[0]`, "a key comes after the name"},
		"splat":                      {`fleet.train.instance[*]`, "Splat"},
		"instance without number":    {`fleet.train.instance`, "no part of a block"},
		"job with a string":          {`task.x.job["a"]`, "no part of a block"},
		"negative":                   {`task.x.job[-1]`, ""},
		"fraction":                   {`task.x.job[1.5]`, "whole number"},
		"two keys":                   {`volume.data[0][1]`, "two keys"},
		"support of support":         {`volume.d.support["a"].support["b"]`, "no part of a block"},
		"instance after a job":       {`task.x.job[0].instance[0]`, "no part of a block"},
		"empty":                      {``, ""},
		"junk after":                 {`volume.data foo`, ""},
		"module with a key too soon": {`module[0].x.volume.data`, "takes a name first"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseResource(tc.text)
			var pe *ParseError
			require.ErrorAs(t, err, &pe)
			require.Contains(t, pe.Why, tc.why)
		})
	}
}

func TestOrderIsByNumberNotByText(t *testing.T) {
	b := Block{Type: "fleet", Name: "a"}.Instance(NoKey)
	got := []Resource{b.Job(2), b.Machine(Int(10)), b.Machine(Int(9)).Support("x"), b.Machine(Int(9)), b.Self().Support("pg")}
	slices.SortFunc(got, Resource.Compare)
	var texts []string
	for _, r := range got {
		texts = append(texts, r.String())
	}
	want := []string{`fleet.a.support["pg"]`, `fleet.a.instance[9]`, `fleet.a.instance[9].support["x"]`, `fleet.a.instance[10]`, `fleet.a.job[2]`}
	require.Empty(t, cmp.Diff(want, texts))
}

func TestSupportBelongsToItsOwner(t *testing.T) {
	s := MustParse(`fleet.train.instance[1].support["attachment/volume.data[1]"]`)
	require.Equal(t, MustParse(`fleet.train.instance[1]`), s.Owner())
	require.Equal(t, "attachment/volume.data[1]", s.SupportName())
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`volume.data[1]`, `module.eu["a"].task.x.job[0]`, `fleet.t.instance["é"].support["a/b"]`, `a.b["$${x}"]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseAny(s)
		if err != nil {
			return
		}
		again, err := ParseAny(r.String())
		require.NoError(t, err, r.String())
		require.Equal(t, r, again)
	})
}
