package jsontwin

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOf(t *testing.T) {
	got, err := Of("main.dstack.hcl", []byte(`
volume "data" {
  count      = 2
  size       = var.size
  depends_on = [fleet.lab, volume.other[0]]
  lifecycle {
    ignore_changes = all
  }
}
volume "more" {
  name = "a-${count.index}$${x}"
  tags = { a = 1, "b" = null, c = [true, upper("x")] }
}
fleet "lab" {
  ssh {
    host { hostname = "a" }
    host { hostname = "b" }
  }
}
variable "x" {
  type = list(string)
}
`))
	require.NoError(t, err)
	require.JSONEq(t, `{
  "volume": {
    "data": {"count": 2, "size": "${var.size}", "depends_on": ["fleet.lab", "volume.other[0]"], "lifecycle": {"ignore_changes": "all"}},
    "more": {"name": "a-${count.index}$${x}", "tags": {"a": 1, "b": null, "c": [true, "${upper(\"x\")}"]}}
  },
  "fleet": {"lab": {"ssh": {"host": [{"hostname": "a"}, {"hostname": "b"}]}}},
  "variable": {"x": {"type": "list(string)"}}
}`, string(got))
	_, err = Of("main.dstack.hcl", []byte("x = "))
	require.Error(t, err)
}
