package install

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/providers/host/link"
)

// Host is what a machine says of itself before there is an agent.
type Host struct {
	Machine link.Machine
	// OS and Arch are as Go names them, or as the machine does where Go knows none.
	OS, Arch string
	Kernel   string
	Hostname string
	Login    api.Login
	// CPUs and MemoryBytes are 0 where the machine does not say.
	CPUs        int
	MemoryBytes int64
	// ProgramFree and FolderFree are the bytes free where the agent's program and its folder go; -1 if the machine does not say.
	ProgramFree, FolderFree int64
	// Systemd is that systemd runs the machine. Docker is that the socket of a Docker Engine is there.
	Systemd, Docker bool
	// Skew is how far the machine's clock is ahead of ours. A second more or less says nothing.
	Skew time.Duration
	// Sudo says why the login cannot be root; nil if it can.
	Sudo *Refusal
	// Program is the SHA-256 of the agent that is installed; empty if there is none.
	Program string
	// Record says whose the machine is; nil if it is nobody's.
	Record *api.HostRecord
	// Leftover is that something of ours is there, of an installation that had hardly begun.
	Leftover bool
}

// mostSkew is how far a clock may be off before it is worth a word.
const mostSkew = time.Minute

// Notes are what does not stand in the way of an agent, and somebody should know: sentences without their full stop.
func (h Host) Notes() []string {
	var notes []string
	if h.Skew.Abs() > mostSkew {
		side := "ahead of"
		if h.Skew < 0 {
			side = "behind"
		}
		notes = append(notes, fmt.Sprintf("its clock is %s %s ours, so that times in its logs are, too; set it: timedatectl set-ntp true", h.Skew.Abs().Round(time.Second), side))
	}
	if !h.Docker {
		notes = append(notes, "it has no Docker, so that jobs on it are processes; install Docker for jobs with an image")
	}
	if !h.Systemd {
		notes = append(notes, "it has no systemd, so that after a start of the machine its agent starts when dstack asks for it")
	}
	return notes
}

// check is why no agent can be installed on the machine.
func (h Host) check() error {
	switch {
	case h.OS != "linux":
		return &Refusal{Machine: h.Machine, Why: NotLinux, What: fmt.Sprintf("it runs %s, and agents run on Linux", h.OS)}
	case !slices.Contains([]string{"amd64", "arm64"}, h.Arch):
		return &Refusal{Machine: h.Machine, Why: WrongArchitecture, What: fmt.Sprintf("its architecture is %s, and agents are for x86_64 (amd64) and aarch64 (arm64)", h.Arch)}
	case h.Sudo != nil:
		return h.Sudo
	}
	return nil
}

// lookScript says all that can be said without being root, but for whether one can become root. ROOT stands before paths.
const lookScript = `PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
say() { echo "$1=$(echo "$2" | tr '\n' ' ')"; }
free() {
  d=$1
  while [ ! -d "$d" ] && [ "$d" != / ]; do d=$(dirname "$d"); done
  df -Pk "$d" 2>/dev/null | awk 'NR==2 {print $4}'
}
say time "$(date +%s)"
say os "$(uname -s)"
say arch "$(uname -m)"
say kernel "$(uname -r)"
say hostname "$(uname -n)"
say user "$(id -un)"
say uid "$(id -u)"
say gid "$(id -g)"
say home "$HOME"
say cpus "$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null)"
say memory "$(awk '/^MemTotal:/ {print $2}' /proc/meminfo 2>/dev/null)"
say programfree "$(free "$ROOT` + "/usr/local/bin" + `")"
say folderfree "$(free "$ROOT` + api.HostFolder + `")"
[ -d "$ROOT/run/systemd/system" ] && command -v systemctl >/dev/null && say systemd yes
[ -S "$ROOT/var/run/docker.sock" ] && say docker yes
if [ "$(id -u)" != 0 ]; then
  if command -v sudo >/dev/null; then
    said=$(sudo -n /bin/sh -c 'echo yes' 2>&1 </dev/null)
    say sudo "$?"
    say sudosaid "$said"
  else
    say sudo none
  fi
fi
if [ -f "$ROOT` + api.HostProgram + `" ]; then
  say program "$( (sha256sum "$ROOT` + api.HostProgram + `" || busybox sha256sum "$ROOT` + api.HostProgram + `" || openssl dgst -sha256 -r "$ROOT` + api.HostProgram + `") 2>/dev/null | cut -d ' ' -f 1)"
fi
{ [ -e "$ROOT` + api.HostFolder + `" ] || [ -e "$ROOT` + api.HostProgramNew + `" ]; } && say leftover yes
if [ -f "$ROOT` + api.HostRecordFile + `" ]; then
  echo record=
  cat "$ROOT` + api.HostRecordFile + `"
fi
exit 0
`

// Look asks a machine what it is. It changes nothing.
func (i *Installer) Look(ctx context.Context, l *link.Link) (*Host, error) {
	began := i.o.Now()
	out, err := l.Script(ctx, "ROOT="+quote(i.o.Root)+"\n"+lookScript)
	if err != nil {
		return nil, err
	}
	took := i.o.Now().Sub(began)
	h := &Host{Machine: l.Machine()}
	text, record, owned := strings.Cut(string(out.Stdout), "\nrecord=\n")
	said := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(line, "="); ok {
			said[name] = strings.TrimSpace(value)
		}
	}
	if said["os"] == "" || said["uid"] == "" {
		return nil, &Refusal{Machine: h.Machine, Why: Failed, What: fmt.Sprintf("it does not answer what it is asked, as a machine with a shell and its usual programs does: it says %q", clip(string(out.Stdout)+string(out.Stderr)))}
	}
	number := func(name string, otherwise int64) int64 {
		n, err := strconv.ParseInt(said[name], 10, 64)
		if err != nil {
			return otherwise
		}
		return n
	}
	h.OS, h.Kernel, h.Hostname = strings.ToLower(said["os"]), said["kernel"], said["hostname"]
	h.Arch = said["arch"]
	if arch, ok := map[string]string{"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}[h.Arch]; ok {
		h.Arch = arch
	}
	h.Login = api.Login{Name: said["user"], UID: int(number("uid", -1)), GID: int(number("gid", -1)), Home: said["home"]}
	h.CPUs, h.MemoryBytes = int(number("cpus", 0)), number("memory", 0)<<10
	h.ProgramFree, h.FolderFree = kib(number("programfree", -1)), kib(number("folderfree", -1))
	h.Systemd, h.Docker, h.Leftover = said["systemd"] == "yes", said["docker"] == "yes", said["leftover"] == "yes"
	h.Program = said["program"]
	if now := number("time", 0); now > 0 {
		h.Skew = time.Unix(now, 0).Sub(began.Add(took / 2)).Round(time.Second)
	}
	if h.Login.UID != 0 {
		h.Sudo = sudo(h.Machine, h.Login.Name, said["sudo"], said["sudosaid"])
	}
	if owned {
		var r api.HostRecord
		if err := json.Unmarshal([]byte(record), &r); err != nil {
			return nil, &Refusal{Machine: h.Machine, Why: Failed, What: fmt.Sprintf("what stands in %s cannot be read: %v", api.HostRecordFile, err), Cause: err}
		}
		h.Record = &r
	}
	return h, nil
}

func kib(n int64) int64 {
	if n < 0 {
		return n
	}
	return n << 10
}

// sudo is why a login cannot become root by sudo, from its exit code and what it said.
func sudo(m link.Machine, user, code, said string) *Refusal {
	rule := fmt.Sprintf("let %s run everything without a password, as root there: echo '%s ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/%s", user, user, strings.ReplaceAll(user, ".", "_"))
	text := strings.ToLower(said)
	switch {
	case code == "0" && strings.HasSuffix(said, "yes"):
		return nil
	case code == "none":
		return &Refusal{Machine: m, Why: NoSudo, What: fmt.Sprintf("it has no sudo, and %s is not root", user), Advice: "log in as root, or install sudo and " + rule}
	case strings.Contains(text, "password is required"), strings.Contains(text, "askpass"):
		return &Refusal{Machine: m, Why: SudoAsks, What: fmt.Sprintf("sudo asks %s for a password", user), Advice: rule}
	case strings.Contains(text, "tty"):
		return &Refusal{Machine: m, Why: SudoRefuses, What: "sudo wants a terminal (requiretty)", Advice: fmt.Sprintf("write as root there: echo 'Defaults:%s !requiretty' >>/etc/sudoers.d/%s", user, strings.ReplaceAll(user, ".", "_"))}
	case strings.Contains(text, "not in the sudoers"), strings.Contains(text, "may not run"), strings.Contains(text, "not allowed"):
		return &Refusal{Machine: m, Why: SudoRefuses, What: fmt.Sprintf("sudo does not let %s be root", user), Advice: rule}
	}
	return &Refusal{Machine: m, Why: SudoRefuses, What: fmt.Sprintf("sudo does not work for %s: it says %q", user, clip(said)), Advice: rule}
}

// quote makes one word of a shell of any text.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// clip makes what a machine said fit for a sentence.
func clip(said string) string {
	said = strings.Join(strings.Fields(said), " ")
	if len(said) > 300 {
		said = strings.ToValidUTF8(said[:300], "") + "..."
	}
	return said
}
