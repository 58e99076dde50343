package host

import (
	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/schema"
)

// defaultPython is the version of Python in the default image where none is written.
const defaultPython = "3.12"

// Image is the image of a job that runs in a container.
func Image(job schema.Job) string {
	if job.Image != "" {
		return job.Image
	}
	python := job.Python
	if python == "" {
		python = defaultPython
	}
	image := "dstackai/base:py" + python + "-0.6-cuda-12.1"
	if job.NVCC {
		image += "-devel"
	}
	return image
}

// container is a job's container. One that has its whole machine has the machine's network, unless its fleet says otherwise.
func container(job schema.Job, on schema.Instance) *api.Container {
	c := &api.Container{Image: Image(job), User: job.User.Canonical(), Privileged: job.Privileged, Network: api.NetworkHost}
	if on.TotalBlocks > 1 || on.NetworkMode == networkBridge {
		c.Network = api.NetworkBridge
	}
	if job.RegistryAuth != nil {
		c.RegistryAuth = &api.RegistryAuth{Username: job.RegistryAuth.Username, Password: job.RegistryAuth.Password}
	}
	return c
}

// networkBridge is what a fleet says to have no job on the network of its machine.
const networkBridge = "bridge"
