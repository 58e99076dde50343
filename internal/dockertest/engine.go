package dockertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startWait bounds how long dockerd may take to answer.
const startWait = time.Minute

// Engine is a Docker Engine that lives as long as a test.
type Engine struct {
	// Host is where it listens, as in DOCKER_HOST.
	Host string
	// Dir is its folder; Bin in it stands first in its PATH.
	Dir string

	t      testing.TB
	bridge string
	cmd    *exec.Cmd
	ended  chan struct{}
	web    *http.Client
}

// Options of Start.
type Options struct {
	// DataSize, if it is not 0, is how many bytes the disk of the Engine's images has.
	DataSize int64
}

// Need skips the test unless all programs are there and it runs as root; in CI it fails. A short run has none of these tests.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("left out: a short run starts no Engine")
	}
	var missing []string
	if os.Geteuid() != 0 {
		missing = append(missing, "root")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return
	}
	text := fmt.Sprintf("left out: it needs %s (make test-real, as root on Debian, installs all of it)", strings.Join(missing, ", "))
	if os.Getenv("CI") == "true" {
		t.Fatal(text)
	}
	t.Skip(text)
}

// Start starts an Engine, or skips the test.
func Start(t testing.TB, o Options) *Engine {
	t.Helper()
	Need(t, "dockerd", "ip", "busybox")
	// Sockets and mount points have short names.
	dir, err := os.MkdirTemp("/tmp", "dk")
	require.NoError(t, err)
	e := &Engine{Host: "unix://" + dir + "/s", Dir: dir, t: t, bridge: "dk" + filepath.Base(dir)[2:min(12, len(filepath.Base(dir)))]}
	e.web = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", dir+"/s")
	}}}
	t.Cleanup(func() {
		require.NoError(t, e.stop())
		e.clean()
	})
	require.NoError(t, os.Mkdir(e.Bin(), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "data"), 0o711))
	if o.DataSize > 0 {
		require.NoError(t, mountMemory(filepath.Join(dir, "data"), o.DataSize))
	}
	// A number of its own below 10.213 and 10.214, so that several Engines do not meet.
	n := os.Getpid()%200 + 20*len(t.Name())
	e.ip("link", "add", e.bridge, "type", "bridge")
	e.ip("addr", "add", fmt.Sprintf("10.%d.%d.1/24", 213+n/250%2, n%250), "dev", e.bridge)
	e.ip("link", "set", e.bridge, "up")
	e.script("runc-within", withinRights)
	e.script("nvidia-container-runtime-hook", nvidiaHook)
	config, err := json.Marshal(map[string]any{
		"runtimes":        map[string]any{"within": map[string]string{"path": filepath.Join(e.Bin(), "runc-within")}},
		"default-runtime": "within",
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "daemon.json"), config, 0o600))
	e.Up()
	return e
}

// Bin is a folder of programs that dockerd finds before those of the machine.
func (e *Engine) Bin() string { return filepath.Join(e.Dir, "bin") }

// Up starts dockerd, if it does not run, and returns when it answers.
func (e *Engine) Up() {
	e.t.Helper()
	if e.cmd != nil {
		return
	}
	log, err := os.OpenFile(filepath.Join(e.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(e.t, err)
	defer log.Close()
	e.cmd = exec.Command("dockerd", "--config-file", filepath.Join(e.Dir, "daemon.json"), "--data-root", filepath.Join(e.Dir, "data"),
		"--exec-root", filepath.Join(e.Dir, "exec"), "--pidfile", filepath.Join(e.Dir, "pid"), "-H", e.Host, "--bridge", e.bridge,
		"--iptables=false", "--ip-masq=false", "--ip-forward=false", "--live-restore")
	e.cmd.Stdout, e.cmd.Stderr = log, log
	e.cmd.Env = append(os.Environ(), "PATH="+e.Bin()+":"+os.Getenv("PATH"))
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	require.NoError(e.t, e.cmd.Start())
	ended := make(chan struct{})
	e.ended = ended
	cmd := e.cmd
	go func() {
		cmd.Wait()
		close(ended)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	for {
		if _, err := e.get(ctx, "/_ping"); err == nil {
			return
		}
		select {
		case <-ended:
			e.t.Fatalf("dockerd ended: %s", e.said())
		case <-ctx.Done():
			e.t.Fatalf("dockerd does not answer: %s", e.said())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Kill kills dockerd and returns when it is gone with its containerd; containers go on.
func (e *Engine) Kill() {
	e.t.Helper()
	require.NoError(e.t, e.cmd.Process.Kill())
	<-e.ended
	e.cmd = nil
	os.Remove(filepath.Join(e.Dir, "pid"))
	// A dockerd that starts while its predecessor's containerd dies waits for that in vain.
	pidFile := filepath.Join(e.Dir, "exec", "containerd", "containerd.pid")
	if text, err := os.ReadFile(pidFile); err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
			require.Eventually(e.t, func() bool { return syscall.Kill(pid, 0) != nil }, startWait, 10*time.Millisecond)
		}
		os.Remove(pidFile)
	}
}

// Containers lists the containers that the Engine has, running or not, by their labels.
func (e *Engine) Containers() (all []map[string]string) {
	e.t.Helper()
	data, err := e.get(context.Background(), "/containers/json?all=1")
	require.NoError(e.t, err)
	var list []struct{ Labels map[string]string }
	require.NoError(e.t, json.Unmarshal(data, &list))
	for _, c := range list {
		all = append(all, c.Labels)
	}
	return all
}

// Get asks the Engine's API.
func (e *Engine) Get(path string) string {
	e.t.Helper()
	data, err := e.get(context.Background(), path)
	require.NoError(e.t, err)
	return string(data)
}

func (e *Engine) get(ctx context.Context, path string) ([]byte, error) {
	return e.call(ctx, http.MethodGet, path, nil)
}

func (e *Engine) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := e.web.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var out bytes.Buffer
	if _, err := out.ReadFrom(resp.Body); err != nil {
		return nil, err
	}
	if resp.StatusCode >= 400 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, out.Bytes())
	}
	return out.Bytes(), nil
}

// stop ends the Engine with all its containers.
func (e *Engine) stop() error {
	if e.cmd == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	if data, err := e.get(ctx, "/containers/json?all=1"); err == nil {
		var list []struct{ ID string }
		if json.Unmarshal(data, &list) == nil {
			for _, c := range list {
				e.call(ctx, http.MethodDelete, "/containers/"+c.ID+"?force=1&v=1", nil)
			}
		}
	}
	e.web.CloseIdleConnections()
	e.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-e.ended:
	case <-ctx.Done():
		e.cmd.Process.Kill()
		<-e.ended
		return fmt.Errorf("dockerd does not end: %s", e.said())
	}
	e.cmd = nil
	return nil
}

// clean removes what a dockerd leaves behind.
func (e *Engine) clean() {
	exec.Command("ip", "link", "del", e.bridge).Run()
	mounts, _ := os.ReadFile("/proc/self/mounts")
	var below []string
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[1], e.Dir+"/") {
			below = append([]string{f[1]}, below...)
		}
	}
	for _, path := range below {
		unmount(path)
	}
	if err := os.RemoveAll(e.Dir); err != nil {
		e.t.Logf("left behind: %v", err)
	}
}

func (e *Engine) said() string {
	text, _ := os.ReadFile(filepath.Join(e.Dir, "log"))
	return string(text[max(0, len(text)-2000):])
}

func (e *Engine) ip(args ...string) {
	e.t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	require.NoError(e.t, err, "ip %s: %s", strings.Join(args, " "), out)
}

func (e *Engine) script(name, text string) {
	e.t.Helper()
	require.NoError(e.t, os.WriteFile(filepath.Join(e.Bin(), name), []byte(text), 0o755))
}

// withinRights is a runc that gives containers no right that this machine's root lacks itself.
const withinRights = `#!/bin/sh
if ! grep -q 'CapBnd:.*1ffffffffff$' /proc/self/status; then
  prev=
  for a in "$@"; do
    case "$prev" in --bundle|-b) f="$a/config.json";; --process|-p) f="$a";; *) f=;; esac
    case "$a" in --bundle=*) f="${a#--bundle=}/config.json";; --process=*) f="${a#--process=}";; esac
    [ -n "$f" ] && [ -f "$f" ] && sed -i 's/"CAP_SYS_RESOURCE",//g; s/,"CAP_SYS_RESOURCE"//g; s/"CAP_SYS_RESOURCE"//g' "$f"
    prev="$a"
  done
fi
PATH=/usr/local/sbin:/usr/sbin:/sbin:$PATH exec runc "$@"
`

// nvidiaHook stands in for NVIDIA's hook, which dockerd has run before a container with GPUs starts: it makes a device file for
// each GPU that the container was given, named by the last part of the GPU's id.
const nvidiaHook = `#!/bin/sh
state=$(cat)
bundle=$(echo "$state" | sed -n 's/.*"bundle":"\([^"]*\)".*/\1/p')
pid=$(echo "$state" | sed -n 's/.*"pid":\([0-9]*\).*/\1/p')
visible=$(sed -n 's/.*"NVIDIA_VISIBLE_DEVICES=\([^"]*\)".*/\1/p' "$bundle/config.json")
root=$(sed -n 's/.*"root":{"path":"\([^"]*\)".*/\1/p' "$bundle/config.json")
for id in $(echo "$visible" | tr , ' '); do
  mknod "/proc/$pid/root$root/dev/nvidia${id##*-}" c 1 3 || exit 1
done
`
