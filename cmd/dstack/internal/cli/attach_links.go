package cli

import (
	"net"
	"regexp"
	"strconv"
)

// links writes the addresses in what a job says as they are reached from here: where it says http://0.0.0.0:8000, and its port
// 8000 is forwarded to port 8001 of this machine, that is http://127.0.0.1:8001.
type links struct {
	hosts map[string]bool   // that mean the job, in its own words
	ports map[string]string // its ports, and their addresses here
	held  []byte            // what may be the beginning of an address
}

// linksOf are those to the ports that are forwarded. A job calls itself by names of its own, too.
func linksOf(list []listening, names ...string) *links {
	l := &links{hosts: map[string]bool{"localhost": true, "127.0.0.1": true, "0.0.0.0": true, "[::]": true, "[::1]": true}, ports: map[string]string{}}
	for _, name := range names {
		l.hosts[name] = name != ""
	}
	for _, one := range list {
		l.ports[strconv.Itoa(one.job)] = one.address
	}
	return l
}

var (
	// linkShape has the scheme, the host, escape sequences that color the port, as web servers like to do, and the port.
	linkShape = regexp.MustCompile(`(https?://)([0-9A-Za-z_.-]+|\[[0-9a-f:]+\]):((?:\x1b\[[0-9;]*m)*)([0-9]+)`)
	// linkStart is a text at whose end an address may have begun.
	linkStart = regexp.MustCompile(`h(t(t(ps?(:(/(/(([0-9A-Za-z_.-]+|\[[0-9a-f:]*\]?)(:((\x1b\[[0-9;]*m)*(\x1b(\[[0-9;]*)?)?[0-9]*)?)?)?)?)?)?)?)?)?$`)
)

// longestLink is how much of an address is waited for. It is more than a name of a machine has.
const longestLink = 300

// rewrite gives what can be shown now of a text that goes on.
func (l *links) rewrite(text []byte) []byte {
	text = append(l.held, text...)
	at := len(text)
	if i := linkStart.FindIndex(text[max(0, len(text)-longestLink):]); i != nil {
		at = max(0, len(text)-longestLink) + i[0]
	}
	l.held = append([]byte(nil), text[at:]...)
	return l.replaced(text[:at])
}

// rest is what was held back of a text that has ended.
func (l *links) rest() []byte {
	text := l.replaced(l.held)
	l.held = nil
	return text
}

func (l *links) replaced(text []byte) []byte {
	return linkShape.ReplaceAllFunc(text, func(link []byte) []byte {
		part := linkShape.FindSubmatch(link)
		address, ok := l.ports[string(part[4])]
		if !ok || !l.hosts[string(part[2])] {
			return link
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return link
		}
		here := net.JoinHostPort(host, "")
		return append(append(append([]byte(nil), part[1]...), here...), append(part[3], port...)...)
	})
}
