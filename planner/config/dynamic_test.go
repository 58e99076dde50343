package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/schema"
)

// decodeText evaluates one block of a file that loads.
func decodeText(t *testing.T, name, text, address string, scope Scope) *Decoded {
	t.Helper()
	c, list := Load(t.Context(), LoadOptions{Sources: []Source{{Path: name, Text: []byte(text)}}})
	require.Empty(t, rendered(list))
	all := decode(t, c, address, scope)
	require.Len(t, all, 1)
	return all[0]
}

// hosts lists hostname, blocks and the hostname of the proxy of each host.
func hosts(t *testing.T, v cty.Value) [][3]string {
	t.Helper()
	text := func(v cty.Value) string {
		if v, _ = v.Unmark(); v.IsNull() || !v.IsKnown() {
			return ""
		}
		return v.AsString()
	}
	var out [][3]string
	list, _ := v.GetAttr("ssh").GetAttr("host").Unmark()
	for _, h := range list.AsValueSlice() {
		row := [3]string{text(h.GetAttr("hostname")), text(h.GetAttr("blocks"))}
		if p := h.GetAttr("proxy_jump"); !p.IsNull() {
			row[2] = text(p.GetAttr("hostname"))
		}
		out = append(out, row)
	}
	return out
}

func TestDynamicBlocks(t *testing.T) {
	fleet := func(inner string) string {
		return "fleet \"lab\" {\n  ssh {\n    user = \"ubuntu\"\n    identity_file = \"~/.ssh/id\"\n" + inner + "\n  }\n}\n"
	}
	for name, tt := range map[string]struct {
		text string
		want [][3]string
	}{
		"a set: key and value are the element": {
			fleet(`dynamic "host" {
        for_each = toset(["b", "a"])
        content {
          hostname = "${host.key}-${host.value}"
        }
      }`), [][3]string{{"a-a"}, {"b-b"}},
		},
		"a list: in its order, with duplicates where they are none in the end": {
			fleet(`dynamic "host" {
        for_each = ["x", "x"]
        content {
          hostname = "${host.value}${host.key}"
        }
      }`), [][3]string{{"x0"}, {"x1"}},
		},
		"a map, with an iterator of another name": {
			fleet(`dynamic "host" {
        for_each = { one = 2, two = 4 }
        iterator = it
        content {
          hostname = it.key
          blocks   = it.value
        }
      }`), [][3]string{{"one", "2"}, {"two", "4"}},
		},
		"written and dynamic ones stand in the order of writing": {
			fleet(`host { hostname = "first" }
      dynamic "host" {
        for_each = ["second"]
        content { hostname = host.value }
      }
      host { hostname = "third" }`), [][3]string{{"first"}, {"second"}, {"third"}},
		},
		"dynamic in dynamic: the outer iterator is seen inside, also in for_each": {
			fleet(`dynamic "host" {
        for_each = [{ name = "a", via = null }, { name = "b", via = "head" }]
        content {
          hostname = host.value.name
          dynamic "proxy_jump" {
            for_each = host.value.via == null ? [] : [host.value.via]
            content {
              hostname      = "${proxy_jump.value}.for.${host.value.name}"
              user          = "ubuntu"
              identity_file = "~/.ssh/head"
            }
          }
        }
      }`), [][3]string{{"a"}, {"b", "", "head.for.b"}},
		},
		"an iterator may have the name of a kind of block": {
			fleet(`dynamic "host" {
        for_each = ["a"]
        iterator = volume
        content { hostname = volume.value }
      }`), [][3]string{{"a"}},
		},
		"for_each and each of the block around it": {
			`fleet "lab" {
  for_each = { eu = ["a", "b"] }
  ssh {
    user = "ubuntu"
    identity_file = "~/.ssh/id"
    dynamic "host" {
      for_each = each.value
      content { hostname = "${each.key}-${host.value}" }
    }
  }
}`, [][3]string{{"eu-a"}, {"eu-b"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := decodeText(t, "main.dstack.hcl", tt.text, "fleet.lab", nil)
			require.Empty(t, cmp.Diff(tt.want, hosts(t, d.Value)))
		})
	}
}

func TestDynamicBlockOfOneOrNone(t *testing.T) {
	text := func(each string) string {
		return `task "train" {
  commands = ["true"]
  dynamic "resources" {
    for_each = ` + each + `
    content {
      gpu = resources.value
    }
  }
}`
	}
	one := decodeText(t, "main.dstack.hcl", text(`["A100"]`), "task.train", nil)
	require.Equal(t, "A100", one.Value.GetAttr("resources").GetAttr("gpu").AsString())
	none := decodeText(t, "main.dstack.hcl", text(`[]`), "task.train", nil)
	require.True(t, none.Value.GetAttr("resources").IsNull())

	c := load(t, text(`["A100", "L4"]`))
	require.Contains(t, rendered(c.Validate()), "resources stands here at most once, and this makes 2 of it.")
}

func TestDynamicBlockWithUnknownElements(t *testing.T) {
	const text = `volume "data" {
  size = "1GB"
}
fleet "lab" {
  ssh {
    user          = "ubuntu"
    identity_file = "~/.ssh/id"
    host { hostname = "a" }
    dynamic "host" {
      for_each = [volume.data.id]
      content { hostname = host.value }
    }
    dynamic "host" {
      for_each = volume.data.id == "" ? [] : [1, 2]
      content {
        hostname = "x${host.value}"
        blocks   = "many"
      }
    }
  }
}`
	c := load(t, text)
	list := c.Validate()
	require.Len(t, list, 1, "what is wrong in any case is reported")
	require.Equal(t, 17, list[0].Range.Start.Line)

	inst, _, _ := c.Repetition(c.Block(addr.Block{Type: "fleet", Name: "lab"}), nil)
	d, _ := c.Decode(inst[0], nil)
	require.Empty(t, cmp.Diff(cty.UnknownVal(cty.List(schema.Of[schema.SSHHost]().Type())), d.Value.GetAttr("ssh").GetAttr("host"), ctyEqual))

	refs := c.References(c.Block(addr.Block{Type: "fleet", Name: "lab"}))
	require.Len(t, refs, 1)
	require.Equal(t, "volume.data.id", refs[0].Traversal)
}

func TestDynamicBlockWithSensitiveElements(t *testing.T) {
	const text = `variable "tokens" {
  sensitive = true
  default   = { user = "s3cret" }
}
task "train" {
  image = "x"
  dynamic "registry_auth" {
    for_each = var.tokens
    content {
      username = registry_auth.key
      password = registry_auth.value
    }
  }
}`
	d := decodeText(t, "main.dstack.hcl", text, "task.train", nil)
	auth := d.Value.GetAttr("registry_auth")
	require.True(t, auth.GetAttr("username").HasMark(schema.SensitiveMark), "that a key is there is as secret as the map")
	require.True(t, auth.GetAttr("password").HasMark(schema.SensitiveMark))
}

func TestDynamicBlockThatDiffersBetweenJobs(t *testing.T) {
	const text = `task "train" {
  image = "x"
  nodes = 2
  dynamic "registry_auth" {
    for_each = node.rank == 0 ? [] : ["user"]
    content {
      username = "${registry_auth.value}-${node.rank}"
      password = "x"
    }
  }
}`
	d := decodeText(t, "main.dstack.hcl", text, "task.train", nil)
	first, list := d.Job(0, 2, 0)
	require.Empty(t, rendered(list))
	require.True(t, first.GetAttr("registry_auth").IsNull())
	second, list := d.Job(1, 2, 0)
	require.Empty(t, rendered(list))
	require.Equal(t, "user-1", second.GetAttr("registry_auth").GetAttr("username").AsString())
}

func TestOriginOfDynamicBlocks(t *testing.T) {
	const text = `variable "names" { default = ["a", "b"] }
variable "share" { default = 2 }
fleet "lab" {
  ssh {
    user          = "ubuntu"
    identity_file = "~/.ssh/id"
    dynamic "host" {
      for_each = var.names
      content {
        hostname = host.value
        blocks   = var.share
      }
    }
    host { hostname = "last" }
  }
}`
	d := decodeText(t, "main.dstack.hcl", text, "fleet.lab", nil)
	for path, want := range map[string]struct {
		line int
		from []string
	}{
		"ssh.host[1].hostname": {10, []string{"var.names"}},
		"ssh.host[1].blocks":   {11, []string{"var.share"}},
		"ssh.host[1]":          {7, []string{"var.names", "var.share"}},
		"ssh.host[2].hostname": {14, nil},
	} {
		rng, from, ok := d.Origin(path)
		require.True(t, ok, path)
		require.Equal(t, want.line, rng.Start.Line, path)
		require.Equal(t, want.from, from, path)
	}
}

func TestDynamicBlocksInJSON(t *testing.T) {
	const text = `{
  "variable": {"hosts": {"default": [{"name": "a", "via": []}, {"name": "b", "via": ["head"]}]}},
  "fleet": {"lab": {"ssh": {
    "user": "ubuntu", "identity_file": "~/.ssh/id",
    "host": {"hostname": "first"},
    "dynamic": {"host": {
      "for_each": "${var.hosts}",
      "iterator": "it",
      "content": {
        "hostname": "${it.value.name}",
        "dynamic": {"proxy_jump": {
          "for_each": "${it.value.via}",
          "content": {"hostname": "${proxy_jump.value}", "user": "u", "identity_file": "k"}
        }}
      }
    }}
  }}}
}`
	d := decodeText(t, "main.dstack.json", text, "fleet.lab", nil)
	require.Empty(t, cmp.Diff([][3]string{{"first"}, {"a"}, {"b", "", "head"}}, hosts(t, d.Value)))
}
