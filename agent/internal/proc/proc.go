package proc

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Process is one process of the machine.
type Process struct {
	PID, Parent, Session int
	// Start is when it started, in a unit and from a point that are the system's own: it only tells two processes apart
	// that had the same number.
	Start  int64
	Zombie bool
}

// Find returns the process with a number; ok is false when there is none.
func Find(pid int) (p Process, ok bool) {
	return find(pid)
}

// Descendants returns the living processes below root, children before their children. Zombies are left out, their
// children are not.
func Descendants(root int) ([]Process, error) {
	all, err := list()
	if err != nil {
		return nil, err
	}
	children := make(map[int][]Process)
	for _, p := range all {
		children[p.Parent] = append(children[p.Parent], p)
	}
	var found []Process
	seen := map[int]bool{root: true}
	for next := []int{root}; len(next) > 0; next = next[1:] {
		for _, p := range children[next[0]] {
			if seen[p.PID] {
				continue
			}
			seen[p.PID] = true
			next = append(next, p.PID)
			if !p.Zombie {
				found = append(found, p)
			}
		}
	}
	return found, nil
}

// Remains returns what is left of a job whose supervisor is gone: the living processes of the session that leader led, and
// those whose environment has the entry marker. leaderStart proves that the session's number was not given to another.
func Remains(leader int, leaderStart int64, marker string) ([]Process, error) {
	all, err := list()
	if err != nil {
		return nil, err
	}
	foreign := leader <= 0
	if p, ok := find(leader); ok && leader > 0 && p.Start != leaderStart {
		foreign = true
	}
	all = slices.DeleteFunc(all, func(p Process) bool {
		if p.Zombie || p.PID == os.Getpid() {
			return true
		}
		return (foreign || p.Session != leader) && !hasEnv(p.PID, marker)
	})
	return all, nil
}

// Kill sends SIGKILL to each process that is still the one that was listed.
func Kill(ps []Process) {
	for _, p := range ps {
		if now, ok := find(p.PID); ok && now.Start == p.Start {
			unix.Kill(p.PID, unix.SIGKILL)
		}
	}
}
