package desired

import "github.com/zclconf/go-cty/cty"

// What is said of how jobs run, by themselves, their fleet or their backend. Nothing said is auto.
const (
	runtimeAuto    = "auto"
	runtimeDocker  = "docker"
	runtimeProcess = "process"
)

// Runtime is what the first of those says that say something of how jobs run; "" if none does.
func Runtime(said ...string) string {
	for _, r := range said {
		if r != "" && r != runtimeAuto {
			return r
		}
	}
	return ""
}

// RuntimeOf is what backends say of how jobs run, where all say the same; else "".
func RuntimeOf(backends []string) string {
	if len(backends) == 0 {
		return ""
	}
	for _, r := range backends[1:] {
		if Runtime(r) != Runtime(backends[0]) {
			return ""
		}
	}
	return Runtime(backends[0])
}

// runtime gives a job that leaves open how it runs what its surroundings say, where that decides: without an image, that it is a
// container after all; with what only containers have, that it cannot be one. A container without an image gets the
// configuration's default image, unless python or nvcc choose another.
func (r *Run) runtime(v cty.Value, set map[string]cty.Value) {
	said := Text(v, "runtime")
	if open, _ := v.GetAttr("runtime").Unmark(); open.IsKnown() && Runtime(said) == "" {
		said = Runtime(r.set.Runtime)
		if said == runtimeDocker && !isSet(v.GetAttr("image")) || said == runtimeProcess && ofContainers(v) {
			set["runtime"] = cty.StringVal(said)
		}
	}
	if said == runtimeDocker && r.set.DefaultImage != "" && !isSet(v.GetAttr("image")) && !isSet(v.GetAttr("python")) && !mayBe(v, "nvcc") {
		set["image"] = cty.StringVal(r.set.DefaultImage)
	}
}

// ofContainers tells whether a job says something that a process cannot have.
func ofContainers(v cty.Value) bool {
	return Text(v, "image") != "" || Text(v, "python") != "" || flag(v, "nvcc") || flag(v, "privileged")
}

// flag tells whether an attribute is known to be true.
func flag(v cty.Value, name string) bool {
	b, _ := v.GetAttr(name).Unmark()
	return b.IsKnown() && !b.IsNull() && b.True()
}

// mayBe tells whether an attribute is true, or not known yet.
func mayBe(v cty.Value, name string) bool {
	b, _ := v.GetAttr(name).Unmark()
	return !b.IsKnown() || flag(v, name)
}

// Unexpected says why a job cannot run on an instance that it was given without having asked for its fleet: the fleet's own word
// on how jobs run makes the job another thing than it was planned as. It is "" if that is not so.
func (r *Run) Unexpected(job, instance cty.Value) string {
	fleet := Runtime(Text(instance, "runtime"))
	if fleet == "" || Runtime(Text(r.value, "runtime")) != "" || r.Fleet != "" {
		return ""
	}
	switch {
	case fleet == runtimeProcess && (ofContainers(job) || Text(job, "runtime") == runtimeDocker):
		return `runs only processes, and the job is to be a container`
	case fleet == runtimeDocker && !isSet(job.GetAttr("image")) && Text(job, "runtime") != runtimeDocker:
		return `runs only containers, and the job names no image`
	}
	return ""
}
