package install

import (
	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/host/link"
)

// Why says what about a machine is in the way.
type Why string

// Reasons of refusals.
const (
	// NotLinux is another system.
	NotLinux Why = "not linux"
	// WrongArchitecture is one that there is no agent for.
	WrongArchitecture Why = "architecture"
	// NoProgram is that the agent for the machine is not beside dstack.
	NoProgram Why = "no program"
	// NoSudo is a login that is not root on a machine without sudo.
	NoSudo Why = "no sudo"
	// SudoAsks is a sudo that wants a password.
	SudoAsks Why = "sudo asks"
	// SudoRefuses is a sudo that refuses the login.
	SudoRefuses Why = "sudo refuses"
	// DiskFull is a machine without room.
	DiskFull Why = "disk full"
	// Owned is a machine of another instance, or of another state.
	Owned Why = "owned"
	// InUse is a machine on which jobs run.
	InUse Why = "in use"
	// InTheWay is a file that dstack did not put where its own belongs.
	InTheWay Why = "in the way"
	// Failed is anything else that went wrong on the machine.
	Failed Why = "failed"
)

// Refusal is why a machine, which was reached, does not become a host, or is not given back.
type Refusal struct {
	Machine link.Machine
	Why     Why
	// What happened, and what to do about it: sentences without their full stop. Advice may be empty.
	What, Advice string
	Cause        error
}

// Error names the machine, what happened and what to do.
func (r *Refusal) Error() string {
	text := r.Machine.String() + ": " + r.What
	if r.Advice != "" {
		text += "; " + r.Advice
	}
	return text
}

func (r *Refusal) Unwrap() error { return r.Cause }

// Kind is the kind that the refusal has in the contract of providers.
func (r *Refusal) Kind() providers.ErrorKind {
	switch r.Why {
	case NotLinux, WrongArchitecture, NoProgram, InTheWay:
		return providers.Invalid
	case NoSudo, SudoAsks, SudoRefuses:
		return providers.Auth
	case Owned, InUse:
		return providers.Conflict
	case DiskFull:
		return providers.NoCapacity
	}
	return providers.Internal
}

// refused turns what the agent answered into a refusal.
func refused(m link.Machine, e *api.Error, conflict Why) *Refusal {
	r := &Refusal{Machine: m, Why: Failed, What: e.Message, Cause: e}
	if e.Kind == api.KindConflict {
		r.Why = conflict
	}
	return r
}
