package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// canary is a secret with characters that every form of writing has its own way with.
const canary = `hf_cAn4ry<"4711">&/ +`

// formsOf are the ways in which a secret could be written.
func formsOf(secret string) map[string]string {
	quoted, _ := json.Marshal(secret) // a text is always JSON
	forms := map[string]string{
		"as it is": secret, "in JSON": strings.Trim(string(quoted), `"`), "in a literal": strings.Trim(fmt.Sprintf("%q", secret), `"`), "in HTML": html.EscapeString(secret),
		"in an address": url.QueryEscape(secret), "in a path": url.PathEscape(secret), "in hex": hex.EncodeToString([]byte(secret)), "its beginning": "hf_cAn4ry",
	}
	for i := range 3 { // wherever it stands in what is encoded; the first and the last character depend on the neighbours
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", i) + secret))
		forms[fmt.Sprintf("in base64 at %d", i)] = text[4 : len(text)-4]
	}
	return forms
}

// sung says in which forms a secret stands in a text.
func sung(text []byte) []string {
	var out []string
	forms := formsOf(canary)
	for _, name := range slices.Sorted(maps.Keys(forms)) {
		if bytes.Contains(text, []byte(forms[name])) {
			out = append(out, name)
		}
	}
	return out
}

// flight is a folder in which a configuration with a secret is planned and applied, with all that the programs say.
type flight struct {
	t              *testing.T
	dir, home, key string // the key is the file that the secret comes from
	logs           string // where what each command says goes, by its name

	seen map[string]bool // programs that were looked at while they ran, with their first argument
}

// said is what a command has said.
func (f *flight) said(name string) string {
	f.t.Helper()
	data, err := os.ReadFile(filepath.Join(f.logs, name))
	require.NoError(f.t, err)
	return string(data)
}

func (f *flight) command(name string, args ...string) *exec.Cmd {
	f.t.Helper()
	cmd := exec.Command(filepath.Join(bin, "dstack"), args...)
	cmd.Dir = f.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + f.home, "DSTACK_HOME=" + filepath.Join(f.home, "dstack"), "DSTACK_LOG=trace", "GOTRACEBACK=all"}
	out, err := os.OpenFile(filepath.Join(f.logs, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	require.NoError(f.t, err, "each command has its name")
	f.t.Cleanup(func() { out.Close() })
	cmd.Stdout, cmd.Stderr = out, out
	return cmd
}

// run runs a command to its end and looks at all processes meanwhile.
func (f *flight) run(code int, name string, args ...string) string {
	f.t.Helper()
	cmd := f.command(name, args...)
	require.NoError(f.t, cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		f.look()
		select {
		case <-done:
			require.Equal(f.t, code, cmd.ProcessState.ExitCode(), "%s\n%s", name, f.said(name))
			return f.said(name)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// look holds what the system shows of our processes against the secret. What a job itself gets is its own.
func (f *flight) look() {
	f.t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(f.t, err)
	for _, dir := range dirs {
		program, err := os.Readlink(filepath.Join(dir, "exe"))
		if err != nil || filepath.Dir(program) != bin { // it has ended, is somebody else's, or a job
			continue
		}
		cmd, _ := os.ReadFile(filepath.Join(dir, "cmdline")) // it may have ended meanwhile
		env, _ := os.ReadFile(filepath.Join(dir, "environ"))
		if !bytes.Contains(env, []byte(f.home)) && !bytes.Contains(cmd, []byte(f.home)) {
			continue // of another test
		}
		words := strings.Split(string(cmd), "\x00")
		f.seen[strings.Join(append([]string{filepath.Base(program)}, words[1:min(2, len(words))]...), " ")] = true
		require.Empty(f.t, sung(cmd), "the arguments of %s", program)
		require.Empty(f.t, sung(env), "the environment of %s", program)
	}
}

// search holds every file that anybody wrote against the secret; what is compressed is looked into.
func (f *flight) search(when string) (files int) {
	f.t.Helper()
	require.NoError(f.t, filepath.WalkDir(filepath.Dir(f.home), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || path == f.key {
			return nil // it is gone already
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		files++
		require.Empty(f.t, sung([]byte(path)), "the name of %s, %s", path, when)
		require.Empty(f.t, sung(data), "%s, %s", path, when)
		if z, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
			inner, err := io.ReadAll(z)
			require.NoError(f.t, err, path)
			require.Empty(f.t, sung(inner), "in %s, %s", path, when)
		}
		return nil
	}))
	return files
}

const canaryConfig = `
variable "token" {
  sensitive = true
}
locals {
  note = "token: ${var.token}"
}
fleet "lab" {
  nodes = 1
}
task "show" {
  fleet = fleet.lab
  env = {
    TOKEN   = var.token
    ENCODED = base64encode(local.note)
    URL     = "https://user:${urlencode(var.token)}@example.com"
    JSON    = jsonencode({ token = var.token })
  }
  commands      = ["echo it has $${#TOKEN} letters", "while ! test -e ${abspath("stop")}; do sleep 0.05; done"]
  stop_duration = "1s"
}
output "note" {
  value     = local.note
  sensitive = true
}
check "note" {
  assert {
    condition     = var.token == "x"
    error_message = "It is ${var.token}."
  }
}
policy "note" {
  enforcement   = "warn"
  condition     = jsonencode(plan.changes) == var.token
  error_message = "The changes are ${jsonencode(plan.changes)}, ${var.token}."
}
`

// TestNoSecretLeaves plants a secret and looks for it in everything that the programs write and show: renderings, the
// saved plan, state, journal, what the agent and the provider keep, their logs at the level trace, what the system shows of
// their processes, and what they say when they crash.
func TestNoSecretLeaves(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what other processes were given is only to be seen on Linux")
	}
	root := t.TempDir()
	f := &flight{t: t, dir: filepath.Join(root, "lab"), home: filepath.Join(root, "home"), key: filepath.Join(root, "secrets.dstackvars"), logs: t.TempDir(), seen: map[string]bool{}}
	for _, dir := range []string{f.dir, f.home} {
		require.NoError(t, os.Mkdir(dir, 0o700))
	}
	require.NoError(t, os.WriteFile(filepath.Join(f.dir, "main.dstack.hcl"), []byte(canaryConfig), 0o600))
	require.NoError(t, os.WriteFile(f.key, fmt.Appendf(nil, "token = %q\n", canary), 0o600))
	t.Cleanup(func() {
		for _, p := range processes(filepath.Join(f.home, "dstack")) {
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
	})
	vars := "--var-file=" + f.key

	f.run(0, "plan", "plan", vars, "--out", "night.plan", "--json-out", "night.json", "--markdown-out", "night.md", "--html-out", "night.html")
	f.run(0, "events", "plan", vars, "--json")
	f.run(0, "verbose", "plan", vars, "--verbose")
	f.run(0, "explain", "plan", vars, "--explain", "task.show.job[0]")
	f.run(0, "annotations", "plan", vars, "--github-annotations", "--format", "markdown")
	f.run(0, "shown", "show", "--json", "night.plan")
	f.run(0, "applied", "apply", "night.plan", vars)
	f.look() // the agent and what watches over the jobs
	f.search("while the jobs run")
	f.run(0, "ps", "ps", "--json")
	f.run(0, "state", "state", "pull")
	f.run(0, "outputs", "output", "--json")

	// A crash: the program is told to show where it was, in the middle of its work, and so is the provider.
	for _, crash := range [][2]string{{"crashed", "dstack"}, {"provider crashed", "dstack-provider-local"}} {
		name, program := crash[0], crash[1]
		cmd := f.command(name, "apply", "--auto-approve", "--json", vars, "--replace", "task.show.job[0]")
		require.NoError(t, cmd.Start())
		hit := false
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		for ended := false; !ended; {
			f.look()
			if !hit {
				hit = f.abort(name, program)
			}
			select {
			case <-done:
				ended = true
			case <-time.After(2 * time.Millisecond):
			}
		}
		require.True(t, hit, "%s ran", program)
		require.Contains(t, f.said(name), "goroutine ", "%s showed where it was", program)
	}
	f.search("after the crashes")
	require.NoError(t, os.WriteFile(filepath.Join(f.dir, "stop"), nil, 0o600))
	f.run(0, "again", "apply", "--auto-approve", vars)
	require.Contains(t, f.run(0, "logs", "logs", "show"), fmt.Sprintf("it has %d letters", len(canary)))
	f.run(0, "destroyed", "destroy", "--auto-approve", vars)

	require.Greater(t, f.search("at the end"), 10)
	// The logs say what was done, so that there is something to look through.
	for name, lines := range map[string][]string{
		"plan":    {`msg="file is read"`, `msg="configuration is read"`, `msg="state is read"`, "op=open backend=local", "kind=instance", "msg=decided addr=task.show.job[0] op=create", `msg="plan is made"`},
		"applied": {`msg="state is locked"`, "op=create backend=local kind=job addr=task.show.job[0]", `msg="call goes on"`, "msg=step addr=task.show.job[0] op=create event=done", `msg="state is unlocked"`},
	} {
		for _, line := range lines {
			require.Contains(t, f.said(name), line, "the log of %s at the level trace", name)
		}
	}
	commands, err := os.ReadDir(f.logs)
	require.NoError(t, err)
	require.Len(t, commands, 15)
	for _, c := range commands {
		require.Empty(t, sung([]byte(f.said(c.Name()))), "what %s said", c.Name())
	}
	for _, program := range []string{"dstack plan", "dstack apply", "dstack-provider-local", "dstack-agent"} {
		require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(f.seen)), func(s string) bool { return strings.HasPrefix(s, program) }), "%s was looked at: %v", program, f.seen)
	}

	// The test would have noticed.
	require.NoError(t, os.WriteFile(filepath.Join(f.home, "bird"), []byte(base64.StdEncoding.EncodeToString([]byte("token: "+canary))), 0o600))
	data, err := os.ReadFile(filepath.Join(f.home, "bird"))
	require.NoError(t, err)
	require.NotEmpty(t, sung(data))
}

// abort lets a program of this test show where it is, and end.
func (f *flight) abort(name, program string) bool {
	for _, p := range processes(filepath.Join(f.home, "dstack")) {
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.pid))
		if err == nil && exe == filepath.Join(bin, program) && f.working(name) {
			return syscall.Kill(p.pid, syscall.SIGQUIT) == nil
		}
	}
	return false
}

// working tells whether a command has begun with its steps, so that what is aborted has the secret.
func (f *flight) working(name string) bool {
	return strings.Contains(f.said(name), `"type":"apply_start"`)
}
