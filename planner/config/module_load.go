package config

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/dstackai/dstack-planner/diag"
)

// rootSources are the files of the configuration's own folder, and the person's own one.
func (c *Config) rootSources(o LoadOptions) []Source {
	if o.policies {
		return c.sources
	}
	return slices.DeleteFunc(slices.Clone(c.sources), func(s Source) bool { return !s.Personal && path.Dir(s.Path) != "." || !isSource(s.Path) })
}

// readModules reads the folders that are called, and those that these call.
func (c *Config) readModules(ctx context.Context, o LoadOptions) diag.List {
	folders := map[string][]*file{}
	var list diag.List
	for i := 0; i < len(c.modules); i++ { // it grows
		m := c.modules[i]
		for _, b := range m.blocks {
			if b.Type.Name == "module" && !b.broken {
				list = append(list, c.readModule(ctx, o, m, b, folders).For(b.Addr.String())...)
			}
		}
	}
	return list
}

// readModule reads the folder that one block `module` calls. Folders that were read before stand in folders.
func (c *Config) readModule(ctx context.Context, o LoadOptions, m *Module, b *Block, folders map[string][]*file) diag.List {
	to, list := c.folder(o, m, b)
	dir := to.Dir
	if list.HasErrors() || dir == "" {
		return list
	}
	at := b.source.expr.Range()
	for p := m; p != nil; p = p.parent {
		if p.Dir == dir {
			return diag.Errorf("Module calls itself", "This is the folder of %s, which is around this call, so there would be no end of it. Remove the call, or move what is called into a folder of its own.", p.name()).At(&at)
		}
	}
	child := c.newModule(dir, b, m)
	child.repo = to.Repo
	files, known := folders[dir]
	if !known {
		var sources []Source
		sources, list = c.moduleSources(o, dir, at)
		for _, s := range sources {
			c.texts[s.Path] = s.Text
			c.impure = c.impure || asksMoment(s.Text)
		}
		var ds diag.List
		files, ds = c.parse(ctx, sources)
		list = append(list, ds...)
		list = append(list, misplaced(files)...)
		folders[dir] = files
	}
	list = append(list, c.collect(child, files)...)
	return list
}

// moduleSources are the files of a folder that is called.
func (c *Config) moduleSources(o LoadOptions, dir string, at hcl.Range) ([]Source, diag.List) {
	if o.Sources != nil {
		return slices.DeleteFunc(slices.Clone(c.sources), func(s Source) bool { return s.Personal || path.Dir(s.Path) != dir || !isSource(s.Path) }), nil
	}
	full := filepath.Join(c.Dir, filepath.FromSlash(dir))
	entries, err := os.ReadDir(full)
	if err != nil {
		return nil, diag.Errorf("Module is not there", "The folder %s cannot be read: %s. A source that starts with ./ or ../ is a folder beside the file that calls it.", dir, reason(err)).At(&at)
	}
	var out []Source
	var list diag.List
	for _, e := range entries {
		if e.IsDir() || !isSource(e.Name()) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		name := path.Join(dir, e.Name())
		text, err := readFile(filepath.Join(full, e.Name()))
		if err != nil {
			list = append(list, diag.Errorf("File cannot be read", "%s cannot be read: %s.", name, reason(err))...)
			continue
		}
		out = append(out, Source{Path: name, Text: text, Digest: digest(text)})
	}
	if len(out) == 0 && len(list) == 0 {
		list = diag.Errorf("Module is empty", "There is no *.dstack.hcl or *.dstack.json file in %s, so it is no module. Is it the folder that is meant?", dir).At(&at)
	}
	c.sources = append(c.sources, out...)
	return out, list
}

// onlyInRoot are blocks that belong to the configuration as a whole, with what to do instead.
var onlyInRoot = [...]struct{ name, instead string }{
	{"dstack", "Write it in the configuration that calls the module."},
	{"backend", "Write it in the configuration that calls the module; a module names backends, or takes their names by variables."},
	{"import", "Write it in the configuration that calls the module, with the whole address: to = module.name.volume.data."},
	{"policy", "Write it in the configuration that calls the module."},
}

// misplaced finds blocks that have no place in a module.
func misplaced(files []*file) diag.List {
	var list diag.List
	for _, f := range files {
		f.blocks = slices.DeleteFunc(f.blocks, func(b *Block) bool {
			i := slices.IndexFunc(onlyInRoot[:], func(o struct{ name, instead string }) bool { return o.name == b.Type.Name })
			if i < 0 {
				return false
			}
			list = append(list, diag.Errorf("Block has no place here", "A block %s stands in the configuration itself, not in a module that it calls. %s", b.Type.Name, onlyInRoot[i].instead).At(&b.DefRange)...)
			return true
		})
	}
	return list
}

// call reads a block `module`: what it calls, how often, and with what.
func (p *fileReader) call(in *hcl.Block, b *Block, where string) {
	b.body = p.open(in.Body, where)
	rest := b.body.attrs[:0:0]
	for _, a := range b.body.attrs {
		switch a.name {
		case "source":
			b.source = a
		case "count":
			b.count = a
		case "for_each":
			b.forEach = a
		case "depends_on":
			b.dependOn = a
			a.uses = p.listed(a)
		case "version", "providers", "lifecycle":
			p.errorAt(a.nameRange, "Unknown argument", "%s has no %s. %s", where, a.name, map[string]string{
				"version": "The version of a module is part of its source: source = \"git::https://...?ref=v1.2\".", "providers": "Backends belong to the configuration; a module names them.",
				"lifecycle": "lifecycle stands in the blocks of the module.",
			}[a.name])
		default:
			rest = append(rest, a)
		}
	}
	b.body.attrs = rest
	if b.source == nil {
		p.errorAt(in.DefRange, "An argument is missing", "%s needs source: the folder of the module, as in source = \"./modules/net\", or a Git repository.", where)
	}
	if b.count != nil && b.forEach != nil {
		p.errorAt(b.forEach.nameRange, "Both count and for_each", "%s has count at %s and for_each. Keep one of them: for_each where each has a name, count where they are alike.", b.Addr, place(b.count.rng))
	}
}

func join(names []string) string { return strings.Join(names, ", ") }
