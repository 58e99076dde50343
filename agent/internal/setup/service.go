package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/disk"
)

// service keeps the agent running.
type service interface {
	// up has it there and running; fresh starts the agent anew.
	up(ctx context.Context, fresh bool, r *report) error
	// down stops it, and takes it away. Jobs go on.
	down(ctx context.Context, r *report) error
	// said is the last that the agent said, as the end of an error.
	said() string
}

// service is systemd where that runs the machine, else a keeper of our own.
func (p Place) service() service {
	if there(p.At("/run/systemd/system")) {
		if _, err := exec.LookPath("systemctl"); err == nil {
			return systemd{p}
		}
	}
	return keeper{p}
}

// argv is how the agent's program is called on this machine.
func (p Place) argv(verb string) []string {
	argv := []string{p.At(api.HostProgram), "host", verb}
	if p.Root != "" {
		argv = append(argv, "--root", p.Root)
	}
	return argv
}

type systemd struct{ Place }

// unit is the agent's service. Jobs are in its control group and go on when it ends, whatever ends it.
func (s systemd) unit() string {
	return `[Unit]
Description=dstack agent
After=network-online.target docker.service
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=` + strings.Join(s.argv("serve"), " ") + `
Restart=always
RestartSec=1
KillMode=process
Delegate=yes
LimitNOFILE=1048576
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`
}

func (s systemd) up(ctx context.Context, fresh bool, r *report) error {
	did, err := write(s.At(api.HostUnit), []byte(s.unit()), 0o644)
	if err != nil {
		return err
	}
	if did {
		r.did("installed %s", api.HostUnit)
		if err := systemctl(ctx, "daemon-reload"); err != nil {
			return err
		}
		fresh = true
	}
	// The link is the answer of "is-enabled", without a question.
	if did || !there(s.At("/etc/systemd/system/multi-user.target.wants/"+api.HostUnitName)) {
		if err := systemctl(ctx, "enable", api.HostUnitName); err != nil {
			return err
		}
	}
	if fresh {
		r.did("started the agent")
		return systemctl(ctx, "restart", api.HostUnitName)
	}
	return nil
}

func (s systemd) down(ctx context.Context, r *report) error {
	if _, err := remove(s.At(api.HostUnit) + fileNew); err != nil || !there(s.At(api.HostUnit)) {
		return err
	}
	if err := systemctl(ctx, "disable", "--now", api.HostUnitName); err != nil {
		return err
	}
	if _, err := remove(s.At(api.HostUnit)); err != nil {
		return err
	}
	r.did("removed %s", api.HostUnit)
	if err := systemctl(ctx, "daemon-reload"); err != nil {
		return err
	}
	_ = systemctl(ctx, "reset-failed", api.HostUnitName) // it is not there, unless it had failed
	return nil
}

func (s systemd) said() string {
	out, _ := exec.Command("journalctl", "-u", api.HostUnitName, "-n", "20", "--no-pager", "-o", "cat").Output()
	return tail(out)
}

func systemctl(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("systemctl %s: %w%s", strings.Join(args, " "), err, tail(out))
	}
	return nil
}

// keeper is a process that starts the agent again whenever it has ended.
type keeper struct{ Place }

func (k keeper) lockFile() string { return k.At(api.HostFolder + "/keeper.lock") }
func (k keeper) logFile() string  { return k.At(api.HostFolder + "/agent.log") }

// pid is the keeper that runs, 0 if none does.
func (k keeper) pid() (int, error) {
	f, err := os.Open(k.lockFile())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if err == nil {
		return 0, nil
	}
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return 0, fmt.Errorf("lock %s: %w", k.lockFile(), err)
	}
	text, err := os.ReadFile(k.lockFile())
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return -1, nil // it is just beginning
	}
	return pid, nil
}

func (k keeper) up(ctx context.Context, fresh bool, r *report) error {
	pid, err := k.pid()
	if err != nil {
		return err
	}
	if pid != 0 && !fresh {
		return nil
	}
	if pid != 0 {
		if err := k.stop(ctx); err != nil {
			return err
		}
	}
	r.did("started the agent")
	return k.start()
}

// start starts a keeper that outlives its starter. It holds its lock from the first moment, so that nobody who comes just now
// believes that there is none.
func (k keeper) start() error {
	lock, err := disk.TryLock(k.lockFile())
	if errors.Is(err, disk.ErrLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := lock.Truncate(0); err != nil { // of the last one's number
		return err
	}
	log, err := os.OpenFile(k.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	argv := k.argv("keep")
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	cmd.Env, cmd.ExtraFiles = os.Environ(), []*os.File{lock}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the agent: %w", err)
	}
	go func() { _ = cmd.Wait() }() // so that it is no zombie while this process lives
	return nil
}

func (k keeper) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		pid, err := k.pid()
		if err != nil || pid == 0 {
			return err
		}
		if pid > 1 {
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("end the agent's keeper: %w", err)
			}
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("the agent's keeper, process %d, does not end: %w", pid, context.Cause(ctx))
		}
	}
}

func (k keeper) down(ctx context.Context, _ *report) error {
	if err := k.stop(ctx); err != nil {
		return err
	}
	for _, path := range []string{k.lockFile(), k.logFile()} {
		if _, err := remove(path); err != nil {
			return err
		}
	}
	return nil
}

func (k keeper) said() string {
	text, _ := os.ReadFile(k.logFile())
	return tail(text)
}

// mostLog is how long the log of an agent may become that no journal takes.
const mostLog = 4 << 20

// heldLock is the descriptor of the lock in a keeper, and in the agent that it started.
const heldLock = 3

// Held is the lock that this process has inherited from the one that started it. What this process starts does not have it.
func Held() *os.File {
	unix.CloseOnExec(heldLock)
	return os.NewFile(heldLock, "keeper.lock")
}

// Keep starts the agent, and starts it again when it has ended, until ctx is done. The agent ends with its keeper, however that
// ends, and jobs go on. The lock is held until both have ended.
func Keep(ctx context.Context, p Place, lock *os.File) error {
	k := keeper{p}
	defer runtime.KeepAlive(lock) // it is free when this process is gone, and not before
	if _, err := fmt.Fprintln(lock, os.Getpid()); err != nil {
		return err
	}
	for wait := 100 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, 5*time.Second) {
		if info, err := os.Stat(k.logFile()); err == nil && info.Size() > mostLog {
			_ = os.Truncate(k.logFile(), 0)
		}
		began := time.Now()
		err := k.once(ctx, lock)
		if ctx.Err() != nil {
			break
		}
		fmt.Fprintf(os.Stderr, "the agent ended: %v\n", err)
		if time.Since(began) > time.Minute {
			wait = 100 * time.Millisecond
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	return nil
}

// once runs the agent until it ends. It ends when its input does, and so with the keeper.
func (k keeper) once(ctx context.Context, lock *os.File) error {
	in, held, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	defer held.Close()
	argv := append(k.argv("serve"), "--tied")
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = in, os.Stdout, os.Stderr, []*os.File{lock}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	return cmd.Run()
}

// Wake starts the agent's keeper where there should be one and none runs, as after a start of the machine. systemd needs no help.
func Wake(p Place) error {
	k, ok := p.service().(keeper)
	if !ok {
		return nil
	}
	record, err := p.Record()
	if err != nil || record == nil || record.Removing {
		return err
	}
	pid, err := k.pid()
	if err != nil || pid != 0 {
		return err
	}
	return k.start()
}

// tail is the end of what a program said, as the end of an error.
func tail(text []byte) string {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return ""
	}
	return ": " + strings.ToValidUTF8(string(text[max(0, len(text)-2000):]), "")
}

// RunFolder makes the folder of the socket that the login reaches, and returns it.
func (p Place) RunFolder() (string, error) {
	dir := p.At(api.HostRunFolder)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return filepath.Clean(dir), os.Chmod(dir, 0o755)
}
