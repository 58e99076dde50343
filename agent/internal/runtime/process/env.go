package process

import (
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/dstackai/dstack-planner/agent/internal/environ"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
)

// BaseEnv picks from an environment what jobs may see of their agent's.
func BaseEnv(of []string) []string {
	passed := []string{"PATH", "LANG", "TZ", "TMPDIR", "HOME", "USER"}
	var base []string
	for _, v := range of {
		name, _, _ := strings.Cut(v, "=")
		if slices.Contains(passed, name) || strings.HasPrefix(name, "LC_") {
			base = append(base, v)
		}
	}
	return base
}

// NetworkEnv picks from an environment what a program needs to reach servers from where it is: proxies and authorities. It is for
// the agent's own programs; a job that needs it says so.
func NetworkEnv(of []string) []string {
	passed := []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}
	var out []string
	for _, v := range of {
		if name, _, _ := strings.Cut(v, "="); slices.Contains(passed, strings.ToUpper(name)) {
			out = append(out, v)
		}
	}
	return out
}

// jobMarker is the variable by which processes of a job are known as such when nothing else ties them to it.
func jobMarker(dir string) string { return "DSTACK_AGENT_JOB=" + dir }

// jobEnv is the whole environment of a job: what the machine gives it, then what its specification says. mountRoot is empty
// where mounts are at their own paths.
func jobEnv(t runtime.Task, mountRoot string) []string {
	env := []string{"PATH=" + environ.DefaultPath, "HOME=/"}
	env = append(env, t.Base...)
	if u := t.Spec.User; u != nil && int(u.UID) != os.Geteuid() {
		env = append(env, userEnv(u.UID)...)
	}
	env = append(env, "DSTACK_AGENT="+t.Program, "DSTACK_MOUNT_ROOT="+mountRoot)
	if t.MachineGPUs > 0 {
		ids := strings.Join(t.GPUs, ",")
		visible := ids
		if visible == "" {
			// Empty means all to the container tools that read this one.
			visible = "void"
		}
		env = append(env, "CUDA_VISIBLE_DEVICES="+ids, "NVIDIA_VISIBLE_DEVICES="+visible)
	}
	env = append(env, t.Spec.Env...)
	return environ.LastOfEach(append(env, jobMarker(t.Dir)))
}

// userEnv is what changes with the user that a job runs as. A user whom the machine does not know has no home.
func userEnv(uid uint32) []string {
	id := strconv.FormatUint(uint64(uid), 10)
	u, err := user.LookupId(id)
	if err != nil {
		return []string{"HOME=/", "USER=" + id}
	}
	return []string{"HOME=" + u.HomeDir, "USER=" + u.Username}
}
