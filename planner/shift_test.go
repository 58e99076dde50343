package planner_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/diag"
)

func TestTakingOneOutOfTheMiddle(t *testing.T) {
	elements := func(leaveOut int) string {
		var out []string
		for i := range 10 {
			if i != leaveOut {
				out = append(out, fmt.Sprintf("\"disk-%c%c\"", 'a'+i, 'a'+i))
			}
		}
		return "locals {\n  disks = [" + strings.Join(out, ", ") + "]\n}\n"
	}
	const none = -1
	counted := "volume \"data\" {\n  count = length(local.disks)\n  name = local.disks[count.index]\n  region = \"us-east-1\"\n  size = \"1GB\"\n}\n"
	keyed := "volume \"data\" {\n  for_each = toset(local.disks)\n  name = each.key\n  region = \"us-east-1\"\n  size = \"1GB\"\n}\n"

	t.Run("with for_each it alone is deleted", func(t *testing.T) {
		l := newLife(t)
		l.apply(elements(none) + keyed)
		p := l.apply(elements(3) + keyed)
		require.Equal(t, []string{`delete volume.data["disk-dd"]`}, actions(p))
		require.Empty(t, p.Diagnostics)
	})
	t.Run("with count the others shift, which the plan says", func(t *testing.T) {
		l := newLife(t)
		l.apply(elements(none) + counted)
		p := l.plan(elements(3) + counted)
		require.Len(t, p.Changes, 7)
		require.Len(t, p.Diagnostics, 1)
		d := p.Diagnostics[0]
		require.Equal(t, diag.Warning, d.Severity)
		require.Contains(t, d.Detail, "6 others shift: volume.data[3] to volume.data[8] each take over what the one behind was")
		require.Equal(t, "volume.data", d.Address)
		require.NotNil(t, d.Snippet)
		require.Contains(t, d.Snippet.Code, "count = length(local.disks)")
	})
	t.Run("one put into the middle shifts what is behind it", func(t *testing.T) {
		l := newLife(t)
		l.apply(elements(7) + counted)
		p := l.plan(elements(none) + counted)
		require.Len(t, p.Diagnostics, 1)
		require.Contains(t, p.Diagnostics[0].Detail, "2 others shift: volume.data[8] to volume.data[9] each take over what the one before was")
	})
	t.Run("one less at the end shifts nothing", func(t *testing.T) {
		l := newLife(t)
		l.apply(elements(none) + counted)
		p := l.plan(elements(9) + counted)
		require.Equal(t, []string{"delete volume.data[9]"}, actions(p))
		require.Empty(t, p.Diagnostics)
	})
	t.Run("a change of all shifts nothing", func(t *testing.T) {
		l := newLife(t)
		l.apply(elements(none) + counted)
		p := l.plan(elements(9) + strings.Replace(counted, "local.disks[count.index]", "\"new-${local.disks[count.index]}\"", 1))
		require.Len(t, p.Changes, 10)
		require.Empty(t, p.Diagnostics)
	})
}
