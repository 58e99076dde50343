package inside

import (
	"os"
	"sync"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// size is that of a terminal, in characters and in pixels.
type size struct {
	Columns, Rows, Width, Height uint32
}

// terminal is a pseudo-terminal: a program has tty, and file is the other end of it.
type terminal struct {
	file, tty *os.File
	closing   sync.Once
}

// openTerminal makes a terminal of a size and with the modes that the client's has, as RFC 4254 8 encodes them.
func openTerminal(sz size, modes []byte) (*terminal, error) {
	master, tty, err := pty.Open()
	if err != nil {
		return nil, err
	}
	defer master.Close()
	// Read without holding a thread, and with deadlines, which what the package returns cannot do.
	fd, err := unix.FcntlInt(master.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err == nil {
		err = setModes(int(tty.Fd()), modes)
	}
	if err != nil {
		tty.Close()
		return nil, err
	}
	t := &terminal{file: os.NewFile(uintptr(fd), master.Name()), tty: tty}
	t.resize(sz)
	return t, nil
}

// resize tells the program of another size. It hears of it by SIGWINCH.
func (t *terminal) resize(to size) {
	raw, err := t.file.SyscallConn()
	if err != nil {
		return // closed
	}
	raw.Control(func(fd uintptr) {
		unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(to.Rows), Col: uint16(to.Columns), Xpixel: uint16(to.Width), Ypixel: uint16(to.Height)})
	})
}

// end types what means the end of the input, since a terminal has no other.
func (t *terminal) end() {
	t.file.Write([]byte{4})
}

// drainTime is how long the output of a program is waited for that has ended but left others behind on its terminal.
const drainTime = 250 * time.Millisecond

// drain waits until what a program that has ended wrote is shown.
func (t *terminal) drain(shown <-chan struct{}) {
	select {
	case <-shown:
	case <-time.After(drainTime):
	}
}

// Close hangs up.
func (t *terminal) Close() { t.closing.Do(func() { t.file.Close() }) }
