package host

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dstackai/dstack-planner/schema"
)

// Env returns the environment of a job as NAME=VALUE, a later one winning over an earlier one: what tells it its place, what
// its machine gives to every job, and what its own block says. nodes are the machines of its run by rank.
func Env(job schema.Job, on schema.Instance, nodes []schema.Instance) []string {
	ips := make([]string, len(nodes))
	for i, n := range nodes {
		ips[i] = n.InternalIP
	}
	first := ""
	if len(ips) > 0 {
		first = ips[0]
	}
	count := max(1, job.Nodes)
	env := []string{
		"DSTACK_RUN_NAME=" + job.Run,
		"DSTACK_NODES_IPS=" + strings.Join(ips, "\n"),
		"DSTACK_MASTER_NODE_IP=" + first,
		"DSTACK_NODE_RANK=" + strconv.Itoa(job.NodeRank),
		"DSTACK_NODES_NUM=" + strconv.Itoa(count),
		"DSTACK_GPUS_PER_NODE=" + strconv.Itoa(job.GPUCount),
		"DSTACK_GPUS_NUM=" + strconv.Itoa(job.GPUCount*count),
	}
	for _, vars := range []map[string]string{on.Env, job.Env} {
		for _, name := range slices.Sorted(maps.Keys(vars)) {
			env = append(env, name+"="+vars[name])
		}
	}
	return env
}
