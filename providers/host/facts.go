package host

import (
	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// GPUs are those of a machine, by the names that requirements use and with the memory that they are sold with: drivers call them
// otherwise and show less.
func GPUs(f api.Facts) []schema.GPU {
	out := make([]schema.GPU, len(f.GPUs))
	for i, g := range f.GPUs {
		name, vendor := value.NormalizeGPUName(g.Name)
		out[i] = schema.GPU{Name: name, Vendor: g.Vendor, MemoryMiB: value.SnapGPUMemory(name, int64(g.MemoryMiB))}
		if out[i].Vendor == "" {
			out[i].Vendor = string(vendor)
		}
	}
	return out
}

// ShowMachine brings into an instance what its agent says of the machine.
func ShowMachine(v *schema.Instance, f api.Facts) {
	v.AgentVersion = f.AgentVersion
	v.Facts = &schema.Facts{
		Kernel: f.Kernel, Architecture: f.Arch, Addresses: f.Addresses, Runtimes: f.Runtimes,
		DockerVersion: f.DockerVersion, DockerError: f.DockerError, GPUError: f.GPUError,
	}
}
