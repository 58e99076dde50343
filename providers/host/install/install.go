package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/providers/host/link"
)

// Options of an Installer.
type Options struct {
	// Programs finds the agent for a machine.
	Programs Programs
	// Root stands before the paths of all machines but for homes; it is empty but in tests.
	Root string
	// Now is the clock; time.Now unless given.
	Now func() time.Time
}

// Installer brings agents to machines, and takes them away. It is safe for concurrent use.
type Installer struct {
	o    Options
	sums sums
}

// New makes an Installer.
func New(o Options) *Installer {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Installer{o: o}
}

// Want is what a machine shall be.
type Want struct {
	// Owner is the instance that the machine is; Since is filled in where it is zero.
	Owner api.Owner
	// TakeOver takes the machine from another owner, which ends all that runs there.
	TakeOver bool
	// Keys are lines for the login's authorized_keys.
	Keys []string
	// Blocks is how many host blocks the machine is divided into.
	Blocks int
	// Env is the agent's environment.
	Env map[string]string
	// Sent, if it is there, is told how much of the agent was sent.
	Sent func(done, total int64)
}

// Done is what was done to a machine.
type Done struct {
	Host *Host
	// Did are sentences without their full stop; none if all was so already. Kept are things that stay though they are ours.
	Did, Kept []string
}

// Waits for what a machine does by itself.
const (
	askWait    = time.Minute
	changeWait = 5 * time.Minute
)

// Install makes a machine a host, and returns when its agent answers there.
func (i *Installer) Install(ctx context.Context, l *link.Link, want Want) (*Done, error) {
	h, err := i.look(ctx, l)
	if err != nil {
		return nil, err
	}
	if err := h.check(); err != nil {
		return nil, err
	}
	if h.Record != nil && !h.Record.Owner.Is(want.Owner) && !want.TakeOver {
		return nil, owned(h, want.Owner)
	}
	p, err := i.program(h)
	if err != nil {
		return nil, err
	}
	if want.Owner.Since.IsZero() {
		want.Owner.Since = i.o.Now().UTC().Truncate(time.Second)
	}
	path := api.HostProgram
	if h.Record == nil || h.Program != p.sum {
		if path, err = i.send(ctx, l, h, p, want.Sent); err != nil {
			return nil, err
		}
	}
	report, err := i.call(ctx, l, h, path, "install", api.HostSpec{
		Owner: want.Owner, TakeOver: want.TakeOver, Login: h.Login, Keys: want.Keys, Blocks: want.Blocks, Env: want.Env, Program: p.sum,
	})
	if err != nil {
		return nil, err
	}
	done := &Done{Host: h, Did: report.Did, Kept: report.Kept}
	if report.Error == nil {
		return done, nil
	}
	r := refused(h.Machine, report.Error, Owned)
	switch {
	case strings.Contains(r.What, "dstack did not put there"):
		r.Why = InTheWay
	case r.Why == Owned:
		r.Advice = ownedAdvice
	case strings.Contains(r.What, "no space left"):
		r.Why, r.Advice = DiskFull, diskAdvice
	}
	return done, r
}

const (
	ownedAdvice = "take it over with --take-over: what runs on it then ends, and it is lost to the other one, which sees it as another's"
	diskAdvice  = "make room on it, and do the same again"
)

// owned is the refusal of a machine that is another's.
func owned(h *Host, by api.Owner) *Refusal {
	o := h.Record.Owner
	text := "it is " + o.Address
	if o.Lineage == by.Lineage {
		text += " of the same state"
	} else {
		text += " of another state (" + o.Lineage + ")"
	}
	if !o.Since.IsZero() {
		text += " since " + o.Since.UTC().Format("2006-01-02 15:04 UTC")
	}
	if o.By != "" {
		text += ", by " + o.By
	}
	return &Refusal{Machine: h.Machine, Why: Owned, What: text, Advice: ownedAdvice}
}

// RemoveOptions say how a machine is given back.
type RemoveOptions struct {
	// Force ends jobs that run.
	Force bool
	// Preview changes nothing, and says what would be done.
	Preview bool
}

// Remove gives a machine back as it was. One that has no agent is left alone, and so is one of another owner.
func (i *Installer) Remove(ctx context.Context, l *link.Link, owner api.Owner, o RemoveOptions) (*Done, error) {
	h, err := i.look(ctx, l)
	if err != nil {
		return nil, err
	}
	done := &Done{Host: h}
	if h.Record == nil && !h.Leftover {
		return done, nil
	}
	if h.Record != nil && !h.Record.Owner.Is(owner) {
		r := owned(h, owner)
		r.Advice = "it stays as it is"
		return nil, r
	}
	if h.Sudo != nil {
		return nil, h.Sudo
	}
	if h.Record == nil {
		// An installation that had hardly begun: only files of ours are there, and nothing runs.
		if o.Preview {
			done.Did = []string{"removed " + api.HostFolder}
			return done, nil
		}
		at := func(path string) string { return quote(i.o.Root + path) }
		if _, err := i.root(ctx, l, h, "rm -rf "+at(api.HostFolder)+" "+at(api.HostProgramNew), "it could not be cleaned up"); err != nil {
			return nil, err
		}
		done.Did = []string{"removed " + api.HostFolder}
		return done, nil
	}
	path := api.HostProgram
	if h.Program == "" || h.Program != h.Record.Program {
		if o.Preview {
			done.Did = []string{"removed all that dstack has put there"}
			return done, nil
		}
		p, err := i.program(h)
		if err != nil {
			return nil, err
		}
		if path, err = i.send(ctx, l, h, p, nil); err != nil {
			return nil, err
		}
	}
	report, err := i.call(ctx, l, h, path, "remove", api.HostRemoval{Owner: owner, Force: o.Force, Preview: o.Preview})
	if err != nil {
		return nil, err
	}
	done.Did, done.Kept = report.Did, report.Kept
	if report.Error != nil {
		return done, refused(h.Machine, report.Error, InUse)
	}
	return done, nil
}

func (i *Installer) look(ctx context.Context, l *link.Link) (*Host, error) {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	return i.Look(ctx, l)
}

// program is the agent for a machine.
func (i *Installer) program(h *Host) (program, error) {
	path, err := i.o.Programs(h.Arch)
	var p program
	if err == nil {
		p, err = i.sums.of(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return p, &Refusal{
			Machine: h.Machine, Why: NoProgram, Cause: err,
			What:   fmt.Sprintf("the agent for its architecture, linux/%s, is not there: %s", h.Arch, path),
			Advice: "it belongs beside dstack; a release has it, and make agents builds it",
		}
	}
	return p, err
}

// call lets the agent's program do something to its machine, as root. It goes on without us if the connection is lost.
func (i *Installer) call(ctx context.Context, l *link.Link, h *Host, path, verb string, input any) (*api.HostReport, error) {
	ctx, cancel := context.WithTimeout(ctx, changeWait)
	defer cancel()
	text, err := json.Marshal(input)
	if err != nil {
		return nil, err
	}
	command := "exec " + i.asRoot(h) + quote(i.o.Root+path) + " host " + verb
	if i.o.Root != "" {
		command += " --root " + quote(i.o.Root)
	}
	p, err := l.Pipe(ctx, command)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	stop := context.AfterFunc(ctx, func() { _ = p.Close() })
	defer stop()
	// A program that ends at once does not read to the end; what it says is told below.
	_, _ = p.Write(text)
	_ = p.CloseWrite()
	out, readErr := io.ReadAll(io.LimitReader(p, 1<<20))
	code, said, err := p.Wait(ctx)
	if err != nil {
		return nil, err
	}
	report := new(api.HostReport)
	if err := errors.Join(readErr, json.Unmarshal(out, report)); err != nil {
		return nil, &Refusal{
			Machine: h.Machine, Why: Failed, Cause: err,
			What: fmt.Sprintf("its agent could not %s itself: it ended with code %d and said %q", verb, code, clip(string(out)+" "+said)),
		}
	}
	return report, nil
}

// asRoot stands before a command that root must run.
func (i *Installer) asRoot(h *Host) string {
	if h.Login.UID == 0 {
		return ""
	}
	return "sudo -n "
}

// root runs a script as root, and is a refusal where that does not end with 0.
func (i *Installer) root(ctx context.Context, l *link.Link, h *Host, script, what string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, changeWait)
	defer cancel()
	out, err := l.Script(ctx, i.asRoot(h)+"/bin/sh -c "+quote(script))
	if err != nil {
		return "", err
	}
	if out.Code == 0 {
		return string(out.Stdout), nil
	}
	said := clip(string(out.Stderr) + " " + string(out.Stdout))
	r := &Refusal{Machine: h.Machine, Why: Failed, What: fmt.Sprintf("%s: it says %q", what, said), Cause: exitCode(out.Code)}
	if strings.Contains(strings.ToLower(said), "no space left") || strings.Contains(strings.ToLower(said), "quota exceeded") {
		r.Why, r.Advice = DiskFull, diskAdvice
	}
	return "", r
}

// exitCode is that of a script.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }
