package link

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Machine says where a machine is, who one is there, and what its host key was. What is left empty is looked up in the
// user's ~/.ssh/config.
type Machine struct {
	// Host is a name, an address, or an alias of ~/.ssh/config.
	Host string
	// Port is 22 when it is 0.
	Port int
	// User is who logs in.
	User string
	// Identity is the path of a private key; "~/" is the home folder.
	Identity string
	// Jump is the head node through which the machine is reached. It has none itself.
	Jump *Machine
	// Pin is the host key that was seen at first contact, as in authorized_keys: "ssh-ed25519 AAAA...". It counts where
	// known_hosts does not know the machine.
	Pin string
}

// address is what is dialled.
func (m Machine) address() string { return net.JoinHostPort(m.Host, strconv.Itoa(m.Port)) }

// String is how errors name a machine: user@host, with the port if it is another than 22, and its head node.
func (m Machine) String() string {
	text := m.Host
	if m.Port != 0 && m.Port != 22 {
		text = m.address()
	}
	if m.User != "" {
		text = m.User + "@" + text
	}
	if m.Jump != nil {
		text += " through " + m.Jump.String()
	}
	return text
}

// key tells connections apart. Two machines with one key share theirs.
func (m Machine) key() string {
	text := strings.Join([]string{m.User, m.address(), m.Identity, m.Pin}, "\x00")
	if m.Jump != nil {
		text += "\x00\x00" + m.Jump.key()
	}
	return text
}

// check refuses what can never be dialled.
func (m Machine) check() error {
	switch {
	case m.Host == "":
		return fmt.Errorf("it has no host name")
	case strings.HasPrefix(m.Host, "-") || strings.ContainsAny(m.Host, " \t\r\n/@\x00"):
		return fmt.Errorf("%q is no host name", m.Host)
	case m.Port < 0 || m.Port > 65535:
		return fmt.Errorf("%d is no port", m.Port)
	case m.Jump != nil && m.Jump.Jump != nil:
		return fmt.Errorf("its head node has a head node itself; one between is all that is supported")
	case m.Jump != nil:
		return m.Jump.check()
	}
	return nil
}
