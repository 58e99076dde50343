package host

import (
	"strings"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// Runtimes of a job or a machine. An empty one is auto.
const (
	RuntimeAuto    = "auto"
	RuntimeDocker  = "docker"
	RuntimeProcess = "process"
)

// Check says why a job can never run as a process of a machine, nil if it can. known tells of an attribute whether its value
// is final; what is not is not judged.
func Check(job schema.Job, known func(attribute string) bool) *providers.Error {
	var problems []string
	bad := func(attribute, why string) {
		if known(attribute) {
			problems = append(problems, why)
		}
	}
	if job.Image != "" {
		bad("image", "image needs a container runtime, and there is no Docker runtime in this version; leave image out, and the commands run as a process of the machine")
	}
	if job.Runtime == RuntimeDocker {
		bad("runtime", `runtime = "docker" needs Docker, and there is no Docker runtime in this version; leave runtime out`)
	}
	if job.Python != "" {
		bad("python", "python chooses a container image, and this job runs as a process; leave python out and use what the machine has")
	}
	if job.NVCC {
		bad("nvcc", "nvcc chooses a container image, and this job runs as a process; leave nvcc out and use what the machine has")
	}
	if job.Privileged {
		bad("privileged", "privileged is for containers, and this job runs as a process; leave privileged out")
	}
	if job.Blocks < 0 || job.GPUCount < 0 {
		bad("blocks", "a share of a machine cannot be negative")
	}
	if known("commands") && known("entrypoint") && known("init") {
		if _, err := Argv(job, "sh"); err != nil {
			problems = append(problems, err.Error())
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return providers.Errorf(providers.Invalid, "job %s cannot run: %s", job.Name, strings.Join(problems, "; "))
}
