package local

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

func TestAPlanWarnsWhereMountsAreLinks(t *testing.T) {
	mounting := schema.Job{Commands: []string{"x"}, Mounts: []schema.Mount{{InstancePath: "/srv", Path: "/data"}}}
	for name, tc := range map[string]struct {
		mode string
		job  schema.Job
		want string
	}{
		"links":                  {api.MountsLinks, mounting, "$DSTACK_MOUNT_ROOT/data"},
		"namespaces":             {api.MountsNamespace, mounting, ""},
		"links, nothing mounted": {api.MountsLinks, schema.Job{Commands: []string{"x"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := jobs{&backend{mounts: func() string { return tc.mode }, machine: func() (api.Facts, error) { return api.Facts{}, nil }}}
			change := providers.Change{Address: "task.a.job[0]", Want: schema.Encode(tc.job)}
			answers, err := r.Plan(t.Context(), []providers.Change{change})
			require.NoError(t, err)
			require.Nil(t, answers[0].Err)
			if tc.want == "" {
				require.Empty(t, answers[0].Warnings)
				return
			}
			require.Contains(t, answers[0].Warnings[0], tc.want)
		})
	}
}
