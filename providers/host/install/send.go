package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/providers/host/link"
)

// window is more than what is under way at once: what is written last on a machine when an upload breaks may have holes.
const window = 8 << 20

// spare is the room that must be left on a machine beside the agent's program.
const spare = 16 << 20

// errDamaged is that what arrived is not what was sent.
const errDamaged = exitCode(74)

// send brings the agent to a machine, to be installed, and returns where it is. An upload that broke goes on where it broke.
func (i *Installer) send(ctx context.Context, l *link.Link, h *Host, p program, sent func(done, total int64)) (string, error) {
	for _, place := range []struct {
		path string
		free int64
		need int64
	}{{api.HostFolder, h.FolderFree, p.size + spare}, {api.HostProgram, h.ProgramFree, p.size + spare}} {
		if place.free >= 0 && place.free < place.need {
			return "", &Refusal{
				Machine: h.Machine, Why: DiskFull, Advice: diskAdvice,
				What: fmt.Sprintf("its disk is full: the agent needs %d MiB for %s, and %d MiB are free", place.need>>20, place.path, place.free>>20),
			}
		}
	}
	if sent == nil {
		sent = func(int64, int64) {}
	}
	for try := 0; ; try++ {
		path, err := i.sendOnce(ctx, l, h, p, sent)
		// What went on where something else broke may be damaged; the second is sent from the start.
		if try > 0 || !errors.Is(err, errDamaged) {
			return path, err
		}
	}
}

func (i *Installer) sendOnce(ctx context.Context, l *link.Link, h *Host, p program, sent func(done, total int64)) (string, error) {
	at := func(path string) string { return i.o.Root + path }
	part := at(api.HostUploadFolder) + "/" + p.sum
	// The folder is the login's, so that it can write there; what is in it is used only after it was copied and checked.
	out, err := i.root(ctx, l, h, fmt.Sprintf(`umask 022
mkdir -p %[1]s && mkdir -p %[2]s && chown %[3]d:%[4]d %[2]s && chmod 700 %[2]s || exit
for f in %[2]s/*; do [ "$f" = %[5]s ] || rm -f "$f"; done
[ ! -f %[5]s ] || wc -c <%[5]s`, quote(at(api.HostFolder)), quote(at(api.HostUploadFolder)), h.Login.UID, h.Login.GID, quote(part)), "the folder for the agent could not be made")
	if err != nil {
		return "", err
	}
	have, _ := strconv.ParseInt(strings.TrimSpace(out), 10, 64) // nothing is there
	if err := i.upload(ctx, l, h, p, part, have, sent); err != nil {
		return "", err
	}
	fresh := at(api.HostProgramNew)
	_, err = i.root(ctx, l, h, fmt.Sprintf(`umask 022
mkdir -p %[4]s && cp %[1]s %[2]s && chmod 755 %[2]s || exit
got=$( (sha256sum %[2]s || busybox sha256sum %[2]s || openssl dgst -sha256 -r %[2]s) 2>/dev/null | cut -d ' ' -f 1)
[ -z "$got" ] || [ "$got" = %[3]s ] || { rm -f %[1]s %[2]s; echo "its checksum is $got" >&2; exit %[5]d; }
rm -f %[1]s`, quote(part), quote(fresh), p.sum, quote(at("/usr/local/bin")), int(errDamaged)), "the agent that was sent could not be put in its place")
	return api.HostProgramNew, err
}

// upload sends what is not there yet.
func (i *Installer) upload(ctx context.Context, l *link.Link, h *Host, p program, part string, have int64, sent func(done, total int64)) error {
	f, err := os.Open(p.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if have > p.size {
		have = 0
	}
	if have < p.size {
		have = max(0, have-window)
	}
	if _, err := f.Seek(have, io.SeekStart); err != nil {
		return err
	}
	if have == p.size {
		sent(have, p.size)
		return nil
	}
	in := &counted{from: f, done: have, total: p.size, sent: sent}
	err = i.bySFTP(ctx, l, part, have, in)
	if errors.Is(err, errNoSFTP) {
		err = i.byShell(ctx, l, part, have, in)
	}
	if err == nil || in.err != nil {
		return errors.Join(in.err)
	}
	if r := i.roomLeft(ctx, l, h, p.size-in.done); r != nil {
		r.Cause = err
		return r
	}
	var failure *link.Failure
	if errors.As(err, &failure) {
		return failure
	}
	select {
	case <-l.Lost():
		return &link.Failure{Machine: l.Machine(), Step: link.StepSession, What: "the connection was lost while the agent was sent; the rest is sent the next time", Cause: err}
	default:
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &Refusal{Machine: h.Machine, Why: Failed, What: fmt.Sprintf("the agent could not be sent: %v", err), Cause: err}
}

// errNoSFTP is that a server copies no files.
var errNoSFTP = errors.New("no SFTP")

func (i *Installer) bySFTP(ctx context.Context, l *link.Link, part string, have int64, in io.Reader) error {
	files, done, err := l.Files(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		select {
		case <-l.Lost():
			return err
		default:
			return errNoSFTP
		}
	}
	defer done()
	to, err := files.OpenFile(part, os.O_WRONLY|os.O_CREATE)
	if err != nil {
		return err
	}
	if err := errors.Join(to.Truncate(have)); err != nil {
		return err
	}
	if _, err := to.Seek(have, io.SeekStart); err != nil {
		return err
	}
	_, err = to.ReadFrom(in)
	return errors.Join(err, to.Close())
}

// byShell sends to a login whose server copies no files.
func (i *Installer) byShell(ctx context.Context, l *link.Link, part string, have int64, in io.Reader) error {
	command := "exec cat >" + quote(part)
	if have > 0 {
		// What may have holes is taken off first.
		command = fmt.Sprintf("head -c %d %[2]s >%[2]s.t && mv %[2]s.t %[2]s && exec cat >>%[2]s", have, quote(part))
		command = strings.ReplaceAll(command, quote(part)+".t", quote(part+".t"))
	}
	p, err := l.Pipe(ctx, command)
	if err != nil {
		return err
	}
	defer p.Close()
	stop := context.AfterFunc(ctx, func() { _ = p.Close() })
	defer stop()
	_, err = io.Copy(struct{ io.Writer }{p}, in)
	err = errors.Join(err, p.CloseWrite())
	_, _ = io.Copy(io.Discard, p)
	code, said, waitErr := p.Wait(ctx)
	if waitErr != nil {
		return waitErr
	}
	if code != 0 {
		return fmt.Errorf("it ended with code %d and says %q", code, clip(said))
	}
	return err
}

// roomLeft is a refusal if the disk is what broke an upload.
func (i *Installer) roomLeft(ctx context.Context, l *link.Link, h *Host, need int64) *Refusal {
	select {
	case <-l.Lost():
		return nil
	default:
	}
	now, err := i.look(ctx, l)
	if err != nil || now.FolderFree < 0 || now.FolderFree > min(need, 1<<20) {
		return nil
	}
	return &Refusal{Machine: h.Machine, Why: DiskFull, What: "its disk has become full while the agent was sent", Advice: diskAdvice}
}

// counted tells how much was read.
type counted struct {
	from        io.Reader
	done, total int64
	sent        func(done, total int64)
	err         error
}

// Size is how much is left. By it the copy knows that it is worth to have several pieces under way.
func (c *counted) Size() int64 { return c.total - c.done }

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	c.done += int64(n)
	if n > 0 {
		c.sent(c.done, c.total)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}
