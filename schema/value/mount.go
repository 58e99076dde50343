package value

import (
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
)

// Mount says what a job finds at a path of its container: a volume, or a folder of the instance.
//
// A volume is given by name; several names are alternatives, of which the one in the instance's backend, region and
// zone is mounted. An optional folder is mounted where it can be and left out elsewhere.
type Mount struct {
	text         string
	volumes      []Name
	instancePath string
	path         string
	optional     bool
}

var mountWords = words{"Mount",
	`A mount is SOURCE:PATH, where SOURCE is a volume's name or a path of the instance ("data:/data", "/mnt/cache:/cache"), ` +
		`or an object { volume, path } or { instance_path, path, optional }.`}

var mountForms = forms[Mount]{words: mountWords, text: ParseMount, object: mountFromObject}

// ParseMount reads SOURCE:PATH. Alternatives are separated by "|", and a "?" before a path of the instance makes it
// optional.
func ParseMount(text string) (Mount, error) {
	source, target, two := strings.Cut(text, ":")
	if !two {
		return Mount{}, mistakeAt(0, len(text), "Mount lacks a path", "%s has no colon and a path of the container behind it. %s", quote(text), mountWords.accepts)
	}
	if third := strings.IndexByte(target, ':'); third >= 0 {
		at := len(source) + 1 + third
		return Mount{}, mistakeAt(at, len(text)-at, "Mount has too many parts",
			"A mount has two parts; %s is a third. There are no mount options such as ro: a mount can be written to. %s",
			quote(text[at+1:]), mountWords.accepts)
	}
	m := Mount{text: text}
	var err error
	if m.path, err = ParseMountPath(target); err != nil {
		return Mount{}, shifted(len(source)+1, err)
	}
	if strings.Contains(source, "/") {
		folder := source
		if m.optional = strings.HasPrefix(source, "?"); m.optional {
			folder = source[1:]
		}
		if m.instancePath, err = ParseInstancePath(folder); err != nil {
			return Mount{}, shifted(len(source)-len(folder), err)
		}
		return m, nil
	}
	at := 0
	for name := range strings.SplitSeq(source, "|") {
		if err := m.addVolume(name); err != nil {
			return Mount{}, shifted(at, err)
		}
		at += len(name) + 1
	}
	return m, nil
}

// ParseMountPath reads the path at which a job finds something, alone. It returns it clean.
func ParseMountPath(text string) (string, error) {
	p, err := absolute(text, "path of the container")
	if err == nil && p == "/" {
		return "", mistakeAt(0, len(text), "Mount would hide the container",
			"Nothing can be mounted at the root of a container. Mount it below, as in \"data:/data\".")
	}
	return p, err
}

// ParseInstancePath reads the path of a folder of the instance, alone. It returns it clean.
func ParseInstancePath(text string) (string, error) { return absolute(text, "path of the instance") }

// MountVolume mounts the first fitting of some volumes at a path.
func MountVolume(at string, volumes ...Name) (Mount, error) {
	target, err := ParseMountPath(at)
	if err != nil {
		return Mount{}, err
	}
	m := Mount{path: target}
	if len(volumes) == 0 {
		return Mount{}, noVolume()
	}
	for _, v := range volumes {
		if err := m.addVolume(string(v)); err != nil {
			return Mount{}, err
		}
	}
	return m.settled(), nil
}

// Volumes lists the volumes, which are alternatives. It is empty for a folder of the instance.
func (m Mount) Volumes() []Name { return slices.Clone(m.volumes) }

// InstancePath is the folder of the instance, absolute and clean. It is empty for a volume.
func (m Mount) InstancePath() string { return m.instancePath }

// Path is where the job finds it, absolute and clean.
func (m Mount) Path() string { return m.path }

// Optional reports whether the folder of the instance is left out where it cannot be mounted.
func (m Mount) Optional() bool { return m.optional }

// IsVolume reports whether a volume is mounted.
func (m Mount) IsVolume() bool { return len(m.volumes) > 0 }

// String is the mount as written.
func (m Mount) String() string { return m.text }

// Canonical is the mount with clean paths: "data:/data", "a|b:/data", "/mnt/cache:/cache" or "?/mnt/cache:/cache".
func (m Mount) Canonical() string {
	if m.IsZero() {
		return ""
	}
	var b strings.Builder
	for i, v := range m.volumes {
		if i > 0 {
			b.WriteByte('|')
		}
		b.WriteString(string(v))
	}
	if m.optional {
		b.WriteByte('?')
	}
	b.WriteString(m.instancePath)
	b.WriteByte(':')
	b.WriteString(m.path)
	return b.String()
}

// IsZero reports whether the mount is unset.
func (m Mount) IsZero() bool { return m.path == "" }

// Equal reports whether both mount the same at the same path.
func (m Mount) Equal(o Mount) bool { return m.Canonical() == o.Canonical() }

// MarshalText gives the text as written.
func (m Mount) MarshalText() ([]byte, error) { return []byte(m.text), nil }

// UnmarshalText reads a mount.
func (m *Mount) UnmarshalText(text []byte) error { return decodeText(m, text, ParseMount) }

// UnmarshalCty reads a string, an object { name, path } whose name is a volume's name or a list of alternatives (the
// key may be volume, too, and an alternative an object with a name, such as a reference to a volume), or an object
// { instance_path, path, optional }.
func (m *Mount) UnmarshalCty(v cty.Value) error { return decodeCty(m, v, mountForms) }

// Grammar describes mounts.
func (Mount) Grammar() Grammar {
	text := Schema{"type": "string"}
	source := anyOf(text, listSchema(text))
	flag := Schema{"type": "boolean"}
	return Grammar{
		Name:    "Mount",
		Summary: "What a job finds at a path of its container: a volume, or a folder of the instance.",
		Forms: []Form{
			{`"data:/data"`, "the volume data at /data"},
			{`"data-eu|data-us:/data"`, "whichever of two volumes is near the instance"},
			{`"/mnt/cache:/cache"`, "a folder of the instance at /cache"},
			{`"?/mnt/cache:/cache"`, "the same, left out where it cannot be mounted"},
			{`{ name = ["data-eu", "data-us"], path = "/data" }`, "whichever of two volumes is near the instance"},
			{`{ volume = volume.data[0], path = "/data" }`, "a volume of this configuration at /data"},
			{`{ instance_path = "/mnt/cache", path = "/cache", optional = true }`, "a folder of the instance, if it can be mounted"},
		},
		Schema: anyOf(
			textSchema(`^([^:/]+|\??/[^:]*):/[^:]*$`),
			objectSchema([]string{"name", "path"}, map[string]Schema{"name": source, "path": text, "optional": flag}),
			objectSchema([]string{"volume", "path"}, map[string]Schema{"volume": source, "path": text, "optional": flag}),
			objectSchema([]string{"instance_path", "path"}, map[string]Schema{"instance_path": text, "path": text, "optional": flag}),
		),
	}
}

func (m Mount) settled() Mount {
	m.text = m.Canonical()
	return m
}

// addVolume adds an alternative.
func (m *Mount) addVolume(name string) error {
	if name == "" {
		return mistakeAt(0, 0, "Mount has an empty source", "The name of the volume is empty. %s", mountWords.accepts)
	}
	n, err := ParseName(name)
	if err != nil {
		return renamed("Mount names no valid volume", err)
	}
	if slices.Contains(m.volumes, n) {
		return mistakeAt(0, len(name), "Mount names a volume twice", "%s is there already. Remove one of them.", quote(name))
	}
	m.volumes = append(m.volumes, n)
	return nil
}

func noVolume() *Error {
	return mistake("Mount has an empty source", "The list of volumes is empty. %s", mountWords.accepts)
}

// absolute reads a path, which must be absolute and may not contain "..", and cleans it.
func absolute(s, what string) (string, error) {
	if s == "" {
		return "", mistakeAt(0, 0, "Mount has an empty path", "The %s is empty. %s", what, mountWords.accepts)
	}
	if s[0] != '/' {
		hint := ""
		if s[0] == '~' {
			hint = ` "~" is not expanded, because it would mean another folder on each machine.`
		}
		return "", mistakeAt(0, len(s), "Mount has a relative path",
			"The %s, %s, does not start with \"/\".%s %s", what, quote(s), hint, mountWords.accepts)
	}
	at := 0
	for part := range strings.SplitSeq(s, "/") {
		if part == ".." {
			return "", mistakeAt(at, 2, "Mount has a path with a parent folder", "The %s, %s, contains \"..\". Write it without.", what, quote(s))
		}
		at += len(part) + 1
	}
	for i, c := range s {
		if c == ':' || c == utf8.RuneError || unicode.IsControl(c) {
			_, size := utf8.DecodeRuneInString(s[i:])
			return "", mistakeAt(i, size, "Mount has an invalid character", "The %s, %s, contains %s.", what, quote(s), quote(string(c)))
		}
	}
	return path.Clean(s), nil
}

func mountFromObject(o object) (Mount, error) {
	if err := o.only("name", "volume", "instance_path", "path", "optional"); err != nil {
		return Mount{}, err
	}
	var given []string
	for _, key := range []string{"name", "volume", "instance_path"} {
		if o.has(key) {
			given = append(given, key)
		}
	}
	if len(given) != 1 {
		found := "none of them"
		if len(given) > 1 {
			found = strings.Join(given, " and ")
		}
		return Mount{}, mistake("Mount has no single source", "A mount has one of name, volume and instance_path; this has %s. %s", found, mountWords.accepts)
	}
	target, set, err := attr(o, "path", stringForms("Path", mountWords.accepts))
	if err != nil {
		return Mount{}, err
	}
	if !set {
		return Mount{}, mistake("Mount lacks a path", "The object has no path. %s", mountWords.accepts)
	}
	var m Mount
	if m.path, err = ParseMountPath(target); err != nil {
		return Mount{}, within(cty.GetAttrStep{Name: "path"}, err)
	}
	if m.optional, _, err = attr(o, "optional", flagForms("Optional", "It is true or false.")); err != nil {
		return Mount{}, err
	}
	if given[0] == "instance_path" {
		folder, _, err := attr(o, "instance_path", stringForms("Path", mountWords.accepts))
		if err != nil {
			return Mount{}, err
		}
		if m.instancePath, err = ParseInstancePath(folder); err != nil {
			return Mount{}, within(cty.GetAttrStep{Name: "instance_path"}, err)
		}
		return m.settled(), nil
	}
	if m.optional {
		return Mount{}, within(cty.GetAttrStep{Name: "optional"},
			mistake("Mount of a volume cannot be optional", "Only a folder of the instance (instance_path) can be optional. Remove optional."))
	}
	names, _, err := attr(o, given[0], volumeForms())
	if err != nil {
		return Mount{}, err
	}
	if len(names) == 0 {
		return Mount{}, within(cty.GetAttrStep{Name: given[0]}, noVolume())
	}
	for _, name := range names {
		if err := m.addVolume(name); err != nil {
			return Mount{}, within(cty.GetAttrStep{Name: given[0]}, err)
		}
	}
	return m.settled(), nil
}

// volumeForms reads a volume's name, an object that has it, or a list of these.
func volumeForms() forms[[]string] {
	w := words{"Volume", "It is the name of a volume, a reference to one, or a list of these, which are alternatives."}
	one := forms[string]{
		words: w,
		text:  func(s string) (string, error) { return s, nil },
		object: func(o object) (string, error) {
			name, set, err := attr(o, "name", stringForms("Name", w.accepts))
			if err == nil && !set {
				err = mistake("Volume has no name", "The object has no name. %s", w.accepts)
			}
			return name, err
		},
	}
	single := func(s string, err error) ([]string, error) {
		if err != nil {
			return nil, err
		}
		return []string{s}, nil
	}
	return forms[[]string]{
		words:  w,
		text:   func(s string) ([]string, error) { return []string{s}, nil },
		object: func(o object) ([]string, error) { return single(one.object(o)) },
		list:   func(items []cty.Value) ([]string, error) { return each(items, one) },
	}
}
