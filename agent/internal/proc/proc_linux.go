package proc

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
)

func list() ([]Process, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var all []Process
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, ok := find(pid); ok {
			all = append(all, p)
		}
	}
	return all, nil
}

func find(pid int) (Process, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, false
	}
	return parseStat(pid, data)
}

// parseStat reads proc_pid_stat(5). The second field is the program's name in parentheses, which may hold anything, also
// spaces and parentheses; what follows the last one is numbers but for the state.
func parseStat(pid int, data []byte) (Process, bool) {
	end := bytes.LastIndexByte(data, ')')
	if end < 0 {
		return Process{}, false
	}
	f := bytes.Fields(data[end+1:])
	if len(f) < 20 {
		return Process{}, false
	}
	p := Process{PID: pid, Zombie: f[0][0] == 'Z' || f[0][0] == 'X'}
	var err1, err2, err3 error
	p.Parent, err1 = strconv.Atoi(string(f[1]))
	p.Session, err2 = strconv.Atoi(string(f[3]))
	p.Start, err3 = strconv.ParseInt(string(f[19]), 10, 64)
	return p, err1 == nil && err2 == nil && err3 == nil
}

// Environ returns the environment that a process was started with.
func Environ(pid int) ([]string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return nil, fmt.Errorf("read environment of process %d: %w", pid, err)
	}
	var env []string
	for v := range bytes.SplitSeq(data, []byte{0}) {
		if len(v) > 0 {
			env = append(env, string(v))
		}
	}
	return env, nil
}

func hasEnv(pid int, entry string) bool {
	if entry == "" {
		return false
	}
	env, err := Environ(pid)
	return err == nil && slices.Contains(env, entry)
}
