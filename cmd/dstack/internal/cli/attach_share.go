package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/dstackai/dstack-planner/cmd/dstack/internal/sshconfig"
)

// tunnel is what one attach forwards of a job. Of all that are attached to a job by this user, one has the turn: a lock on the
// file in which it says what it forwards. The others show its ports as theirs, and one of them goes on when it has ended.
type tunnel struct {
	door *door
	host string
	turn *os.File
	mine bool // the turn
	list []listening
}

// sharedPort is a line of that file.
type sharedPort struct {
	Job   int    `json:"job"`
	Host  string `json:"host"` // where it listens, as --host says it
	Local int    `json:"local"`
}

// turns is the folder with a file for each job that somebody is or was attached to: its alias and its id.
func turns(files sshconfig.Files) string { return filepath.Join(files.Dir, "attached") }

// forgetTurns removes those of jobs whose alias begins with a prefix and that are none to keep.
func forgetTurns(files sshconfig.Files, prefix string, keep func(name string) bool) error {
	list, err := os.ReadDir(turns(files))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range list {
		alias, uerr := url.PathUnescape(e.Name())
		rest, ours := strings.CutPrefix(alias, prefix)
		if name, _, _ := strings.Cut(rest, "."); uerr == nil && ours && !keep(name) {
			err = errors.Join(err, os.Remove(filepath.Join(turns(files), e.Name())))
		}
	}
	return err
}

// tunnel takes the ports that are wanted, as far as nobody forwards them already.
func (d *door) tunnel(host string, wanted []forward) (*tunnel, error) {
	if err := os.MkdirAll(turns(d.files), 0o700); err != nil {
		return nil, failedWith(err, "Ports cannot be shared with other terminals")
	}
	file, err := os.OpenFile(filepath.Join(turns(d.files), url.PathEscape(d.alias+"."+d.job.ID)), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, failedWith(err, "Ports cannot be shared with other terminals")
	}
	t := &tunnel{door: d, host: host, turn: file}
	err = d.files.Locked(func() error {
		t.take()
		var have []sharedPort
		if !t.mine {
			if have, err = t.said(); err != nil {
				return err
			}
		}
		if t.list, err = listenAll(host, wanted, have); err != nil {
			return err
		}
		return t.say()
	})
	if err != nil {
		t.close()
		return nil, failedWith(err, "Ports cannot be forwarded")
	}
	return t, nil
}

// take has the turn if nobody else has it. The kernel gives back that of a program that has ended.
func (t *tunnel) take() bool {
	if !t.mine {
		t.mine = syscall.Flock(int(t.turn.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
	}
	return t.mine
}

// say tells others what is forwarded.
func (t *tunnel) say() error {
	if !t.mine {
		return nil
	}
	said := []sharedPort{}
	for _, l := range t.list {
		if l.listener != nil {
			said = append(said, sharedPort{l.job, t.host, l.listener.Addr().(*net.TCPAddr).Port})
		}
	}
	text, err := json.Marshal(said)
	if err != nil {
		return err
	}
	if err := t.turn.Truncate(0); err != nil {
		return err
	}
	_, err = t.turn.WriteAt(text, 0)
	return err
}

// said is what the one who has the turn has told.
func (t *tunnel) said() ([]sharedPort, error) {
	text, err := os.ReadFile(t.turn.Name())
	if err != nil {
		return nil, err
	}
	var out []sharedPort
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("read %s: %w", t.turn.Name(), err)
	}
	return out, nil
}

// shared tells whether another attach forwards some of the ports.
func (t *tunnel) shared() bool {
	for _, l := range t.list {
		if l.listener == nil {
			return true
		}
	}
	return false
}

// serve forwards connections until the context ends, also those to the ports of another attach once that has ended.
func (t *tunnel) serve(ctx context.Context, to *ssh.Client) {
	for _, l := range t.list {
		if l.listener != nil {
			go l.serve(to)
		}
	}
	for t.shared() {
		if sleep(ctx, pollEvery) != nil {
			return
		}
		for _, l := range t.succeed() {
			go l.serve(to)
		}
	}
}

// succeed takes over the ports of an attach that has ended, and gives them.
func (t *tunnel) succeed() []listening {
	var taken []listening
	err := t.door.files.Locked(func() error {
		if !t.take() {
			return nil
		}
		var lost []error
		for i, l := range t.list {
			if l.listener != nil {
				continue
			}
			listener, err := net.Listen("tcp", l.address)
			if err != nil {
				lost = append(lost, err)
				continue
			}
			t.list[i].listener = listener
			taken = append(taken, t.list[i])
		}
		t.list = withListeners(t.list)
		return errors.Join(append(lost, t.say())...)
	})
	if len(taken) > 0 {
		t.door.app.say("The other attach has ended; its ports go on here.")
	}
	if err != nil {
		t.door.app.say("Another attach has ended, and not all of its ports could be taken over: %v.", err)
	}
	return taken
}

func withListeners(list []listening) []listening {
	var out []listening
	for _, l := range list {
		if l.listener != nil {
			out = append(out, l)
		}
	}
	return out
}

// close gives the ports back, and then the turn.
func (t *tunnel) close() {
	closeAll(t.list)
	t.turn.Close()
}

// sharedAddress is where another attach forwards a port that is wanted, "" if it does not.
func sharedAddress(host string, f forward, have []sharedPort) string {
	for _, h := range have {
		if h.Job == f.job && h.Host == host && (!f.exact || h.Local == f.local) {
			return net.JoinHostPort(host, strconv.Itoa(h.Local))
		}
	}
	return ""
}
