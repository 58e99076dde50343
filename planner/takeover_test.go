package planner_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/statefile"
)

// several is a configuration with everything that can be taken over, in several repetitions.
const several = `
fleet "lab" {
  nodes         = 2
  regions       = ["us-east-1"]
  idle_duration = "1h"
  spot_policy   = "auto"
  resources {
    gpu    = "A100:40GB:8"
    memory = "64GB.."
  }
}
fleet "small" {
  for_each = { eu = "eu-west-1", us = "us-east-1" }
  nodes    = 1
  name     = "tiny-${each.key}"
  regions  = [each.value]
  blocks   = 2
}
volume "data" {
  count  = 3
  region = "us-east-1"
  size   = "${100 + count.index}GB"
}
volume "each" {
  for_each = { a = "10GB", b-c = "20GB" }
  name     = "x-${each.key}"
  region   = "us-east-1"
  size     = each.value
}
volume "one" {
  region = "eu-west-1"
  size   = "1TB"
}
gateway "public" {
  name    = "front-door"
  region  = "us-east-1"
  domain  = "*.x.example"
  default = true
  certificate {
    type = "lets-encrypt"
  }
}
`

func drafted(t *testing.T, l *life, hcl string) (planner.Draft, diag.List) {
	t.Helper()
	return l.planner(hcl).Draft(t.Context(), l.mustState(), "imported.dstack.hcl", 4)
}

func TestBlocksAreWrittenForWhatIsThere(t *testing.T) {
	l, there := lost(t, several)
	imports := ""
	for _, address := range slices.Sorted(maps.Keys(there)) {
		imports += takes(address, there[address].ID)
	}
	d, diags := drafted(t, l, imports)
	require.Empty(t, diags)
	require.Len(t, d.Blocks, 6)
	p := l.plan(string(d.Text) + imports)
	require.Equal(t, plan.Summary{Import: len(there), Support: p.Summary.Support}, p.Summary, "%s\n%v", d.Text, diffs(p))
	for _, c := range p.Changes {
		require.True(t, c.Import == nil || c.Action == plan.NoOp, "%s differs: %s\n%s", c.Address, c.Reason, d.Text)
	}
	l.apply(string(d.Text) + imports)

	d, diags = drafted(t, l, string(d.Text)+imports)
	require.Empty(t, diags)
	require.Empty(t, d.Blocks, "each import has its block")
	d, diags = drafted(t, l, imports)
	require.Empty(t, diags)
	require.Empty(t, d.Blocks, "what is recorded is not imported any more")
}

func TestBlocksThatCannotBeWritten(t *testing.T) {
	l, there := lost(t, found)
	_, diags := l.take(found, "volume.data[1]", there["volume.data[1]"].ID)
	require.NoError(t, diags.Err())
	for name, tc := range map[string]struct{ hcl, summary string }{
		"it is recorded already":   {"volume \"data\" {\n  count  = 2\n  region = \"us-east-1\"\n  size   = \"100GB\"\n}\n" + takes("volume.x", there["volume.data[1]"].ID), "It is recorded already"},
		"nothing is there":         {takes("volume.x", "vol-404"), "Nothing is there to import"},
		"the backend is not said":  {"backend \"two\" {\n  provider = \"fake\"\n}\n" + takes("volume.x", there["volume.data[0]"].ID), "Backend is not said"},
		"an instance of a run":     {takes("task.x.instance[0]", there["fleet.lab.instance[0]"].ID), "Run has to be written"},
		"a number is missing":      {takes("volume.x[1]", there["volume.data[0]"].ID), "Count has a gap"},
		"the import is wrong":      {takes("volume.x[1]", there["volume.data[0]"].ID) + takes("volume.x[1]", there["volume.data[1]"].ID), "Two imports to one address"},
		"what is there is no disk": {takes("volume.x", there["gateway.public"].ID), "Nothing is there to import"},
	} {
		t.Run(name, func(t *testing.T) {
			d, diags := drafted(t, l, tc.hcl)
			require.True(t, diags.HasErrors())
			require.Equal(t, tc.summary, diags[0].Summary)
			require.NotNil(t, diags[0].Range)
			require.Empty(t, d.Blocks)
		})
	}
}

// take is what the command import does.
func (l *life) take(hcl, to, id string) (planner.Taken, diag.List) {
	l.t.Helper()
	r, err := addr.ParseResource(to)
	require.NoError(l.t, err)
	s, err := l.store.Lock(l.t.Context(), statefile.NewHolder("import", "ana", "laptop", 1, l.now, func(string) string { return "" }))
	require.NoError(l.t, err)
	defer func() { require.NoError(l.t, s.Close(context.Background())) }()
	taken, diags := l.planner(hcl).ImportRecorded(l.t.Context(), s.State(), config.Import{To: r, ID: id}, false, statefile.Changed{At: l.now, By: "ana"})
	if diags.HasErrors() {
		return taken, diags
	}
	require.NoError(l.t, s.Append(l.t.Context(), statefile.NewBackend(l.now, taken.Resource.Backend, taken.Backend), statefile.NewPut(l.now, taken.Resource, "")))
	return taken, diags
}

func TestOneThingIsTakenOverByHand(t *testing.T) {
	l, there := lost(t, found)
	for _, address := range slices.Sorted(maps.Keys(there)) {
		taken, diags := l.take(found, address, there[address].ID)
		require.NoError(t, diags.Err())
		require.Equal(t, "Another state has made it", diags[0].Summary)
		require.Equal(t, there[address].ID, taken.Resource.ID)
		require.Equal(t, there[address].Key, taken.Resource.Key)
		require.Equal(t, "main.dstack.hcl", taken.Resource.Declared.File)
	}
	for _, o := range l.objects("instance", "volume", "gateway") {
		require.Equal(t, l.mustState().Lineage(), o.Lineage)
	}
	p := l.plan(found)
	require.Empty(t, withoutSupport(actions(p)), diffs(p))
	l.apply(found) // what stands beside the machine is made again
	l.still(found)
	require.Len(t, l.objects("instance", "volume", "gateway"), 4)
}

func TestWhatCannotBeTakenOverByHand(t *testing.T) {
	l, there := lost(t, found)
	data := there["volume.data[0]"].ID
	_, diags := l.take(found, "volume.data[0]", data)
	require.NoError(t, diags.Err())
	for name, tc := range map[string]struct{ to, id, summary, detail string }{
		"something is recorded there":   {"volume.data[0]", there["volume.data[1]"].ID, "Something is recorded there", "dstack state rm 'volume.data[0]'"},
		"it is recorded elsewhere":      {"volume.data[1]", data, "It is recorded already", "dstack state mv 'volume.data[0]' 'volume.data[1]'"},
		"nothing is there":              {"volume.data[1]", "vol-404", "Nothing is there to import", "The id of a volume on backend \"cloud\" is"},
		"the block has no such key":     {"volume.data[7]", there["volume.data[1]"].ID, "There is no block for it", "It has volume.data[0], volume.data[1]."},
		"there is no block":             {"volume.nix", there["volume.data[1]"].ID, "There is no block for it", "  volume \"nix\" {\n    name   = \"data-1\"\n    region = \"us-east-1\"\n    size   = \"100GB\"\n  }"},
		"there is none and cannot be":   {"task.nix.instance[0]", there["fleet.lab.instance[0]"].ID, "Run has to be written", "fleet.nix.instance[0]"},
		"there is neither block nor it": {"volume.nix", "vol-404", "Nothing is there to import", "vol-404"},
	} {
		t.Run(name, func(t *testing.T) {
			before := l.mustState().Head()
			_, diags := l.take(found, tc.to, tc.id)
			require.True(t, diags.HasErrors())
			require.Equal(t, tc.summary, diags.Errors()[0].Summary)
			require.Contains(t, diags.Errors()[0].Detail, tc.detail)
			require.True(t, before != "" && len(l.mustState().Resources()) == 1)
		})
	}
}

func TestAnImportByHandThatWasCutOff(t *testing.T) {
	l, there := lost(t, found)
	for _, fault := range []string{`[{"fault":"lost","op":"adopt","times":1}]`, `[{"fault":"transient","op":"locate","times":1}]`, `[{"fault":"auth","op":"adopt","times":1}]`} {
		l.fault = fault
		_, diags := l.take(found, "gateway.public", there["gateway.public"].ID)
		require.True(t, diags.HasErrors(), fault)
		require.Equal(t, "Import failed", diags.Errors()[0].Summary)
		require.True(t, strings.HasPrefix(diags.Errors()[0].Address, "gateway.public"))
		require.Nil(t, l.mustState().Resource("gateway.public"))
	}
	l.fault = ""
	_, diags := l.take(found, "gateway.public", there["gateway.public"].ID)
	require.NoError(t, diags.Err())
	require.Len(t, l.objects("gateway"), 1)
}
