package console

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/config"
)

const text = `
variable "size" {
  default = "1GB"
}
variable "secret" {
  default   = { inner = "hush" }
  sensitive = true
}
variable "sites" {
  type    = map(string)
  default = { "eu west" = "a", us = "b" }
}
locals {
  double = "${var.size}${var.size}"
}
fleet "lab" {
  nodes = 1
}
volume "data" {
  size = var.size
}
volume "more" {
  count = 2
  size  = var.size
}
check "never" {
  assert {
    condition     = var.size != ""
    error_message = "Empty."
  }
}
task "train" {
  fleet    = fleet.lab
  commands = ["x"]
}
`

type fixed map[addr.Block]cty.Value

func (f fixed) Value(b addr.Block) (cty.Value, bool) {
	v, ok := f[b]
	return v, ok
}

func session(t *testing.T) *Session {
	t.Helper()
	c, list := config.Load(t.Context(), config.LoadOptions{Sources: []config.Source{{Path: "main.dstack.hcl", Text: []byte(text)}}})
	require.NoError(t, list.Err())
	return New(c, fixed{{Type: "fleet", Name: "lab"}: cty.ObjectVal(map[string]cty.Value{
		"address":  cty.StringVal("fleet.lab"),
		"instance": cty.ObjectVal(map[string]cty.Value{"10.0.0.11": cty.ObjectVal(map[string]cty.Value{"type": cty.StringVal("x")})}),
	})})
}

func TestPlacesAreThoseOfWhatWasRead(t *testing.T) {
	s := session(t)
	v, list := s.Evaluate(7, "local.double")
	require.NoError(t, list.Err())
	require.Equal(t, `"1GB1GB"`, Print(v))
	_, list = s.Evaluate(7, "[\n  1,\n  var.sise]")
	require.Len(t, list, 1)
	require.Equal(t, "<console>:9", list[0].Range.String())
	require.Equal(t, 9, list[0].Snippet.StartLine)
	require.Equal(t, "  var.sise]", list[0].Snippet.Code)
}

func TestWhatGoesOn(t *testing.T) {
	for text, want := range map[string]bool{
		"":                          false,
		"1":                         false,
		"1 +":                       true,
		"1 + # why":                 true,
		"(":                         true,
		"[1,":                       true,
		"[1,\n2":                    true,
		"[1,\n2]":                   false,
		"{ a = [":                   true,
		"max(1,":                    true,
		"<<EOT":                     true,
		"<<EOT\na":                  true,
		"<<EOT\na\n":                true,
		"<<EOT\na\nEOT":             false,
		"upper(<<EOT\na\nEOT":       true,
		"upper(<<EOT\na\nEOT\n)":    false,
		`"a`:                        false,
		`"a ${`:                     true,
		`"a ${[1,`:                  true,
		`"a ${1}`:                   false,
		`"%{ if true`:               true,
		`"%{ if true }a%{ endif }"`: false,
		")":                         false,
		"(]":                        false,
		"var.x ?":                   true,
		"var.x ? 1 :":               true,
		"[for x in":                 true,
		"<<EOT\n${[\n":              true,
		"/* a":                      false,
		"# (":                       false,
	} {
		require.Equalf(t, want, Continues(text), "%q", text)
	}
}

func TestBlank(t *testing.T) {
	for text, want := range map[string]bool{"": true, "  ": true, "# why": true, "/* a */ ": true, "1 # why": false, `""`: false, "?": false} {
		require.Equalf(t, want, Blank(text), "%q", text)
	}
}

func TestComplete(t *testing.T) {
	s := session(t)
	for name, tc := range map[string]struct {
		text string
		from int
		want []string
	}{
		"a function":                        {"1 + upp", 4, []string{"upper("}},
		"a root":                            {"va", 0, []string{"values(", "var"}},
		"a type of blocks":                  {"[vol", 1, []string{"volume"}},
		"a variable":                        {"upper(var.s", 10, []string{"secret", "sites", "size"}},
		"a local":                           {"local.", 6, []string{"double"}},
		"path":                              {"path.m", 5, []string{"module"}},
		"a block":                           {"volume.d", 7, []string{"data"}},
		"what has no value":                 {"check.", 6, nil},
		"an attribute of what is recorded":  {"fleet.lab.", 10, []string{"address", "instance"}},
		"an attribute of what will be":      {"volume.data.siz", 12, []string{"size"}},
		"of a repetition":                   {"volume.more[0].siz", 15, []string{"size"}},
		"not without its number":            {"volume.more.siz", 12, nil},
		"of a run":                          {"task.train.j", 11, []string{"job"}},
		"of its job":                        {"task.train.job[0].exit_c", 18, []string{"exit_code"}},
		"a key that is no name":             {`fleet.lab.instance["10.0`, 20, []string{`10.0.0.11"]`}},
		"any key":                           {`fleet.lab.instance["`, 20, []string{`10.0.0.11"]`}},
		"behind a key":                      {`fleet.lab.instance["10.0.0.11"].t`, 32, []string{"type"}},
		"a key of a variable":               {`var.sites["e`, 11, []string{`eu west"]`}},
		"names among the keys":              {`var.sites.`, 10, []string{"us"}},
		"in a template":                     {`"a ${var.si`, 9, []string{"sites", "size"}},
		"in a text nothing":                 {`"a var.si`, 9, nil},
		"behind a template nothing":         {`"${var.size}va`, 14, nil},
		"a list of a text is no key":        {`["si`, 4, nil},
		"in a comment nothing":              {`1 # va`, 6, nil},
		"in a heredoc nothing":              {"<<EOT\nva", 8, nil},
		"in a number nothing":               {"12", 0, nil},
		"what is sensitive keeps its names": {"var.secret.", 11, nil},
		"what is no value":                  {"1.", 2, nil},
		"behind a call nothing":             {"upper(1).", 9, nil},
		"what does not exist":               {"volume.nope.", 12, nil},
		"a bracket without its other":       {"].", 2, nil},
	} {
		t.Run(name, func(t *testing.T) {
			from, got := s.Complete(tc.text)
			if len(got) == 0 {
				got = nil
			}
			require.Empty(t, cmp.Diff(tc.want, got))
			if got != nil {
				require.Equal(t, tc.from, from)
			}
			require.True(t, slices.IsSorted(got))
		})
	}
	_, all := s.Complete("")
	for _, w := range []string{"var", "local", "path", "volume", "task", "true", "null", "max(", "type("} {
		require.Contains(t, all, w)
	}
	require.NotContains(t, all, "output")
	require.NotContains(t, all, "check")
}

func TestCommon(t *testing.T) {
	require.Equal(t, "si", Common([]string{"sites", "size"}))
	require.Equal(t, "", Common([]string{"a", "b"}))
	require.Equal(t, "", Common(nil))
	require.Equal(t, "gr", Common([]string{"grö", "grü"}), "no half of a rune")
}

func FuzzComplete(f *testing.F) {
	for _, s := range []string{"", "va", `volume.more[0].siz`, `a["`, `"${[`, "<<E\n", "].].[", "a[\"\xff", "volume.data[[]].x."} {
		f.Add(s)
	}
	c, _ := config.Load(f.Context(), config.LoadOptions{Sources: []config.Source{{Path: "main.dstack.hcl", Text: []byte(text)}}})
	s := New(c, nil)
	f.Fuzz(func(t *testing.T, text string) {
		from, words := s.Complete(text)
		if from < 0 || from > len(text) {
			t.Fatalf("%d is outside of %q", from, text)
		}
		for _, w := range words {
			if len(w) < len(text)-from || w[:len(text)-from] != text[from:] {
				t.Fatalf("%q does not begin with %q", w, text[from:])
			}
		}
		Continues(text)
		Blank(text)
	})
}
