package agent

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/dstackai/dstack-planner/agent/api"
)

// idPattern is what a job may be named: it becomes the name of a folder.
const idPattern = `^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`

// validate refuses what can never run here.
func (s *server) validate(spec api.JobSpec) error {
	if problems := problemsOf(spec, s.facts.Mounts, os.Geteuid()); len(problems) > 0 {
		return api.Errorf(api.KindInvalid, "job %q cannot run: %s", spec.ID, strings.Join(problems, "; "))
	}
	return nil
}

// problemsOf lists what is wrong with a specification, for an agent of user uid on a machine with a mode of mounts.
func problemsOf(spec api.JobSpec, mode string, uid int) (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if !regexp.MustCompile(idPattern).MatchString(spec.ID) {
		bad("its id is not 1 to 128 letters, digits, dots, dashes and underscores that begin with a letter or digit")
	}
	if c := spec.Container; c != nil {
		problemsOfContainer(spec, bad)
	} else if len(spec.Argv) == 0 {
		bad("it names no program to run")
	}
	if len(spec.Argv) > 0 && spec.Argv[0] == "" {
		bad("it names no program to run")
	}
	for _, arg := range spec.Argv {
		if strings.ContainsRune(arg, 0) {
			bad("an argument holds a zero byte")
		}
	}
	for i, v := range spec.Env {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" || strings.ContainsRune(v, 0) {
			bad("variable %d of its environment is not NAME=VALUE", i+1) // the text may be a secret
		}
	}
	if !filepath.IsAbs(spec.WorkingDir) && !isWithin(spec.WorkingDir) {
		bad("working directory %q is outside of the job's own folder; it is relative to that, or absolute", spec.WorkingDir)
	}
	problems = append(problems, repoProblems(spec.Repo)...)
	problems = append(problems, contentProblems(spec.Contents)...)
	if spec.User != nil && uid != 0 && int(spec.User.UID) != uid {
		bad("it asks for user %d, and the agent runs as user %d, who cannot change that", spec.User.UID, uid)
	}
	if spec.InactivityDuration < 0 {
		bad("its inactivity_duration is negative")
	}
	var paths []string
	for _, m := range spec.Mounts {
		clean := filepath.Clean(m.Path)
		switch {
		case !filepath.IsAbs(m.Source) || !filepath.IsAbs(m.Path):
			bad("mount of %q at %q: both paths must be absolute", m.Source, m.Path)
		case clean == "/":
			bad("mount of %q: the root cannot be a mount point", m.Source)
		case slices.Contains(paths, clean):
			bad("two mounts are at %s", clean)
		case m.ReadOnly && mode == api.MountsLinks && spec.Container == nil:
			bad("mount at %s: it cannot be read-only, because mounts are links on this machine", clean)
		}
		paths = append(paths, clean)
	}
	if spec.Blocks.Need < 0 || spec.Blocks.Total < 0 || spec.GPUs < -1 {
		bad("host blocks and GPUs cannot be negative")
	}
	if spec.CPULimit < 0 || math.IsNaN(spec.CPULimit) || math.IsInf(spec.CPULimit, 0) || spec.MemoryLimit < 0 || spec.ShmSize < 0 {
		bad("limits cannot be negative")
	}
	if spec.MaxDuration < 0 || spec.StopGrace < 0 || spec.StopDuration < 0 || spec.Retry.For < 0 || spec.Retry.Pause < 0 {
		bad("durations cannot be negative")
	}
	if spec.Attempt < 0 {
		bad("the number of an attempt cannot be negative")
	}
	if spec.Port < 0 || spec.Port > 65535 {
		bad("port %d is not between 1 and 65535", spec.Port)
	}
	if spec.Log.SegmentBytes < 0 || spec.Log.TotalBytes < 0 {
		bad("log limits cannot be negative")
	}
	return problems
}

// problemsOfContainer lists what is wrong with a container.
func problemsOfContainer(spec api.JobSpec, bad func(format string, args ...any)) {
	c := spec.Container
	if _, err := reference.ParseNormalizedNamed(c.Image); err != nil {
		bad("image %q is no name of an image: %v", c.Image, err)
	}
	if c.Network != api.NetworkHost && c.Network != api.NetworkBridge {
		bad("network %q is neither %s nor %s", c.Network, api.NetworkHost, api.NetworkBridge)
	}
	if spec.User != nil {
		bad("the user of a container is one of its image")
	}
	for _, m := range spec.Mounts {
		if clean := filepath.Clean(m.Path); clean == "/.dstack" || strings.HasPrefix(clean, "/.dstack/") {
			bad("mount at %s: the agent needs /.dstack for itself", clean)
		}
	}
}
