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

// Place is what is known of where a job is to run, as far as that decides in what.
type Place struct {
	// Runtimes are what the fleet and the backend say, empty and auto where they leave it open; the first that says something counts.
	Runtimes []string
	// Docker is true where containers can run. DockerError says why they cannot.
	Docker      bool
	DockerError string
}

// InDocker tells whether a job is a container: as it says itself, else as its fleet or its backend does, else if it names an image.
func (p Place) InDocker(job schema.Job) bool {
	for _, r := range append([]string{job.Runtime}, p.Runtimes...) {
		if r != "" && r != RuntimeAuto {
			return r == RuntimeDocker
		}
	}
	return job.Image != ""
}

// Check says why a job can never run at a place, nil if it can. known tells of an attribute whether its value is final; what is
// not is not judged.
func Check(job schema.Job, place Place, known func(attribute string) bool) *providers.Error {
	var problems []string
	bad := func(attribute, why string) {
		if known(attribute) {
			problems = append(problems, why)
		}
	}
	docker := place.InDocker(job)
	switch {
	case docker && !place.Docker:
		attribute, why := "runtime", "it is to run in Docker"
		if job.Image != "" {
			attribute, why = "image", "it has an image"
		}
		bad(attribute, why+", and its machine has no Docker: "+place.DockerError)
	case docker && job.Image == "" && job.Runtime != RuntimeDocker:
		bad("image", `its fleet or backend runs containers, and it names no image; write image, or runtime = "docker" for the default image`)
	case !docker && job.Image != "":
		bad("image", `it has an image, and runtime = "process" is said for it, its fleet or its backend; leave one of them out`)
	}
	if !docker {
		if job.Python != "" {
			bad("python", "python chooses a container image, and this job runs as a process; leave python out and use what the machine has")
		}
		if job.NVCC {
			bad("nvcc", "nvcc chooses a container image, and this job runs as a process; leave nvcc out and use what the machine has")
		}
		if job.Privileged {
			bad("privileged", "privileged is for containers, and this job runs as a process; leave privileged out")
		}
	}
	if job.Blocks < 0 || job.GPUCount < 0 {
		bad("blocks", "a share of a machine cannot be negative")
	}
	if known("commands") && known("entrypoint") && known("init") {
		if _, err := place.argv(job, "sh"); err != nil {
			problems = append(problems, err.Error())
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return providers.Errorf(providers.Invalid, "job %s cannot run: %s", job.Name, strings.Join(problems, "; "))
}

// argv is what the job runs. A container without commands runs what its image says.
func (p Place) argv(job schema.Job, shell string) ([]string, error) {
	if !p.InDocker(job) {
		return Argv(job, shell)
	}
	switch {
	case job.Entrypoint == "" && job.Type != typeDev && Chain(job.Commands) == "" && job.Image != "":
		return nil, nil
	case job.Image == "":
		return Argv(job, "/bin/bash")
	}
	return Argv(job, "/bin/sh")
}
