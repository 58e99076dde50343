package proc

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// zombie is SZOMB of sys/proc.h.
const zombie = 5

func list() ([]Process, error) {
	infos, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	all := make([]Process, 0, len(infos))
	for i := range infos {
		all = append(all, fromInfo(&infos[i]))
	}
	return all, nil
}

func find(pid int) (Process, bool) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || info.Proc.P_pid != int32(pid) {
		return Process{}, false
	}
	return fromInfo(info), true
}

func fromInfo(info *unix.KinfoProc) Process {
	p := Process{
		PID:    int(info.Proc.P_pid),
		Parent: int(info.Eproc.Ppid),
		Start:  info.Proc.P_starttime.Sec*1_000_000 + int64(info.Proc.P_starttime.Usec),
		Zombie: info.Proc.P_stat == zombie,
	}
	if sid, err := unix.Getsid(p.PID); err == nil {
		p.Session = sid
	}
	return p
}

// hasEnv finds nothing: macOS shows the environment of other processes to nobody but a debugger.
func hasEnv(int, string) bool { return false }

// Environ is an error: macOS shows the environment of other processes to nobody but a debugger.
func Environ(int) ([]string, error) { return nil, errors.ErrUnsupported }
