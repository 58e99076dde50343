package config

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// variablePrefix stands before the name of a variable in the environment.
const variablePrefix = "DSTACK_VAR_"

// variable is a declared input, and its value once there is one.
type variable struct {
	name        string
	defRange    hcl.Range
	body        *body
	ty          cty.Type
	defaults    *typeexpr.Defaults
	typeRange   hcl.Range
	untyped     bool // its type is wrong, which is reported
	description string
	sensitive   bool
	ephemeral   bool
	nullable    bool
	fallback    cty.Value      // its default, cty.NilVal if it has none
	kept        cty.ValueMarks // the marks of answers that the default is made of
	value       cty.Value      // unmarked; of the configuration's own variables only
	from        string
	module      *Module
	links       // of what a module is called with
}

// marked is the value of one of the configuration's own variables as expressions see it.
func (v *variable) marked() cty.Value {
	if v.value == cty.NilVal {
		return cty.DynamicVal // its error is reported already
	}
	return v.seal(v.value)
}

// seal marks a value as the variable says.
func (v *variable) seal(val cty.Value) cty.Value {
	switch {
	case v.ephemeral:
		return val.WithMarks(cty.NewValueMarks(schema.SensitiveMark, schema.EphemeralMark))
	case v.sensitive:
		return val.Mark(schema.SensitiveMark)
	}
	return val
}

// fixed tells whether the variable's value depends on no block.
func (v *variable) fixed() bool { return v.module.fixed && len(v.refs) == 0 }

// declare reads a block `variable`.
func (c *Config) declare(m *Module, b *Block) diag.List {
	v := &variable{name: b.Addr.Name, defRange: b.DefRange, body: b.body, ty: cty.DynamicPseudoType, nullable: true, typeRange: b.DefRange, module: m}
	m.variables[v.name] = v
	var list diag.List
	if slices.Contains(reserved(), v.name) {
		list = append(list, diag.Errorf("Name is taken", "In a block that calls a module %s says something of the call, so no variable can be called that. Choose another name; taken are %s.", v.name, join(reserved())).At(&b.DefRange)...)
	}
	if a := b.body.attr("type"); a != nil {
		ty, defaults, ds := typeexpr.TypeConstraintWithDefaults(a.expr)
		list = append(list, translate(ds)...)
		v.untyped = ds.HasErrors()
		if !v.untyped {
			v.ty, v.defaults, v.typeRange = ty, defaults, a.expr.Range()
		}
	}
	text := func(name string) (cty.Value, bool) {
		a := b.body.attr(name)
		if a == nil {
			return cty.NilVal, false
		}
		if len(a.uses) > 0 {
			rng := a.uses[0].rng()
			list = append(list, diag.Errorf("A constant is needed", "%s of a variable is read before anything else, so it cannot refer to other values. What is made of several values is a local.", a.name).At(&rng)...)
			return cty.NilVal, false
		}
		val, ds := c.evalKept(a, c.constant())
		if name == "default" {
			v.kept = answersIn(val)
		}
		val = c.settle(val, a.desc, v.sensitive || v.ephemeral)
		list = append(list, ds...)
		if ds.HasErrors() || a.desc.Type == cty.DynamicPseudoType {
			return val, !ds.HasErrors()
		}
		val, ds = c.conform(a, val, nil)
		list = append(list, ds...)
		return val, !ds.HasErrors() && !val.IsNull() && val.IsKnown()
	}
	if d, ok := text("description"); ok {
		d, _ = d.Unmark()
		v.description = d.AsString()
	}
	flag := func(name string, into *bool) {
		if val, ok := text(name); ok {
			val, _ = val.Unmark()
			*into = val.True()
		}
	}
	flag("sensitive", &v.sensitive)
	flag("ephemeral", &v.ephemeral)
	flag("nullable", &v.nullable)
	if d, ok := text("default"); ok {
		a := b.body.attr("default")
		val, ds := v.convert(d, given{from: "default", rng: a.expr.Range(), expr: a.expr})
		list = append(list, ds...)
		v.fallback = val
	}
	return list.For(m.label("var." + v.name))
}

// reserved are the names that a call of a module gives a meaning of its own, now or one day.
func reserved() []string {
	return []string{"count", "depends_on", "for_each", "lifecycle", "locals", "providers", "source", "version"}
}

// given is a value that somebody gave to a variable.
type given struct {
	text    string
	literal bool // text is the value as it came from outside, else value is
	value   cty.Value
	from    string
	rng     hcl.Range // the zero range if the value stands in no file
	expr    hcl.Expression
	wrong   bool // it cannot be read, which is reported
}

// setVariables finds the value of every variable: from the environment, dstack.dstackvars, *.auto.dstackvars in order
// of names, then --var and --var-file in the order given; the last one wins.
func (c *Config) setVariables(o LoadOptions) diag.List {
	var list diag.List
	values := map[string]given{}
	names := slices.Sorted(maps.Keys(c.main.variables))
	if o.Environ != nil {
		for _, name := range names {
			if text, ok := o.Environ(variablePrefix + name); ok {
				values[name] = given{text: text, literal: true, from: variablePrefix + name}
			}
		}
	}
	if o.Sources == nil {
		for _, path := range c.variableFiles() {
			list = append(list, c.readVariables(path, values, names)...)
		}
	}
	for _, a := range o.Vars {
		if a.File != "" {
			list = append(list, c.readVariables(a.File, values, names)...)
			continue
		}
		if c.main.variables[a.Name] == nil {
			if c.partial {
				continue // its block may stand in the file that could not be parsed
			}
			hint := schema.DidYouMean(a.Name, names)
			if hint == "" {
				hint = fmt.Sprintf(" To declare it:\n  variable %q {}", a.Name)
			}
			list = append(list, diag.Errorf("No such variable", "--var gives a value to %q, which no variable block declares.%s", a.Name, hint)...)
			continue
		}
		if a.Value != cty.NilVal {
			values[a.Name] = given{value: a.Value, from: "the plan"}
			continue
		}
		values[a.Name] = given{text: a.Text, literal: true, from: "--var"}
	}
	for _, name := range names {
		list = append(list, c.setVariable(c.main.variables[name], values, o).For("var."+name)...)
	}
	c.undecided = c.undecided || list.HasErrors()
	return list
}

func (c *Config) setVariable(v *variable, values map[string]given, o LoadOptions) diag.List {
	if v.untyped {
		return nil
	}
	g, ok := values[v.name]
	if g.wrong {
		return nil
	}
	if !ok && v.fallback != cty.NilVal {
		v.value, v.from = v.fallback, "default"
		return nil
	}
	if !ok && v.body.attr("default") != nil {
		return nil // the default is wrong, which is reported
	}
	if !ok && c.partial {
		return nil // nothing comes of this configuration, so nobody needs to give more
	}
	if !ok && o.Open {
		v.value, v.from, c.undecided = cty.UnknownVal(v.ty.WithoutOptionalAttributesDeep()), "nobody", true
		return nil
	}
	if !ok && o.Prompt != nil {
		text, err := o.Prompt(v.name, v.description, v.sensitive || v.ephemeral)
		if err != nil {
			return diag.From(fmt.Errorf("variable %s: %w", v.name, err), "Variable was not given").At(&v.defRange)
		}
		g, ok = given{text: text, literal: true, from: "prompt"}, true
	}
	if !ok {
		return diag.Errorf("Variable has no value", "%s has no default and was not given a value. Give it one of these ways:\n  --var %s=...\n  export %s%s=...\n  %s = ... in dstack.dstackvars",
			v.name, v.name, variablePrefix, v.name, v.name).At(&v.defRange)
	}
	val := g.value
	if g.literal {
		var ds diag.List
		if val, ds = v.parse(g); ds.HasErrors() {
			return ds
		}
	}
	val, ds := v.convert(val, g)
	v.value, v.from = val, g.from
	return ds
}

// parse reads a value that came as text: a variable of a simple type, or of none, takes it as it is.
func (v *variable) parse(g given) (cty.Value, diag.List) {
	if v.ty.IsPrimitiveType() || v.body.attr("type") == nil {
		return cty.StringVal(g.text), nil
	}
	expr, ds := hclsyntax.ParseExpression([]byte(g.text), g.from, hcl.InitialPos)
	if ds.HasErrors() {
		return cty.NilVal, diag.Errorf("Value cannot be read", "The value of var.%s, from %s, is no expression%s. A value of the type %s is written as in\n  %s",
			v.name, g.from, v.unless(": "+shortened(g.text)), typeexpr.TypeString(v.ty), v.example(g.from)).At(&v.defRange)
	}
	val, ds := expr.Value(nil)
	if ds.HasErrors() {
		return cty.NilVal, diag.Errorf("Value cannot be read", "The value of var.%s, from %s, refers to something%s. There is nothing to refer to, and texts stand in quotes:\n  %s",
			v.name, g.from, v.unless(": "+shortened(g.text)), v.example(g.from)).At(&v.defRange)
	}
	return val, nil
}

// example shows how a value of the variable's type is given where this one came from.
func (v *variable) example(from string) string {
	value := `["a", "b"]`
	switch {
	case v.ty.IsObjectType():
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(v.ty.AttributeTypes())) {
			parts = append(parts, name+" = "+exampleOf(v.ty.AttributeType(name)))
		}
		value = "{ " + strings.Join(parts, ", ") + " }"
	case v.ty.IsMapType():
		value = "{ name = " + exampleOf(v.ty.ElementType()) + " }"
	case v.ty.IsListType(), v.ty.IsSetType():
		value = "[" + exampleOf(v.ty.ElementType()) + "]"
	}
	switch {
	case from == "--var":
		return fmt.Sprintf("--var '%s=%s'", v.name, value)
	case strings.HasPrefix(from, variablePrefix):
		return fmt.Sprintf("export %s='%s'", from, value)
	}
	return value
}

func exampleOf(ty cty.Type) string {
	switch {
	case ty == cty.Number:
		return "1"
	case ty == cty.Bool:
		return "true"
	case ty.IsListType(), ty.IsSetType(), ty.IsTupleType():
		return "[...]"
	case ty.IsMapType(), ty.IsObjectType():
		return "{ ... }"
	}
	return `"a"`
}

// shortened is a text as a message shows it.
func shortened(s string) string {
	const longest = 60
	s, _, cut := strings.Cut(s, "\n")
	if r := []rune(s); len(r) > longest {
		s, cut = string(r[:longest]), true
	}
	if cut {
		s += "..."
	}
	return s
}

// unless is a text that may give away the value, so it is empty for a sensitive variable.
func (v *variable) unless(text string) string {
	if v.sensitive || v.ephemeral {
		return ""
	}
	return text
}

// convert makes a value one of the variable's type.
func (v *variable) convert(val cty.Value, g given) (cty.Value, diag.List) {
	if v.defaults != nil && !val.IsNull() {
		val = v.defaults.Apply(val)
	}
	out, err := convertTo(val, v.ty)
	at, rule := v.defRange, place(v.typeRange)
	if g.rng != (hcl.Range{}) {
		at = g.rng
	}
	if err != nil {
		path, why := mismatch(val, v.ty, nil)
		if why == "" {
			path, why = errorPath(err), v.unless(err.Error())
			why = cmp.Or(why, "its type differs")
		}
		from := g.from
		if g.expr != nil {
			if at, _ = narrow(g.expr, path); from != "default" {
				from = place(at)
			}
		}
		return cty.NilVal, diag.Errorf("Value has the wrong type", "var.%s%s, from %s, is not what its type at %s asks for: %s.",
			v.name, pathText(path), from, rule, why).At(&at)
	}
	if out.IsNull() && !v.nullable {
		if v.fallback != cty.NilVal && g.from != "default" {
			return v.fallback, nil
		}
		return cty.NilVal, diag.Errorf("Variable is null", "var.%s, from %s, is null, which nullable = false at %s excludes. Give it a value.", v.name, g.from, place(v.defRange)).At(&at)
	}
	if err := checkSize(out); err != nil {
		summary, detail := tooLarge(err)
		return cty.NilVal, diag.Errorf(summary, "%s", "The value of var."+v.name+", from "+g.from+": "+strings.ToLower(detail[:1])+detail[1:]).At(&at)
	}
	return out, nil
}

// variableFiles lists the files that are read unasked, weakest first.
func (c *Config) variableFiles() []string {
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return nil // readSources reports it
	}
	var first, auto []string
	for _, e := range entries {
		switch name := e.Name(); {
		case e.IsDir():
		case name == "dstack.dstackvars", name == "dstack.dstackvars.json":
			first = append(first, name)
		case strings.HasSuffix(name, ".auto.dstackvars"), strings.HasSuffix(name, ".auto.dstackvars.json"):
			auto = append(auto, name)
		}
	}
	return append(first, auto...)
}

// readVariables adds the values of one file. A path of --var-file is relative to the working directory, as a shell
// completes it; one that was found is relative to Dir.
func (c *Config) readVariables(path string, values map[string]given, names []string) diag.List {
	full := path
	if !filepath.IsAbs(path) {
		if _, err := os.Stat(path); err != nil || !strings.ContainsRune(path, filepath.Separator) && isAutomatic(path) {
			full = filepath.Join(c.Dir, path)
		}
	}
	text, err := readFile(full)
	if err != nil {
		return diag.Errorf("File of variables cannot be read", "%s cannot be read: %s. A path of --var-file starts in the folder in which the command runs.", path, reason(err))
	}
	if list := checkDepth(Source{Path: path, Text: text}); list != nil {
		return list
	}
	c.texts[path] = text
	var f *hcl.File
	var ds hcl.Diagnostics
	if strings.HasSuffix(path, ".json") {
		f, ds = hcljson.Parse(text, path)
	} else {
		f, ds = hclsyntax.ParseConfig(text, path, hcl.InitialPos)
	}
	if ds.HasErrors() {
		return explainSyntax(Source{Path: path, Text: text}, ds)
	}
	list := translate(ds)
	attrs, ds := f.Body.JustAttributes()
	for _, d := range ds {
		if name, ok := strings.CutPrefix(d.Summary, "Unexpected \""); ok {
			name, _, _ = strings.Cut(name, "\"")
			list = append(list, diag.Errorf("Block has no place here", "A file of variables gives values to them: %s = ... Blocks stand in *.dstack.hcl files.", name).At(d.Subject)...)
			continue
		}
		list = append(list, translate(hcl.Diagnostics{d})...)
	}
	if c.given == nil {
		c.given = map[string][]hcl.Range{}
	}
	c.given[path] = nil
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		a := attrs[name]
		v := c.main.variables[name]
		if v == nil || v.sensitive || v.ephemeral {
			c.given[path] = append(c.given[path], hcl.RangeOver(a.Range, a.Expr.Range()))
		}
		if v == nil {
			if c.partial {
				continue
			}
			list = append(list, diag.Warnf("No such variable", "This file gives a value to %q, which no variable block declares.%s", name, schema.DidYouMean(name, names)).At(&a.NameRange)...)
			continue
		}
		val, ds := a.Expr.Value(nil)
		if ds.HasErrors() {
			detail := v.unless(": " + strings.TrimSuffix(ds[0].Detail, "."))
			if len(a.Expr.Variables()) > 0 || strings.Contains(detail, "Functions may not") {
				detail = ", which refer to nothing and call no function. What is made of other values is a local of the configuration"
			}
			list = append(list, diag.Errorf("A constant is needed", "A file of variables has constants only%s.", detail).At(a.Expr.Range().Ptr())...)
			values[name] = given{wrong: true}
			continue
		}
		values[name] = given{value: val, from: place(a.Range), rng: a.Expr.Range(), expr: a.Expr}
	}
	return list
}

func isAutomatic(name string) bool {
	name = strings.TrimSuffix(name, ".json")
	return name == "dstack.dstackvars" || strings.HasSuffix(name, ".auto.dstackvars")
}
