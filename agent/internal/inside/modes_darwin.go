package inside

import "golang.org/x/sys/unix"

type termWord = uint64

const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETA
	disabled   = 255 // what a key is set to that is none
)
