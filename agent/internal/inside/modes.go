package inside

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// flag is a bit of one of the words of a terminal's settings.
type flag struct {
	word func(*unix.Termios) *termWord
	bit  termWord
}

func input(t *unix.Termios) *termWord   { return &t.Iflag }
func output(t *unix.Termios) *termWord  { return &t.Oflag }
func control(t *unix.Termios) *termWord { return &t.Cflag }
func local(t *unix.Termios) *termWord   { return &t.Lflag }

// flags are the modes of RFC 4254 8 that are on or off.
var flags = map[byte]flag{
	30: {input, unix.IGNPAR}, 31: {input, unix.PARMRK}, 32: {input, unix.INPCK}, 33: {input, unix.ISTRIP}, 34: {input, unix.INLCR},
	35: {input, unix.IGNCR}, 36: {input, unix.ICRNL}, 38: {input, unix.IXON}, 39: {input, unix.IXANY}, 40: {input, unix.IXOFF},
	41: {input, unix.IMAXBEL}, 42: {input, unix.IUTF8},
	50: {local, unix.ISIG}, 51: {local, unix.ICANON}, 53: {local, unix.ECHO}, 54: {local, unix.ECHOE}, 55: {local, unix.ECHOK},
	56: {local, unix.ECHONL}, 57: {local, unix.NOFLSH}, 58: {local, unix.TOSTOP}, 59: {local, unix.IEXTEN}, 60: {local, unix.ECHOCTL},
	61: {local, unix.ECHOKE}, 62: {local, unix.PENDIN},
	70: {output, unix.OPOST}, 72: {output, unix.ONLCR}, 73: {output, unix.OCRNL}, 74: {output, unix.ONOCR}, 75: {output, unix.ONLRET},
	90: {control, unix.CS7}, 91: {control, unix.CS8}, 92: {control, unix.PARENB}, 93: {control, unix.PARODD},
}

// characters are the modes of RFC 4254 8 that are a key.
var characters = map[byte]int{
	1: unix.VINTR, 2: unix.VQUIT, 3: unix.VERASE, 4: unix.VKILL, 5: unix.VEOF, 6: unix.VEOL, 7: unix.VEOL2, 8: unix.VSTART,
	9: unix.VSTOP, 10: unix.VSUSP, 12: unix.VREPRINT, 13: unix.VWERASE, 14: unix.VLNEXT, 18: unix.VDISCARD,
}

// noCharacter is a key that is on no keyboard.
const noCharacter = 255

// setModes gives a terminal the modes of the client's. Modes that this system does not have are left out.
func setModes(fd int, modes []byte) error {
	t, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return err
	}
	applyModes(t, modes)
	return unix.IoctlSetTermios(fd, setTermios, t)
}

func applyModes(t *unix.Termios, modes []byte) {
	for len(modes) >= 5 {
		mode, value := modes[0], binary.BigEndian.Uint32(modes[1:])
		modes = modes[5:]
		if mode == 0 || mode >= 160 {
			return // the end, or what is not defined
		}
		if f, ok := flags[mode]; ok {
			if word := f.word(t); value != 0 {
				*word |= f.bit
			} else {
				*word &^= f.bit
			}
		}
		if at, ok := characters[mode]; ok && value <= noCharacter {
			if value == noCharacter {
				value = disabled
			}
			t.Cc[at] = byte(value)
		}
	}
}
