package addr

import "github.com/hashicorp/hcl/v2"

// Subject is what a change of addresses speaks of: a module, a block, one repetition of either, or one resource of a
// block. It is comparable.
type Subject struct {
	at Resource // of a module, its call
}

// SubjectOf is the subject that a resource is.
func SubjectOf(r Resource) Subject { return Subject{r} }

// ParseSubject reads the address of a subject. The error is a *ParseError.
func ParseSubject(s string) (Subject, error) {
	r, err := parse(s)
	return Subject{r}, err
}

// SubjectAt reads a subject that stands in a configuration as a traversal. s is what the error quotes.
func SubjectAt(s string, t hcl.Traversal) (Subject, error) {
	steps, err := traversed(s, t)
	if err != nil {
		return Subject{}, err
	}
	r, err := fromSteps(s, steps)
	return Subject{r}, err
}

// IsZero tells whether the subject is unset.
func (s Subject) IsZero() bool { return s == Subject{} }

// IsModule tells whether the subject is a module, or one repetition of it.
func (s Subject) IsModule() bool { return s.IsBlock() && s.at.Block.Type == "module" }

// IsBlock tells whether the subject is a block, or one repetition of it: a module is its call.
func (s Subject) IsBlock() bool { return s.at == s.at.Block.Self() }

// Resource is the subject as a resource: that of a block is the block itself.
func (s Subject) Resource() Resource { return s.at }

// Block is the block that the subject is or belongs to; of a module its call.
func (s Subject) Block() Instance { return s.at.Block }

// Key is that of the repetition, NoKey where none is written.
func (s Subject) Key() Key { return s.at.Block.Key }

// Within is the subject as seen from outside of the module that it was written in.
func (s Subject) Within(m Module) Subject {
	s.at.Block.Module = m.Join(s.at.Block.Module)
	return s
}

// String returns the address.
func (s Subject) String() string { return s.at.String() }

// Contains tells whether a resource is the subject or a part of it. Without a key a step of the subject stands for all
// repetitions; the support objects of what is in it are in it.
func (s Subject) Contains(r Resource) bool {
	if s.IsModule() {
		call := s.at.Block
		return r.Block.Module.Within(call.Module.Child(call.Name, call.Key))
	}
	at, of := s.at.Block, r.Block
	switch {
	case at.Type != of.Type || at.Name != of.Name:
		return false
	case at.Key.IsSet() && at.Key != of.Key:
		return false
	case of.Module.Static() != at.Module.Static() || !of.Module.Within(at.Module):
		return false
	case s.at.SupportName() != "":
		return r.support == s.at.support && r.part == s.at.part && r.key == s.at.key
	}
	return s.at.part == partSelf || r.part == s.at.part && r.key == s.at.key
}
