package addr

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"
)

// ParseError says why a text is no address.
type ParseError struct {
	Text string // the text that was to be an address
	Why  string // a sentence
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("%q is no address: %s", e.Text, e.Why)
}

// ParseResource reads the address of a resource instance. The error is a *ParseError.
func ParseResource(s string) (Resource, error) {
	r, err := parse(s)
	if err != nil {
		return Resource{}, err
	}
	if r.Kind() == "" {
		return Resource{}, &ParseError{s, "it names a block; a resource is a volume, a gateway, or an instance, job or support of a block, such as fleet.train.instance[0]"}
	}
	return r, nil
}

// ParseInstance reads the address of a block or of one repetition of it.
func ParseInstance(s string) (Instance, error) {
	r, err := parse(s)
	if err != nil {
		return Instance{}, err
	}
	if r != r.Block.Self() {
		return Instance{}, &ParseError{s, "it names a part of a block, not a block"}
	}
	return r.Block, nil
}

// ParseModule reads the path of a module, such as module.eu["a"].module.net.
func ParseModule(s string) (Module, error) {
	i, err := ParseInstance(s)
	if err != nil {
		return Root, err
	}
	if i.Type != "module" {
		return Root, &ParseError{s, "it names a block in a module; a module is module.eu"}
	}
	return i.Module.Child(i.Name, i.Key), nil
}

// ParseAny reads either: a resource instance, or a block, whose Kind is then "" unless the block is itself a resource.
func ParseAny(s string) (Resource, error) { return parse(s) }

// MustParse reads the address of a resource instance that is known to be right; it panics otherwise. For tests and constants.
func MustParse(s string) Resource {
	r, err := ParseResource(s)
	if err != nil {
		panic(err)
	}
	return r
}

func parse(s string) (Resource, error) {
	steps, err := stepsOf(s)
	if err != nil {
		return Resource{}, err
	}
	return fromSteps(s, steps)
}

// stepsOf takes an address apart.
func stepsOf(s string) ([]step, error) {
	if steps, ok := plainSteps(s); ok {
		return steps, nil
	}
	return stepsHCL(s)
}

// stepsHCL reads an address as HCL reads a traversal, which says what an address may look like.
func stepsHCL(s string) ([]step, error) {
	t, diags := hclsyntax.ParseTraversalAbs([]byte(s), "", hcl.InitialPos)
	if diags.HasErrors() {
		return nil, &ParseError{s, diags[0].Detail}
	}
	return traversed(s, t)
}

// traversed takes a traversal apart. s is what the error quotes.
func traversed(s string, t hcl.Traversal) ([]step, error) {
	steps := make([]step, 0, len(t))
	for _, tr := range t {
		switch tr := tr.(type) {
		case hcl.TraverseRoot:
			steps = append(steps, step{name: tr.Name})
		case hcl.TraverseAttr:
			steps = append(steps, step{name: tr.Name})
		case hcl.TraverseIndex:
			last := &steps[len(steps)-1]
			if last.key.IsSet() {
				return nil, &ParseError{s, "two keys follow each other"}
			}
			k, err := keyOf(tr.Key)
			if err != nil {
				return nil, &ParseError{s, err.Error()}
			}
			last.key = k
		default:
			return nil, &ParseError{s, "a splat stands for many addresses; name one"}
		}
	}
	return steps, nil
}

type step struct {
	name string
	key  Key
}

func keyOf(v cty.Value) (Key, error) {
	switch {
	case v.IsNull() || !v.IsKnown() || v.IsMarked():
	case v.Type() == cty.String:
		return String(v.AsString()), nil
	case v.Type() == cty.Number:
		var n int
		if err := gocty.FromCtyValue(v, &n); err != nil || n < 0 {
			return NoKey, fmt.Errorf("a number in brackets is a whole number from 0")
		}
		return Int(n), nil
	}
	return NoKey, fmt.Errorf("a key is a number or a quoted string")
}

// modules reads the path of the module at the beginning of an address.
func modules(s string, steps []step) (Module, []step, error) {
	mod := Root
	for len(steps) >= 2 && steps[0].name == "module" {
		if steps[0].key.IsSet() {
			return Root, nil, &ParseError{s, `"module" takes a name first, as in module.eu["a"]`}
		}
		if len(steps) == 2 { // the call of a module, as depends_on names it
			break
		}
		mod = mod.Child(steps[1].name, steps[1].key)
		steps = steps[2:]
	}
	return mod, steps, nil
}

func fromSteps(s string, steps []step) (Resource, error) {
	mod, steps, err := modules(s, steps)
	if err != nil {
		return Resource{}, err
	}
	if len(steps) < 2 {
		return Resource{}, &ParseError{s, "a type and a name are needed, as in fleet.train"}
	}
	if steps[0].key.IsSet() {
		return Resource{}, &ParseError{s, "a key comes after the name, as in fleet.train[0]"}
	}
	if steps[0].name == "data" {
		if len(steps) < 3 || steps[1].key.IsSet() {
			return Resource{}, &ParseError{s, "data takes a kind and a name, as in data.offers.cheap"}
		}
		steps[2].name = steps[1].name + "." + steps[2].name
		steps = append([]step{steps[0]}, steps[2:]...)
	}
	r := Block{Module: mod, Type: steps[0].name, Name: steps[1].name}.Instance(steps[1].key).Self()
	for i, st := range steps[2:] {
		text, isText := st.key.text, st.key.kind == keyString
		switch {
		case st.name == "instance" && i == 0 && st.key.IsSet():
			r.part, r.key = partInstance, st.key
		case st.name == "job" && i == 0 && st.key.kind == keyInt:
			r.part, r.key = partJob, st.key
		case st.name == "support" && isText && text != "" && r.support == "":
			r.support = text
		default:
			return Resource{}, &ParseError{s, fmt.Sprintf(`%q is no part of a block here; parts are instance[0], job[0] and support["name"]`, st.name+st.key.String())}
		}
	}
	return r, nil
}
