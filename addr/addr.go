package addr

import (
	"strconv"
	"strings"
)

// Key is the key of one instance of a block or of one resource of it: none, a number, or a string.
type Key struct {
	kind keyKind
	num  int
	text string
}

type keyKind uint8

const (
	keyNone keyKind = iota
	keyInt
	keyString
)

// NoKey is the key of what is not repeated.
var NoKey = Key{}

// Int makes a key as count and nodes give it.
func Int(n int) Key { return Key{kind: keyInt, num: n} }

// String makes a key as for_each and hostnames give it.
func String(s string) Key { return Key{kind: keyString, text: s} }

// IsSet tells whether there is a key at all.
func (k Key) IsSet() bool { return k.kind != keyNone }

// Int returns the number of a number key.
func (k Key) Int() (int, bool) { return k.num, k.kind == keyInt }

// Text returns the key as a plain word, for names: 0, eu.
func (k Key) Text() string {
	if k.kind == keyInt {
		return strconv.Itoa(k.num)
	}
	return k.text
}

// String returns the key as it stands in an address: "", [0], ["eu"].
func (k Key) String() string {
	switch k.kind {
	case keyInt:
		return "[" + strconv.Itoa(k.num) + "]"
	case keyString:
		return "[" + quote(k.text) + "]"
	}
	return ""
}

// Compare orders keys: none, numbers by value, strings.
func (k Key) Compare(o Key) int {
	switch {
	case k.kind != o.kind:
		return int(k.kind) - int(o.kind)
	case k.kind == keyInt:
		return k.num - o.num
	}
	return strings.Compare(k.text, o.text)
}

// Module is the path of a module, as text: "" for the root, module.eu, module.eu["a"].module.net.
type Module string

// Root is the module that the command was started in.
const Root Module = ""

// Child returns the path of a module called from m.
func (m Module) Child(name string, key Key) Module {
	step := "module." + name + key.String()
	if m == Root {
		return Module(step)
	}
	return m + "." + Module(step)
}

// Block is a block of the language as written, all its repetitions together: fleet.train, variable.size.
type Block struct {
	Module Module
	Type   string // the type of the block: fleet, volume, task, variable, ...
	Name   string // its label
}

// String returns the address.
func (b Block) String() string { return b.Instance(NoKey).String() }

// Instance returns one repetition of the block.
func (b Block) Instance(k Key) Instance { return Instance{Block: b, Key: k} }

// Instance is one repetition of a block by count or for_each: fleet.train["eu"]. A block without either has exactly
// one, with NoKey.
type Instance struct {
	Block
	Key Key
}

// String returns the address.
func (i Instance) String() string {
	var b strings.Builder
	i.write(&b)
	return b.String()
}

func (i Instance) write(b *strings.Builder) {
	if i.Module != Root {
		b.WriteString(string(i.Module))
		b.WriteByte('.')
	}
	b.WriteString(i.Type)
	b.WriteByte('.')
	b.WriteString(i.Name)
	b.WriteString(i.Key.String())
}

// Self returns the address of the resource that is the block itself: a volume, a gateway.
func (i Instance) Self() Resource { return Resource{Block: i} }

// Machine returns the address of an instance (a machine) of a fleet or run.
func (i Instance) Machine(k Key) Resource { return Resource{Block: i, part: partInstance, key: k} }

// Job returns the address of a job of a run.
func (i Instance) Job(n int) Resource { return Resource{Block: i, part: partJob, key: Int(n)} }

type part uint8

const (
	partSelf part = iota
	partInstance
	partJob
)

// Kinds of resources, as they stand in plans and state.
const (
	KindInstance = "instance"
	KindVolume   = "volume"
	KindGateway  = "gateway"
	KindJob      = "job"
	KindSupport  = "support"
)

// Kinds lists all kinds in the order in which they are usually made.
func Kinds() []string {
	return []string{KindSupport, KindInstance, KindVolume, KindGateway, KindJob}
}

// Resource is one resource instance: what a plan acts on and a state records.
type Resource struct {
	Block   Instance
	part    part
	key     Key
	support string
}

// IsZero tells whether the address is unset.
func (r Resource) IsZero() bool { return r == Resource{} }

// Support returns the address of a support object of r, or of the backend when r is Backend(name).
func (r Resource) Support(name string) Resource {
	r.support = name
	return r
}

// Backend returns the owner of support objects that a whole backend shares; alone it is no resource.
func Backend(name string) Resource {
	return Block{Type: "backend", Name: name}.Instance(NoKey).Self()
}

// Owner returns what a support object is beside: the address without its support part.
func (r Resource) Owner() Resource {
	r.support = ""
	return r
}

// SupportName returns the name of a support object, "" for any other kind.
func (r Resource) SupportName() string { return r.support }

// Key returns the key of an instance or job within its block; NoKey for what is the block itself.
func (r Resource) Key() Key { return r.key }

// Index returns the number of a job or numbered instance, 0 if it has none.
func (r Resource) Index() int { return r.key.num }

// Kind returns the kind of the resource: one of the Kind constants, or "" for an address that names none.
func (r Resource) Kind() string {
	switch {
	case r.support != "":
		return KindSupport
	case r.part == partInstance:
		return KindInstance
	case r.part == partJob:
		return KindJob
	case r.Block.Type == "volume":
		return KindVolume
	case r.Block.Type == "gateway":
		return KindGateway
	}
	return ""
}

// String returns the address.
func (r Resource) String() string {
	if r.IsZero() {
		return ""
	}
	var b strings.Builder
	r.Block.write(&b)
	switch r.part {
	case partInstance:
		b.WriteString(".instance")
		b.WriteString(r.key.String())
	case partJob:
		b.WriteString(".job")
		b.WriteString(r.key.String())
	}
	if r.support != "" {
		b.WriteString(".support[")
		b.WriteString(quote(r.support))
		b.WriteByte(']')
	}
	return b.String()
}

// Compare orders addresses for people: by module, block type, name, key, then instances before jobs, each by number,
// support after its owner.
func (r Resource) Compare(o Resource) int {
	for _, c := range []int{
		strings.Compare(string(r.Block.Module), string(o.Block.Module)),
		strings.Compare(r.Block.Type, o.Block.Type),
		strings.Compare(r.Block.Name, o.Block.Name),
		r.Block.Key.Compare(o.Block.Key),
		int(r.part) - int(o.part),
		r.key.Compare(o.key),
	} {
		if c != 0 {
			return c
		}
	}
	return strings.Compare(r.support, o.support)
}

// quote writes s as an HCL string literal without interpolation.
func quote(s string) string {
	q := strconv.Quote(s)
	q = strings.ReplaceAll(q, "${", "$${")
	return strings.ReplaceAll(q, "%{", "%%{")
}
