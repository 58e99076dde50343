package jsonschema

import (
	"encoding"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Options say what cannot be seen in the types.
type Options struct {
	Root   string                  // of the repository, whose comments become descriptions
	Module string                  // the path of its packages
	Known  map[reflect.Type]Schema // of types that write their JSON themselves
}

// Derive makes the schema of what encoding/json writes of a type. Each struct of a name becomes a definition; a string of
// a type that has constants is one of them.
func Derive(t reflect.Type, o Options) (Schema, error) {
	d := &derivation{Options: o, packages: map[string]*comments{}, made: map[string]reflect.Type{}}
	root, err := d.structure(t)
	if err != nil {
		return Schema{}, err
	}
	root.Dialect, root.Definitions = Dialect, d.definitions
	slices.SortFunc(root.Definitions, func(a, b Property) int { return strings.Compare(a.Name, b.Name) })
	return root, nil
}

type derivation struct {
	Options
	packages    map[string]*comments
	definitions Properties
	made        map[string]reflect.Type // definitions that are made or being made
}

var (
	timeType      = reflect.TypeFor[time.Time]()
	rawType       = reflect.TypeFor[json.RawMessage]()
	marshalerType = reflect.TypeFor[json.Marshaler]()
	textType      = reflect.TypeFor[encoding.TextMarshaler]()
)

// of is the schema of a type where it is used.
func (d *derivation) of(t reflect.Type) (Schema, error) {
	if t.Kind() == reflect.Pointer {
		return d.of(t.Elem())
	}
	if known, ok := d.Known[t]; ok {
		return known, nil
	}
	zero := 0
	switch {
	case t == timeType:
		return Schema{Type: "string", Format: "date-time"}, nil
	case t == rawType, t.Kind() == reflect.Interface:
		return Schema{}, nil
	case t.Implements(marshalerType):
		return Schema{}, fmt.Errorf("%v writes its JSON itself, and nothing says how", t)
	case t.Implements(textType):
		return Schema{Type: "string"}, nil
	}
	switch t.Kind() {
	case reflect.Struct:
		return d.definition(t)
	case reflect.String:
		s := Schema{Type: "string"}
		if t.PkgPath() == "" {
			return s, nil
		}
		c, err := d.comments(t.PkgPath())
		if err != nil {
			return Schema{}, err
		}
		s.Enum = c.words[t.Name()]
		return s, nil
	case reflect.Bool:
		return Schema{Type: "boolean"}, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return Schema{Type: "integer"}, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return Schema{Type: "integer", Minimum: &zero}, nil
	case reflect.Float32, reflect.Float64:
		return Schema{Type: "number"}, nil
	case reflect.Slice, reflect.Array:
		items, err := d.of(t.Elem())
		return Schema{Type: "array", Items: &items}, err
	case reflect.Map:
		values, err := d.of(t.Elem())
		return Schema{Type: "object", Values: &values}, err
	}
	return Schema{}, fmt.Errorf("%v has no JSON", t)
}

// definition is a reference to the definition of a struct, which it makes the first time.
func (d *derivation) definition(t reflect.Type) (Schema, error) {
	if t.Name() == "" {
		return d.structure(t)
	}
	name := strings.ToLower(t.Name()[:1]) + t.Name()[1:]
	ref := Schema{Ref: "#/$defs/" + name}
	if made, ok := d.made[name]; ok && made != t {
		return Schema{}, fmt.Errorf("%v and %v have the same name", made, t)
	} else if ok {
		return ref, nil
	}
	d.made[name] = t
	s, err := d.structure(t)
	d.definitions = append(d.definitions, Property{name, s})
	return ref, err
}

// structure is the schema of a struct, field by field.
func (d *derivation) structure(t reflect.Type) (Schema, error) {
	s := Schema{Type: "object"}
	var said map[string]string
	if t.PkgPath() != "" {
		c, err := d.comments(t.PkgPath())
		if err != nil {
			return Schema{}, err
		}
		s.Description, said = c.types[t.Name()], c.fields[t.Name()]
	}
	for f := range t.Fields() {
		tag, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "-" || !f.IsExported() {
			continue
		}
		if f.Anonymous || tag == "" {
			return Schema{}, fmt.Errorf("%v.%s has no name in JSON", t, f.Name)
		}
		one, err := d.of(f.Type)
		if err != nil {
			return Schema{}, fmt.Errorf("%v.%s: %w", t, f.Name, err)
		}
		one.Description = said[f.Name]
		s.Properties = append(s.Properties, Property{tag, one})
		if !slices.ContainsFunc(strings.Split(rest, ","), func(o string) bool { return o == "omitempty" || o == "omitzero" }) {
			s.Required = append(s.Required, tag)
		}
	}
	return s, nil
}

// comments are what a package says of its types.
type comments struct {
	types  map[string]string
	fields map[string]map[string]string // by type and field
	words  map[string][]string          // the constants of a type
}

// comments reads a package of the repository; other packages have nothing to say.
func (d *derivation) comments(pkg string) (*comments, error) {
	if c := d.packages[pkg]; c != nil {
		return c, nil
	}
	c := &comments{types: map[string]string{}, fields: map[string]map[string]string{}, words: map[string][]string{}}
	d.packages[pkg] = c
	rel, ok := strings.CutPrefix(pkg, d.Module+"/")
	if !ok {
		return c, nil
	}
	dir := filepath.Join(d.Root, filepath.FromSlash(rel))
	files, err := fs.Glob(os.DirFS(dir), "*.go")
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("read the comments of %s: %w", path.Join(rel, name), err)
		}
		for _, decl := range file.Decls {
			if g, ok := decl.(*ast.GenDecl); ok {
				c.read(g)
			}
		}
	}
	return c, nil
}

// read takes over what a declaration says.
func (c *comments) read(g *ast.GenDecl) {
	for _, spec := range g.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			c.types[spec.Name.Name] = sentence(g.Doc, spec.Doc)
			if s, ok := spec.Type.(*ast.StructType); ok {
				said := map[string]string{}
				for _, f := range s.Fields.List {
					for _, name := range f.Names {
						said[name.Name] = sentence(f.Doc, f.Comment)
					}
				}
				c.fields[spec.Name.Name] = said
			}
		case *ast.ValueSpec:
			typ, ok := spec.Type.(*ast.Ident)
			if g.Tok != token.CONST || !ok {
				continue
			}
			for _, v := range spec.Values {
				if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if word, err := strconv.Unquote(lit.Value); err == nil {
						c.words[typ.Name] = append(c.words[typ.Name], word)
					}
				}
			}
		}
	}
}

// sentence is what comments say on one line.
func sentence(groups ...*ast.CommentGroup) string {
	var parts []string
	for _, g := range groups {
		if text := strings.Join(strings.Fields(g.Text()), " "); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, " ")
}
