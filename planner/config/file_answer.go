package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/dstackai/dstack-planner/schema"
)

// FileAnswer is what a function answered that looks at the machine: at files, at the home folder, at the working directory.
// A saved plan keeps the answers, so that it can be applied where these are others, or none.
type FileAnswer struct {
	Function string   // file, fileexists, templatefile (the text of the template), path.cwd
	Args     []string // without the variables of a template
	Value    json.RawMessage
	// Secret says that the answer ends in a sensitive value: no plan may keep it.
	Secret bool
}

// Name is the call as it is written: file("keys/team.pub").
func (a FileAnswer) Name() string {
	if a.Function == cwdAnswer {
		return a.Function
	}
	quotedArgs := make([]string, len(a.Args))
	for i, arg := range a.Args {
		quotedArgs[i] = quoted(arg)
	}
	return a.Function + "(" + strings.Join(quotedArgs, ", ") + ")"
}

// cwdAnswer stands for path.cwd among the functions.
const cwdAnswer = "path.cwd"

// fileFunctions are the functions whose answers depend on the machine, but for templatefile, of which the text of the
// template is the answer.
var fileFunctions = [...]string{
	"abspath", "file", "filebase64", "filebase64sha256", "filebase64sha512", "fileexists", "filemd5", "fileset", "filesha1", "filesha256", "filesha512", "pathexpand",
}

// answerMark is the cty mark of a value that an answer went into. It never leaves the package: eval takes it off.
type answerMark struct{ name string }

// fileAnswers keeps the answers of one configuration.
type fileAnswers struct {
	given map[string]FileAnswer // by name: those of an earlier evaluation
	some  atomic.Bool           // there is an answer, so that there may be marks

	mu     sync.Mutex
	asked  map[string]FileAnswer
	secret map[string]bool
}

func newFileAnswers(given []FileAnswer) *fileAnswers {
	f := &fileAnswers{given: map[string]FileAnswer{}, asked: map[string]FileAnswer{}, secret: map[string]bool{}}
	for _, a := range given {
		f.given[a.Name()] = a
	}
	return f
}

// FileAnswers lists what functions that look at the machine have answered so far, in order of their names.
func (c *Config) FileAnswers() []FileAnswer {
	f := c.files
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]FileAnswer, 0, len(f.asked))
	for _, name := range slices.Sorted(maps.Keys(f.asked)) {
		a := f.asked[name]
		a.Secret = f.secret[name]
		out = append(out, a)
	}
	return out
}

// GivenAnswer is an answer that Load was given.
func (c *Config) GivenAnswer(name string) (FileAnswer, bool) {
	a, ok := c.files.given[name]
	return a, ok
}

// AskAgain asks for an answer anew. Relative paths start at dir.
func AskAgain(dir string, a FileAnswer) (FileAnswer, error) {
	f := newFileAnswers(nil)
	var v cty.Value
	var err error
	switch a.Function {
	case "templatefile":
		var text string
		text, _, err = f.template(dir, a.Args[0])
		v = cty.StringVal(text)
	case cwdAnswer:
		return f.note(a, f.cwd())
	default:
		fn, ok := functions(dir, &calls{config: &Config{files: f}})[a.Function]
		if !ok {
			return a, fmt.Errorf("there is no function %q", a.Function)
		}
		args := make([]cty.Value, len(a.Args))
		for i, arg := range a.Args {
			args[i] = cty.StringVal(arg)
		}
		v, err = fn.Call(args)
	}
	if err != nil {
		return a, err
	}
	v, _ = v.Unmark()
	return f.note(a, v)
}

// note keeps an answer.
func (f *fileAnswers) note(a FileAnswer, v cty.Value) (FileAnswer, error) {
	raw, err := schema.MarshalValue(v)
	if err != nil {
		return a, err
	}
	a.Value = raw
	f.some.Store(true)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked[a.Name()] = a
	return a, nil
}

// remember makes a function give the answers that were given before, and notes those that it gives.
func (f *fileAnswers) remember(name string, fn function.Function) function.Function {
	return function.New(&function.Spec{
		Description: fn.Description(), Params: fn.Params(), VarParam: fn.VarParam(), RefineResult: refineNotNull,
		Type: fn.ReturnTypeForValues,
		Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
			a := FileAnswer{Function: name}
			for _, arg := range args {
				bare, _ := arg.Unmark()
				if !bare.IsKnown() || bare.IsNull() || bare.Type() != cty.String {
					return fn.Call(args)
				}
				a.Args = append(a.Args, bare.AsString())
			}
			v, known, err := f.recall(a, ty)
			if !known && err == nil {
				v, err = fn.Call(args)
			}
			if err != nil || !v.IsWhollyKnown() {
				return v, err
			}
			bare, marks := v.Unmark()
			if _, err := f.note(a, bare); err != nil {
				return cty.UnknownVal(ty), err
			}
			return bare.WithMarks(marks).Mark(answerMark{a.Name()}), nil
		},
	})
}

// recall gives an answer that was given before.
func (f *fileAnswers) recall(a FileAnswer, ty cty.Type) (cty.Value, bool, error) {
	old, ok := f.given[a.Name()]
	if !ok || old.Value == nil {
		return cty.NilVal, false, nil
	}
	if ty.IsSetType() {
		var texts []string
		if err := json.Unmarshal(old.Value, &texts); err != nil {
			return cty.NilVal, false, fmt.Errorf("the plan's answer of %s cannot be read: %w", a.Name(), err)
		}
		out := make([]cty.Value, len(texts))
		for i, t := range texts {
			out[i] = cty.StringVal(t)
		}
		if len(out) == 0 {
			return cty.SetValEmpty(cty.String), true, nil
		}
		return cty.SetVal(out), true, nil
	}
	var into any
	err := json.Unmarshal(old.Value, &into)
	switch v := into.(type) {
	case string:
		return cty.StringVal(v), true, nil
	case bool:
		return cty.BoolVal(v), true, nil
	}
	return cty.NilVal, false, fmt.Errorf("the plan's answer of %s cannot be read: %w", a.Name(), err)
}

// template is the text of a template, with the mark that the result is to have.
func (f *fileAnswers) template(dir, path string) (string, answerMark, error) {
	if f == nil {
		f = newFileAnswers(nil)
	}
	a := FileAnswer{Function: "templatefile", Args: []string{path}}
	mark := answerMark{a.Name()}
	v, known, err := f.recall(a, cty.String)
	if err != nil {
		return "", mark, err
	}
	if !known {
		content, err := readContent(dir, path)
		if err != nil {
			return "", mark, err
		}
		text, err := asText(path, content)
		if err != nil {
			return "", mark, err
		}
		v = cty.StringVal(text)
	}
	_, err = f.note(a, v)
	return v.AsString(), mark, err
}

// cwd is path.cwd, as it was given or as it is.
func (f *fileAnswers) cwd() cty.Value {
	if v, known, err := f.recall(FileAnswer{Function: cwdAnswer}, cty.String); known && err == nil {
		return v
	}
	cwd, err := filepath.Abs(".")
	if err != nil {
		cwd = "."
	}
	return cty.StringVal(filepath.ToSlash(cwd))
}

// settle takes the marks of answers off a value. Those that are in something sensitive are secret from then on: all of them
// where secret says so, and those below an attribute that the description calls sensitive.
func (c *Config) settle(v cty.Value, desc *schema.Attribute, secret bool) cty.Value {
	if c.files == nil || !c.files.some.Load() {
		return v
	}
	v, found, sensitive := splitAnswers(v)
	for _, pm := range found {
		hidden := secret || sensitiveAt(desc, pm.Path) || slices.ContainsFunc(sensitive, func(p cty.Path) bool { return below(p, pm.Path) || below(pm.Path, p) })
		for m := range pm.Marks {
			if hidden {
				c.files.hide(m.(answerMark).name)
			}
		}
	}
	return v
}

// splitAnswers takes the marks of answers off a value, with where they were, and where other marks are.
func splitAnswers(v cty.Value) (bare cty.Value, found []cty.PathValueMarks, others []cty.Path) {
	if v == cty.NilVal || !v.ContainsMarked() {
		return v, nil, nil
	}
	bare, all := v.UnmarkDeepWithPaths()
	var kept []cty.PathValueMarks
	for _, pm := range all {
		ours, rest := cty.ValueMarks{}, cty.ValueMarks{}
		for m := range pm.Marks {
			if _, ok := m.(answerMark); ok {
				ours[m] = struct{}{}
			} else {
				rest[m] = struct{}{}
			}
		}
		if len(ours) > 0 {
			found = append(found, cty.PathValueMarks{Path: pm.Path, Marks: ours})
		}
		if len(rest) > 0 {
			kept = append(kept, cty.PathValueMarks{Path: pm.Path, Marks: rest})
			others = append(others, pm.Path)
		}
	}
	if len(found) == 0 {
		return v, nil, others
	}
	return bare.MarkWithPaths(kept), found, others
}

// unanswered is a value without the marks of answers, which alone make no secret of it.
func unanswered(v cty.Value) cty.Value {
	v, _, _ = splitAnswers(v)
	return v
}

// answersIn are the marks of all answers in a value.
func answersIn(v cty.Value) cty.ValueMarks {
	_, found, _ := splitAnswers(v)
	out := cty.ValueMarks{}
	for _, pm := range found {
		for m := range pm.Marks {
			out[m] = struct{}{}
		}
	}
	return out
}

func (f *fileAnswers) hide(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.secret[name] = true
}

// below tells whether a path leads into what another leads to, or to the same.
func below(path, root cty.Path) bool {
	return len(path) >= len(root) && path[:len(root)].Equals(root)
}

// sensitiveAt tells whether a description calls what a path leads to, or what is around it, sensitive.
func sensitiveAt(desc *schema.Attribute, path cty.Path) bool {
	for _, step := range path {
		if desc == nil || desc.Sensitive {
			break
		}
		if at, ok := step.(cty.GetAttrStep); ok {
			if desc.Elem == nil {
				return false
			}
			desc = desc.Elem.Attr(at.Name)
		}
	}
	return desc != nil && desc.Sensitive
}
