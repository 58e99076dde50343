package render

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/internal/golden"
)

func at(file string, line int) *diag.Range {
	return &diag.Range{Filename: file, Start: diag.Pos{Line: line, Column: 1}, End: diag.Pos{Line: line, Column: 2}}
}

func TestAnAddressIsNotSaidTwice(t *testing.T) {
	d := diag.Diagnostic{
		Severity: diag.Error, Summary: "Memory has an unknown unit", Detail: "x.", Address: "volume.data",
		Range: at("main.dstack.hcl", 2), Snippet: &diag.Snippet{Context: `in volume "data"`, Code: `size = "1XB"`, StartLine: 2, Start: 8, End: 11},
	}
	require.NotContains(t, Diagnostics(diag.List{&d}, Options{}), "for volume.data")
	d.Address = `volume.data["eu"]`
	require.Contains(t, Diagnostics(diag.List{&d}, Options{}), `for volume.data["eu"]:`)
}

func TestDiagnostics(t *testing.T) {
	code := `    memory = "16XB"`
	for name, list := range map[string]diag.List{
		"grammar": {{
			Severity: diag.Error, Summary: "Memory has an unknown unit", Range: at("main.dstack.hcl", 14),
			Detail:  `"XB" is not a unit. Memory is a number of GB, or a number with MB, GB or TB, or a range of them ("16GB..", "8GB..32GB").`,
			Snippet: &diag.Snippet{Context: `in fleet "train", resources`, Code: code, StartLine: 14, Start: strings.Index(code, `"`), End: len(code)},
		}},
		"no-offer": {{
			Severity: diag.Error, Summary: "No offer fits fleet.train", Address: "fleet.train", Range: at("main.dstack.hcl", 12),
			Detail:  "2 nodes are needed with 8 x A100 80GB for at most $30.00/h each, in one region. Closest:\n  aws us-east-1  p4de.24xlarge  $40.97/h  over max_price by $10.97\n  gcp            not asked: credentials expired 2 d ago\nRaise max_price to 41, or allow spot (lowest $12.55/h).",
			Snippet: &diag.Snippet{Context: `in fleet "train"`, Code: `fleet "train" {`, StartLine: 12},
		}},
		"values": {{
			Severity: diag.Error, Summary: "Index is out of range", Range: at("a.dstack.hcl", 9), Detail: "volume.data has 2 instances.",
			Snippet: &diag.Snippet{Code: "\tx = [\n\t\tvolume.data[var.n],\n\t]\n", StartLine: 9, Start: 9, End: 27, Values: []diag.Value{{Traversal: "var.n", Statement: "is 4"}}},
		}},
		"many-of-one": {
			{Severity: diag.Error, Summary: "Precondition failed", Detail: "Too small.", Address: "volume.data[0]", Range: at("a.dstack.hcl", 3)},
			{Severity: diag.Warning, Summary: "Backend could not be asked", Detail: "aws: no credentials. What it offers is left out.\n\nTo log in:\n  aws sso login"},
			{Severity: diag.Error, Summary: "Precondition failed", Detail: "Too small.", Address: "volume.data[1]", Range: at("a.dstack.hcl", 3)},
		},
		"hostile": {{
			Severity: diag.Error, Summary: "Bad\x1b[2J\nError: other", Detail: "x\x07y\n\u202ez\nNo changes.", Range: at("a\n.hcl", 1), Address: "volume.\nx",
			Snippet: &diag.Snippet{Code: "日本 = \x1b[31m\"é\"", StartLine: 1, Start: 9, End: 18, Context: "in \r"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Diagnostics(list, Options{})
			golden.Assert(t, "testdata/diagnostic/"+name+".golden", got)
			require.Equal(t, got, stripColor(Diagnostics(list, Options{Color: true})))
		})
	}
}

func TestMarkOutsideTheSnippetIsNoPanic(t *testing.T) {
	for _, s := range []diag.Snippet{{Code: "abc", Start: 5, End: 9}, {Code: "abc", Start: -3, End: 2}, {Code: "", Start: 0, End: 1}, {Code: "abc", Start: 2, End: 1}, {Code: "é", Start: 1, End: 2}} {
		s.StartLine = 1
		require.NotEmpty(t, Diagnostics(diag.List{{Severity: diag.Error, Summary: "x", Detail: "y", Range: at("a", 1), Snippet: &s}}, Options{}))
	}
}
