package config

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/schema"
)

// Config is a configuration that was read.
type Config struct {
	// Dir is the folder of the configuration; paths in Sources and in places of diagnostics are relative to it.
	Dir string

	sources   []Source
	lock      *moduleLock            // nil while no source of a module asked for it
	texts     map[string][]byte      // by file name: all that was read, variable files too
	profile   string                 // that was chosen to stand in where none is named, "" if none
	defaults  map[*Module][]*Block   // profiles that may stand in there
	given     map[string][]hcl.Range // by name of a file of variables: the values in it that may be secrets
	modules   []*Module              // the root first, each before those that it calls
	main      *Module                // the first of them
	root      *site                  // the only site of main
	blocks    []*Block               // of all modules; those of one in file order
	refactors []*Block               // moved, removed and import, in file order
	moved     []Moved
	removed   []Removed
	byAddr    map[addr.Block]*Block
	policies  []*Policy // in file order
	dstack    *Block    // the block `dstack`, nil if there is none
	settings  Settings
	levels    [][]*Block
	cyclic    bool
	undecided bool // a variable has no value, which LoadOptions.Open allows, or which is an error that is reported
	partial   bool // a file could not be parsed, so that what refers into it is not known to be wrong
	functions map[string]function.Function
	inputs    *inputs
	files     *fileAnswers
	contents  contents
	repos     Repositories
	moment    *Moment
	impure    bool        // some text calls functions that are not pure, or may do so
	asked     atomic.Bool // one of them was called

	expressions atomic.Int64 // how many expressions were evaluated that stand in no file

	constants answers  // what depends on no block
	shapes    sync.Map // addr.Block, in an instance of its module -> what is known before a plan of one that repeats
	mu        sync.Mutex
	cache     *answers // what was evaluated in the latest walk
}

// Source is one file of a configuration.
type Source struct {
	Path     string // relative to the folder of the configuration; absolute if Personal
	Text     []byte
	Digest   string // "sha256:" and the digest in hexadecimal
	Personal bool   // it is DSTACK_HOME/config.dstack.hcl
}

// Block is one block as written.
type Block struct {
	Addr     addr.Block // in a module that is called the path has no keys
	Type     schema.BlockType
	DefRange hcl.Range // the header: fleet "train"
	Personal bool      // it stands in DSTACK_HOME/config.dstack.hcl

	module    *Module
	body      *body
	source    *attribute // of a block `module`
	count     *attribute
	forEach   *attribute
	dependOn  *attribute
	lifecycle *nested
	broken    bool // part of it could not be read, so that its rules would only complain of what is missing
	links
}

// Module is the module that the block stands in.
func (b *Block) Module() *Module { return b.module }

// Repeats tells whether the block has count or for_each, so that its value is a list or an object of its repetitions.
func (b *Block) Repeats() bool { return b.count != nil || b.forEach != nil }

// Counts tells whether the block has count.
func (b *Block) Counts() bool { return b.count != nil }

// NumberRange is where count or for_each says how many of the block there are; its header if neither does.
func (b *Block) NumberRange() *hcl.Range {
	for _, a := range []*attribute{b.count, b.forEach} {
		if a != nil {
			return a.expr.Range().Ptr()
		}
	}
	return &b.DefRange
}

// Reference is the mention of one block by another.
type Reference struct {
	To        addr.Block // without keys in the path; a block `module` where a module is meant as a whole
	Key       addr.Key   // the repetition that is meant, NoKey where that is not written out
	Range     hcl.Range  // where it stands: in the block itself, or in a local that the block uses
	Traversal string     // as written: volume.data[0].id
	DependsOn bool       // it stands in depends_on: nothing of its value is used
	Named     bool       // it stands only where an address is kept, as in fleet = fleet.train: nothing of its value is used
}

// Sources lists the files of the configuration in order of their paths; variable files are none of them.
func (c *Config) Sources() []Source { return c.sources }

// Blocks lists all blocks, module by module, in the order of files and of places in them; variables and locals are not
// among them.
func (c *Config) Blocks() []*Block { return c.blocks }

// Block returns the block of that address, nil if there is none. Keys in the path of its module do not matter.
func (c *Config) Block(a addr.Block) *Block {
	a.Module = a.Module.Static()
	return c.byAddr[a]
}

// Dstack returns the settings of the configuration itself. Where errors keep them from being read, Store is "".
func (c *Config) Dstack() Settings { return c.settings }

// References lists the blocks that b refers to, depends_on included, also by way of locals, of variables of modules and of
// their outputs. Each is listed once for each key. Variables and locals are not listed: they belong to the configuration.
// What stands in a module refers to its call where the number of modules depends on a block.
func (c *Config) References(b *Block) []Reference { return b.refs }

// Settings is the block `dstack`.
type Settings struct {
	RequiredVersion string
	DefaultImage    string
	Store           string     // the kind of store: local unless set
	StorePath       string     // the folder of a local store, "" for the default one
	StoreRange      *hcl.Range // where the block state stands, nil if there is none
	AuthorizedKeys  []string
}

// Variable is an input with its value.
type Variable struct {
	Name        string
	Value       cty.Value // marked if the variable is sensitive or ephemeral
	Description string
	Sensitive   bool
	Ephemeral   bool
	From        string // where the value came from: default, environment, a file, --var, prompt
	DefRange    hcl.Range
}

// Variables lists the inputs of the configuration in order of their names; those of modules are none of them.
func (c *Config) Variables() []Variable {
	out := make([]Variable, 0, len(c.main.variables))
	for _, name := range slices.Sorted(maps.Keys(c.main.variables)) {
		v := c.main.variables[name]
		out = append(out, Variable{
			Name: name, Value: v.marked(), Description: v.description, Sensitive: v.sensitive, Ephemeral: v.ephemeral,
			From: v.from, DefRange: v.defRange,
		})
	}
	return out
}

// SecretInputs returns the values, unmarked, of sensitive and ephemeral variables: what a saved plan keeps as digests
// only.
func (c *Config) SecretInputs() map[string]cty.Value {
	out := map[string]cty.Value{}
	for name, v := range c.main.variables {
		if (v.sensitive || v.ephemeral) && v.value != cty.NilVal {
			out[name], _ = v.value.UnmarkDeep()
		}
	}
	return out
}

// EnvironmentInputs returns the variables of the environment that `env` attributes have taken so far, with their
// values. They are secret.
func (c *Config) EnvironmentInputs() map[string]string { return c.inputs.taken() }

// Environment looks up a variable of the environment, as `env` attributes do.
func (c *Config) Environment(name string) (string, bool) {
	if c.inputs.environ == nil {
		return "", false
	}
	return c.inputs.environ(name)
}

// inputs looks up the environment and notes what was asked for.
type inputs struct {
	environ func(string) (string, bool)
	mu      sync.Mutex
	read    map[string]string
}

func (i *inputs) lookup(name string) (string, bool) {
	if i.environ == nil {
		return "", false
	}
	text, ok := i.environ(name)
	if ok {
		i.mu.Lock()
		i.read[name] = text
		i.mu.Unlock()
	}
	return text, ok
}

func (i *inputs) taken() map[string]string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return maps.Clone(i.read)
}
