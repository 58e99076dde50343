package config

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
)

const refactorings = `
volume "data" {
  for_each = toset(["eu", "us"])
  size     = "1GB"
}
variable "disks" {
  type    = map(string)
  default = { eu = "vol-1", us = "vol-2" }
}
moved {
  from = volume.disk[0]
  to   = volume.data["eu"]
}
moved {
  from = fleet.lab.instance["10.0.0.1"]
  to   = fleet.lab.instance["gpu1.lab"]
}
moved {
  from = module.net["a"]
  to   = module.network.module.inner
}
removed {
  from = fleet.old
  lifecycle {
    destroy = false
  }
}
removed {
  from = module.net.gateway.old
}
import {
  for_each = var.disks
  to       = volume.data[each.key]
  id       = each.value
  backend  = "cloud-${each.key}"
}
import {
  to = volume.data["a-${length(var.disks)}"]
  id = "vol-3"
}
backend "cloud-eu" {}
backend "cloud-us" {}
`

const refactoringsJSON = `{
  "variable": {"disks": {"type": "map(string)", "default": {"eu": "vol-1", "us": "vol-2"}}},
  "volume": {"data": {"for_each": "${toset([\"eu\", \"us\"])}", "size": "1GB"}},
  "moved": [
    {"from": "volume.disk[0]", "to": "volume.data[\"eu\"]"},
    {"from": "fleet.lab.instance[\"10.0.0.1\"]", "to": "fleet.lab.instance[\"gpu1.lab\"]"},
    {"from": "module.net[\"a\"]", "to": "module.network.module.inner"}
  ],
  "removed": [
    {"from": "fleet.old", "lifecycle": {"destroy": false}},
    {"from": "module.net.gateway.old"}
  ],
  "import": [
    {"for_each": "${var.disks}", "to": "volume.data[each.key]", "id": "${each.value}", "backend": "cloud-${each.key}"},
    {"to": "volume.data[\"a-${length(var.disks)}\"]", "id": "vol-3"}
  ],
  "backend": {"cloud-eu": {}, "cloud-us": {}}
}`

func TestWhatChangesAddressesIsReadInBothSyntaxes(t *testing.T) {
	want := []string{
		`volume.disk[0] -> volume.data["eu"]`,
		`fleet.lab.instance["10.0.0.1"] -> fleet.lab.instance["gpu1.lab"]`,
		`module.net["a"] -> module.network.module.inner`,
		"fleet.old forgotten",
		"module.net.gateway.old destroyed",
		`volume.data["eu"] is vol-1 on "cloud-eu"`,
		`volume.data["us"] is vol-2 on "cloud-us"`,
		`volume.data["a-2"] is vol-3 on ""`,
	}
	for name, text := range map[string]string{"main.dstack.hcl": refactorings, "main.dstack.json": refactoringsJSON} {
		t.Run(name, func(t *testing.T) {
			c, list := Load(t.Context(), LoadOptions{Sources: []Source{{Path: name, Text: []byte(text)}}})
			require.NoError(t, list.Err())
			require.NoError(t, c.Validate().Err())
			var got []string
			for _, m := range c.Moved() {
				got = append(got, m.From.String()+" -> "+m.To.String())
			}
			for _, r := range c.Removed() {
				got = append(got, r.From.String()+map[bool]string{true: " destroyed", false: " forgotten"}[r.Destroy])
			}
			imports, list := c.Imports()
			require.NoError(t, list.Err())
			for _, i := range imports {
				got = append(got, fmt.Sprintf("%s is %s on %q", i.To, i.ID, i.Backend))
			}
			require.Empty(t, cmp.Diff(want, got))
		})
	}
}

func TestWhereAMoveInAModuleLeads(t *testing.T) {
	subject := func(s string) addr.Subject {
		out, err := addr.ParseSubject(s)
		require.NoError(t, err)
		return out
	}
	m := Moved{Module: "module.a.module.b", From: subject(`module.c["x"].volume.data[0]`), To: subject(`module.d["y"]`)}
	require.Equal(t, addr.Block{Module: "module.a.module.b.module.c", Type: "volume", Name: "data"}, m.called(m.From))
	require.Equal(t, addr.Block{Module: "module.a.module.b", Type: "module", Name: "d"}, m.called(m.To))
}

func TestAMistakeInAnImportIsMarkedWhereItStands(t *testing.T) {
	for name, text := range map[string]string{"main.dstack.hcl": "import {\n  to = volume.data[var.x]\n  id = \"a\"\n}\n", "main.dstack.json": `{"import": {"to": "volume.data[var.x]", "id": "a"}}`} {
		_, list := Load(t.Context(), LoadOptions{Sources: []Source{{Path: name, Text: []byte(text)}}})
		require.Len(t, list, 1)
		require.Equal(t, "Reference to nothing", list[0].Summary)
		at := list[0].Range
		require.Equal(t, "var.x", text[at.Start.Byte:at.End.Byte])
		require.Equal(t, diag.Error, list[0].Severity)
	}
}
