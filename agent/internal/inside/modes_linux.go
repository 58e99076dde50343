package inside

import "golang.org/x/sys/unix"

type termWord = uint32

const (
	getTermios = unix.TCGETS
	setTermios = unix.TCSETS
	disabled   = 0 // what a key is set to that is none
)
