package config

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sync/errgroup"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/content"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// LoadOptions says what to read. Its zero value reads the working directory without variables.
type LoadOptions struct {
	// Dir is the folder of the configuration, "." unless set. With Sources only functions such as file read from it.
	Dir string
	// Sources are read instead of the files in Dir and Home: the files that a saved plan was made from. Files of
	// variables in Dir are not read then; their values are among Vars.
	Sources []Source
	// Home is a folder whose config.dstack.hcl may hold backends and profiles, DSTACK_HOME. "" means none.
	Home string
	// Profile is the name of the profile that stands in for what blocks do not say, instead of the one that says default:
	// DSTACK_PROFILE. "" means none.
	Profile string
	// Vars are values of variables, in the order of --var and --var-file on the command line; the last one wins.
	Vars []Assignment
	// Environ looks up the environment: DSTACK_VAR_name, and the variables that `env` takes from it. nil means an
	// empty one.
	Environ func(name string) (string, bool)
	// Prompt asks for a variable that has no value. nil means that such a variable is an error.
	Prompt func(name, description string, sensitive bool) (string, error)
	// Moment is that of an earlier evaluation, whose answers of functions that are not pure are to be given again. nil
	// means a new one.
	Moment *Moment
	// FileAnswers are answers that functions such as file gave in an earlier evaluation, to be given again. One without a
	// value is asked for anew.
	FileAnswers []FileAnswer
	// UploadLimit is how many bytes a folder or file may have that is sent to jobs; 0 means content.DefaultLimit, a negative
	// one that there is none.
	UploadLimit int64
	// Repos are asked about repositories that jobs clone. Without them, which commit that is stays unknown.
	Repos Repositories
	// Now is the clock that a new Moment takes its time from, time.Now unless set.
	Now func() time.Time
	// Open leaves a variable that has no value unknown, and asks for none: for what looks at a configuration that nobody
	// carries out.
	Open bool
	// Version is that of the running program, for required_version. "" means not to check.
	Version string

	policies bool // the folder is one of policies, see LoadPolicies
	whole    bool // and may have other blocks as well
}

// Assignment is the value of one variable as text, or a file of values.
type Assignment struct {
	Name string
	Text string // a text for a variable of type string, number or bool, else an expression
	File string // a file of `name = value`; Name and Text are then unused
	// Value stands for Text where it is set: a saved plan keeps values, not texts.
	Value cty.Value
}

// largestFile is the size in bytes above which a file is not read: HCL needs some two hundred times as much memory.
const largestFile = 16 << 20

// Load reads a configuration. Errors are ordered by place. If there are any, everything is evaluated as Validate does, so
// that all are reported at once.
// The Config is never nil, so that Snippets can show where the errors are; with errors it is good for nothing else.
func Load(ctx context.Context, o LoadOptions) (*Config, diag.List) {
	if o.Dir == "" {
		o.Dir = "."
	}
	c := &Config{
		Dir: o.Dir, profile: o.Profile, texts: map[string][]byte{}, byAddr: map[addr.Block]*Block{},
		inputs: &inputs{environ: o.Environ, read: map[string]string{}}, files: newFileAnswers(o.FileAnswers),
		repos: o.Repos, contents: contents{limit: max(0, cmp.Or(o.UploadLimit, content.DefaultLimit))},
	}
	switch {
	case o.Moment != nil:
		c.moment = o.Moment
	case o.Now != nil:
		c.moment = NewMoment(o.Now())
	default:
		c.moment = NewMoment(time.Now())
	}
	c.functions = functions(c.Dir, &calls{config: c})
	c.main = c.newModule(".", nil, nil)
	c.root = &site{module: c.main, path: addr.Root}

	var list diag.List
	if o.Sources != nil {
		c.sources = slices.Clone(o.Sources)
		for i := range c.sources {
			c.sources[i].Digest = digest(c.sources[i].Text)
		}
	} else {
		list = append(list, c.readSources(o)...)
	}
	for _, s := range c.sources {
		c.texts[s.Path] = s.Text
		c.impure = c.impure || asksMoment(s.Text)
	}
	files, ds := c.parse(ctx, c.rootSources(o))
	list = append(list, ds...)
	list = append(list, c.collect(c.main, files)...)
	list = append(list, c.readModules(ctx, o)...)
	if o.policies && !o.whole {
		list = append(list, c.onlyPolicies(files)...)
	} else if !o.policies && !slices.ContainsFunc(c.sources, func(s Source) bool { return !s.Personal }) && !list.HasErrors() {
		list = append(list, c.noSources()...)
	}
	c.keepLock(o)
	list = append(list, c.setVariables(o)...)
	list = append(list, c.checkReferences()...)
	list = append(list, c.checkPolicies()...)
	list = append(list, c.checkRefactors()...)
	list = append(list, c.checkProfile()...)
	c.findDefaults()
	list = append(list, c.sortBlocks()...)
	found := list.HasErrors()
	list = append(list, c.evaluateFixed()...)
	list = append(list, c.validateVariables()...)
	list = append(list, c.readSettings(o.Version)...)
	list = append(list, c.checkBackends()...)
	if found || list.HasErrors() {
		list = append(list, c.Validate()...) // nobody evaluates the rest any more, so it is done now
	}
	list.Sort()
	c.Snippets(list)
	return c, list
}

// noSources says that the folder has no configuration, and what it has instead.
func (c *Config) noSources() diag.List {
	where := c.Dir
	if filepath.Clean(where) == "." {
		where = "this folder"
	}
	hint := ""
	if entries, err := os.ReadDir(c.Dir); err == nil {
		for _, e := range entries {
			switch name := e.Name(); {
			case e.IsDir():
			case strings.HasSuffix(name, ".dstack.yml"), strings.HasSuffix(name, ".dstack.yaml"):
				hint = fmt.Sprintf(" %s is a configuration of dstack in YAML; here the same is said in HCL.", name)
			case strings.HasSuffix(name, ".tf") && hint == "":
				hint = fmt.Sprintf(" %s is read by Terraform only.", name)
			}
		}
	}
	return diag.Errorf("No configuration here", "There is no *.dstack.hcl or *.dstack.json file in %s.%s To start with an example:\n  dstack init --example quickstart", where, hint)
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func isSource(name string) bool {
	return strings.HasSuffix(name, ".dstack.hcl") || strings.HasSuffix(name, ".dstack.json")
}

// readSources reads the files of the folder, and the person's own one.
func (c *Config) readSources(o LoadOptions) diag.List {
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return diag.Errorf("Folder cannot be read", "The folder of the configuration cannot be read: %s.", reason(err))
	}
	var list diag.List
	for _, e := range entries { // in order of names
		if e.IsDir() || !isSource(e.Name()) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		text, err := readFile(filepath.Join(c.Dir, e.Name()))
		if err != nil {
			list = append(list, diag.Errorf("File cannot be read", "%s cannot be read: %s.", e.Name(), reason(err))...)
			continue
		}
		c.sources = append(c.sources, Source{Path: e.Name(), Text: text, Digest: digest(text)})
	}
	if o.Home == "" {
		return list
	}
	path := filepath.Join(o.Home, "config.dstack.hcl")
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if dir, err := filepath.Abs(c.Dir); err == nil && filepath.Dir(path) == dir {
		return list // the configuration stands there itself
	}
	switch text, err := readFile(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		list = append(list, diag.Errorf("File cannot be read", "%s cannot be read: %s.", path, reason(err))...)
	default:
		c.sources = append(c.sources, Source{Path: path, Text: text, Digest: digest(text), Personal: true})
	}
	return list
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("it is a folder")
	case info.Size() > largestFile:
		return nil, fmt.Errorf("it has %d MB, and at most %d MB are read; split it", info.Size()>>20, largestFile>>20)
	}
	return os.ReadFile(path)
}

// reason is an error without the path that the message already names.
func reason(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

// parse reads all files at once, each by itself.
func (c *Config) parse(ctx context.Context, sources []Source) ([]*file, diag.List) {
	files := make([]*file, len(sources))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, s := range sources {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			files[i] = parseFile(s)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, diag.From(err, "Reading was interrupted")
	}
	var list diag.List
	for _, f := range files {
		list = append(list, f.diags...)
		c.partial = c.partial || f.broken
	}
	return files, list
}

// collect puts the blocks of a module's files together and finds the ones that stand twice.
func (c *Config) collect(m *Module, files []*file) diag.List {
	var list diag.List
	variables := map[string]*Block{}
	for _, f := range files {
		for _, read := range f.blocks {
			b := read
			if m != c.main { // the same folder may be called several times
				own := *read
				own.Addr.Module, own.links = m.Path, links{}
				b = &own
			}
			b.module = m
			switch b.Type.Name {
			case "dstack":
				if c.dstack != nil {
					list = append(list, twice(b, c.dstack)...)
					continue
				}
				c.dstack = b
			case "variable":
				if first := variables[b.Addr.Name]; first != nil {
					list = append(list, twice(b, first)...)
					continue
				}
				variables[b.Addr.Name] = b
				list = append(list, c.declare(m, b)...)
			case "locals":
				for _, a := range b.body.attrs {
					if first := m.locals[a.name]; first != nil {
						list = append(list, diag.Errorf("Name stands twice", "local.%s is also defined at %s. Rename or remove one of them.", a.name, place(first.attr.rng)).At(&a.nameRange)...)
						continue
					}
					m.locals[a.name] = &local{name: a.name, attr: a, module: m}
				}
			case "moved", "removed", "import":
				c.refactors = append(c.refactors, b)
			case "policy":
				list = append(list, c.collectPolicy(b)...)
			default:
				first := c.byAddr[b.Addr]
				switch {
				case first != nil && b.Personal && !first.Personal:
					continue // the configuration's own wins
				case first != nil:
					list = append(list, twice(b, first)...)
					continue
				}
				c.byAddr[b.Addr] = b
				c.blocks, m.blocks = append(c.blocks, b), append(m.blocks, b)
				m.names[b.Type.Name] = append(m.names[b.Type.Name], b.Addr.Name)
			}
		}
	}
	return list
}

func twice(b, first *Block) diag.List {
	what := b.address()
	if !b.Type.Label {
		what = "The block " + b.Type.Name
	}
	return diag.Errorf("Block stands twice", "%s is also written at %s. Rename or remove one of them.", what, place(first.DefRange)).At(&b.DefRange)
}

// checkBackends finds names of backends that have no block. Without any backend block the only one is local.
func (c *Config) checkBackends() diag.List {
	known := slices.Clone(c.main.names["backend"])
	if len(known) == 0 {
		known = []string{"local"}
	}
	var list diag.List
	if c.partial {
		return nil // its block may stand in the file that could not be parsed
	}
	for _, b := range c.blocks {
		for _, name := range []string{"backend", "backends"} {
			a := b.body.attr(name)
			if a == nil || a.uses != nil {
				continue
			}
			v, ds := c.eval(a, c.constant())
			if ds.HasErrors() {
				continue // Decode reports it
			}
			list = append(list, unknownBackends(a, v, known)...)
		}
		list = append(list, c.unknownRegion(b)...)
	}
	return list
}

// unknownRegion finds a region that the block's backend does not use.
func (c *Config) unknownRegion(b *Block) diag.List {
	a := b.body.attr("region")
	backend := c.byAddr[addr.Block{Type: "backend", Name: c.plainText(b.body.attr("backend"))}]
	region := c.plainText(a)
	if backend == nil || region == "" {
		return nil
	}
	regions := backend.body.attr("regions")
	if regions == nil || regions.uses != nil {
		return nil
	}
	v, ds := c.eval(regions, c.constant())
	if ds.HasErrors() {
		return nil // Decode reports it
	}
	v, ds = c.conform(regions, v, nil)
	if ds.HasErrors() || v.IsNull() || !v.IsWhollyKnown() || v.ContainsMarked() || v.LengthInt() == 0 {
		return nil
	}
	var used []string
	for _, r := range v.AsValueSlice() {
		used = append(used, r.AsString())
	}
	if slices.Contains(used, region) {
		return nil
	}
	rng := a.expr.Range()
	return diag.Errorf("Region is not used", "%s uses the regions %s (%s), and %q is none of them.%s Add it there, or choose one of them.",
		backend.Addr, strings.Join(used, ", "), place(regions.rng), region, schema.DidYouMean(region, used)).At(&rng).For(b.Addr.String())
}

// plainText is a text that an argument says plainly, "" for anything else.
func (c *Config) plainText(a *attribute) string {
	if a == nil || a.uses != nil {
		return ""
	}
	v, ds := c.eval(a, c.constant())
	if ds.HasErrors() || v.IsMarked() || !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}

func unknownBackends(a *attribute, v cty.Value, known []string) diag.List {
	var list diag.List
	var items []cty.Value
	switch ty := v.Type(); {
	case v.IsNull() || v.IsMarked() || !v.IsWhollyKnown():
		return nil
	case ty == cty.String:
		items = []cty.Value{v}
	case ty.IsTupleType(), ty.IsListType(), ty.IsSetType():
		items = v.AsValueSlice()
	}
	for i, item := range items {
		if item.IsMarked() || item.IsNull() || item.Type() != cty.String || slices.Contains(known, item.AsString()) {
			continue
		}
		path := cty.Path{}
		if v.Type() != cty.String {
			path = cty.IndexIntPath(i)
		}
		rng, _ := narrow(a.expr, path)
		slices.Sort(known)
		list = append(list, diag.Errorf("No such backend", "There is no backend %q.%s Backends are %s; a further one is declared by a block:\n  backend %q {}",
			item.AsString(), schema.DidYouMean(item.AsString(), known), strings.Join(known, ", "), item.AsString()).At(&rng)...)
	}
	return list
}
