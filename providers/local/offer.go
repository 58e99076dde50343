package local

import (
	"context"
	"os"

	"github.com/dstackai/dstack-planner/agent"
	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/providers/host"
	"github.com/dstackai/dstack-planner/schema"
)

// Offers yields this machine for whoever asks; core says whether it fits.
func (b *backend) Offers(ctx context.Context, needs []schema.Requirements, yield func(need int, offer schema.Offer)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m, err := b.machine()
	if err != nil {
		return failed(err)
	}
	for i := range needs {
		yield(i, schema.Offer{
			Backend: b.name, Region: Region, InstanceType: Region, CPUs: m.CPUs, MemoryMiB: m.MemoryBytes >> 20, DiskMiB: m.DiskBytes >> 20,
			GPUs: host.GPUs(m), Availability: schema.Available,
		})
	}
	return nil
}

// readMachine asks the machine what it has. Its disk is the size of the file system, not what is free now, so that two plans
// of the same are the same. GPUs that cannot be listed are not offered, which the agent's own facts explain.
func (b *backend) readMachine() (api.Facts, error) {
	return agent.ReadFacts(context.Background(), b.root, "", os.Getenv(dockerHost))
}

// tryMounts asks the agent's program how jobs would see their mounts here; a program that cannot be asked is a matter of Create.
func (b *backend) tryMounts() string {
	f, err := agent.ReadFacts(context.Background(), b.root, b.agent, os.Getenv(dockerHost))
	if err != nil {
		return api.MountsNamespace
	}
	return f.Mounts
}
