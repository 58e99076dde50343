package value

import (
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// PortMapping says which port of a container is reached at which port of the machine that attaches to it: 8000,
// "9000:8000", or "*:8000" for any free local port.
type PortMapping struct {
	text             string
	local, container int // local is 0 for any
}

const mostPort = 65535

var portWords = words{"Port mapping",
	`It is a port, LOCAL:CONTAINER, or *:CONTAINER for any free local port (8000, "9000:8000", "*:8000"); ports are 1 to 65535.`}

var portForms = forms[PortMapping]{
	words: portWords,
	text:  ParsePortMapping,
	number: func(text string) (PortMapping, error) {
		p, err := ParsePortMapping(text)
		return p.settled(), err
	},
	object: portFromObject,
}

// ParsePortMapping reads a port or two with a colon between them.
func ParsePortMapping(text string) (PortMapping, error) {
	local, container, err := parsePorts(text, portWords, true)
	if err != nil {
		return PortMapping{}, err
	}
	if local < 0 {
		local = container
	}
	return PortMapping{text: text, local: local, container: container}, nil
}

// Local is the local port, and false if any free one will do.
func (p PortMapping) Local() (int, bool) { return p.local, p.local != 0 }

// Container is the port of the container.
func (p PortMapping) Container() int { return p.container }

// String is the mapping as written.
func (p PortMapping) String() string { return p.text }

// Canonical is "LOCAL:CONTAINER" or "*:CONTAINER".
func (p PortMapping) Canonical() string {
	switch {
	case p.IsZero():
		return ""
	case p.local == 0:
		return "*:" + strconv.Itoa(p.container)
	}
	return portsText(p.local, p.container)
}

// IsZero reports whether the mapping is unset.
func (p PortMapping) IsZero() bool { return p == PortMapping{} }

// Equal reports whether both map the same ports.
func (p PortMapping) Equal(o PortMapping) bool {
	return p.local == o.local && p.container == o.container
}

// MarshalText gives the text as written.
func (p PortMapping) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// UnmarshalText reads a mapping.
func (p *PortMapping) UnmarshalText(text []byte) error { return decodeText(p, text, ParsePortMapping) }

// UnmarshalCty reads a string, a number, or an object { local_port, container_port }; without local_port any free
// local port will do.
func (p *PortMapping) UnmarshalCty(v cty.Value) error { return decodeCty(p, v, portForms) }

// Grammar describes port mappings.
func (PortMapping) Grammar() Grammar {
	return Grammar{
		Name:    "Port mapping",
		Summary: "Which port of a container is reached at which local port.",
		Forms: []Form{
			{`8000`, "port 8000 at the local port 8000"},
			{`"9000:8000"`, "port 8000 at the local port 9000"},
			{`"*:8000"`, "port 8000 at any free local port"},
			{`{ local_port = 9000, container_port = 8000 }`, "port 8000 at the local port 9000"},
			{`{ container_port = 8000 }`, "port 8000 at any free local port"},
		},
		Schema: anyOf(textSchema(`^\s*((\d+|\*)\s*:\s*)?\d+\s*$`), portNumberSchema(),
			objectSchema([]string{"container_port"}, map[string]Schema{"local_port": portSchema(), "container_port": portSchema()})),
	}
}

// ServicePort is the port of a service's container and the port at which the service is reached: 8000 means 80:8000.
type ServicePort struct {
	text             string
	local, container int
}

const defaultServicePort = 80

var servicePortWords = words{"Service port",
	`It is the port of the container, or SERVICE:CONTAINER (8000, which is 80:8000, or "8080:8000"); ports are 1 to 65535.`}

var servicePortForms = forms[ServicePort]{
	words: servicePortWords,
	text:  ParseServicePort,
	number: func(text string) (ServicePort, error) {
		p, err := ParseServicePort(text)
		return p.settled(), err
	},
	object: servicePortFromObject,
}

// ParseServicePort reads a port or two with a colon between them.
func ParseServicePort(text string) (ServicePort, error) {
	local, container, err := parsePorts(text, servicePortWords, false)
	if err != nil {
		return ServicePort{}, err
	}
	if local < 0 {
		local = defaultServicePort
	}
	return ServicePort{text: text, local: local, container: container}, nil
}

// Local is the port at which the service is reached.
func (p ServicePort) Local() int { return p.local }

// Container is the port of the container.
func (p ServicePort) Container() int { return p.container }

// String is the port as written.
func (p ServicePort) String() string { return p.text }

// Canonical is "SERVICE:CONTAINER".
func (p ServicePort) Canonical() string {
	if p.IsZero() {
		return ""
	}
	return portsText(p.local, p.container)
}

// IsZero reports whether the port is unset.
func (p ServicePort) IsZero() bool { return p == ServicePort{} }

// Equal reports whether both are the same ports.
func (p ServicePort) Equal(o ServicePort) bool {
	return p.local == o.local && p.container == o.container
}

// MarshalText gives the text as written.
func (p ServicePort) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// UnmarshalText reads a port or two.
func (p *ServicePort) UnmarshalText(text []byte) error { return decodeText(p, text, ParseServicePort) }

// UnmarshalCty reads a string, a number, or an object { local_port, container_port }, where local_port is 80 unless set.
func (p *ServicePort) UnmarshalCty(v cty.Value) error { return decodeCty(p, v, servicePortForms) }

// Grammar describes ports of services.
func (ServicePort) Grammar() Grammar {
	return Grammar{
		Name:    "Service port",
		Summary: "The port of a service's container, and the port at which the service is reached.",
		Forms: []Form{
			{`8000`, "port 8000, reached at port 80"},
			{`"8080:8000"`, "port 8000, reached at port 8080"},
			{`{ local_port = 8080, container_port = 8000 }`, "port 8000, reached at port 8080"},
		},
		Schema: anyOf(textSchema(`^\s*(\d+\s*:\s*)?\d+\s*$`), portNumberSchema(),
			objectSchema([]string{"container_port"}, map[string]Schema{"local_port": portSchema(), "container_port": portSchema()})),
	}
}

func portNumberSchema() Schema { return Schema{"type": "integer", "minimum": 1, "maximum": mostPort} }

func portSchema() Schema { return anyOf(portNumberSchema(), textSchema(`^\s*\d+\s*$`)) }

func portsText(local, container int) string {
	return strconv.Itoa(local) + ":" + strconv.Itoa(container)
}

func (p PortMapping) settled() PortMapping {
	p.text = p.Canonical()
	return p
}

func (p ServicePort) settled() ServicePort {
	p.text = p.Canonical()
	return p
}

// parsePorts reads `N`, `L:C` or, if anyLocal, `*:C`, with blanks around each. local is -1 if it is not said and 0
// for any.
func parsePorts(text string, w words, anyLocal bool) (local, container int, err error) {
	if strings.Trim(text, " \t") == "" {
		return 0, 0, mistake(w.noun+" is empty", "The text is empty. %s", w.accepts)
	}
	first, second, two := strings.Cut(text, ":")
	if !two {
		container, err = parsePort(text, w)
		return -1, container, err
	}
	colon := len(first)
	if again := strings.IndexByte(second, ':'); again >= 0 {
		at := colon + 1 + again
		return 0, 0, mistakeAt(at, len(text)-at, w.noun+" has too many parts", "More than one colon stands in %s. %s", quote(text), w.accepts)
	}
	switch strings.Trim(first, " \t") {
	case "":
		return 0, 0, mistakeAt(0, colon+1, w.noun+" lacks a port", "No port stands before the colon. %s", w.accepts)
	case "*":
		if !anyLocal {
			return 0, 0, mistakeAt(0, colon, w.noun+" has no fixed port",
				`A service is reached at a fixed port, so it cannot be "*". %s`, w.accepts)
		}
	default:
		if local, err = parsePort(first, w); err != nil {
			return 0, 0, err
		}
	}
	if strings.Trim(second, " \t") == "" {
		return 0, 0, mistakeAt(colon, len(text)-colon, w.noun+" lacks the container's port", "No port stands behind the colon. %s", w.accepts)
	}
	container, err = parsePort(second, w)
	return local, container, shifted(colon+1, err)
}

// parsePort reads one port with blanks around it.
func parsePort(text string, w words) (int, error) {
	s := strings.Trim(text, " \t")
	start := strings.Index(text, s)
	n, ok := digits(s, mostPort)
	switch {
	case ok && n > 0:
		return int(n), nil
	case s == "":
		return 0, mistake(w.noun+" is empty", "The text is empty. %s", w.accepts)
	case allDigits(strings.TrimPrefix(s, "-")):
		return 0, mistakeAt(start, len(s), w.noun+" is out of range", "%s is no port. %s", quote(s), w.accepts)
	}
	return 0, mistakeAt(start, len(s), w.noun+" is not a number", "%s is not a whole number. %s", quote(s), w.accepts)
}

// onePortForms reads one port.
func onePortForms(w words) forms[int] {
	parse := func(text string) (int, error) { return parsePort(text, w) }
	return forms[int]{words: w, text: parse, number: parse}
}

// portsFromObject reads `{ local_port, container_port }`; local is 0 if it is not there.
func portsFromObject(o object) (local, container int, err error) {
	if err = o.only("local_port", "container_port"); err != nil {
		return 0, 0, err
	}
	if local, _, err = attr(o, "local_port", onePortForms(o.words)); err != nil {
		return 0, 0, err
	}
	container, set, err := attr(o, "container_port", onePortForms(o.words))
	if err != nil {
		return 0, 0, err
	}
	if !set {
		return 0, 0, mistake(o.noun+" lacks the container's port", "The object has no container_port. %s", o.accepts)
	}
	return local, container, nil
}

func portFromObject(o object) (PortMapping, error) {
	local, container, err := portsFromObject(o)
	if err != nil {
		return PortMapping{}, err
	}
	return PortMapping{local: local, container: container}.settled(), nil
}

func servicePortFromObject(o object) (ServicePort, error) {
	local, container, err := portsFromObject(o)
	if err != nil {
		return ServicePort{}, err
	}
	if local == 0 {
		local = defaultServicePort
	}
	return ServicePort{local: local, container: container}.settled(), nil
}
