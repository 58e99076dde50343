package plan

import "github.com/dstackai/dstack-planner/addr"

// Verbs of a plan's headline: what can be approved by itself.
const (
	VerbCreate  = "create"
	VerbUpdate  = "update"
	VerbReplace = "replace"
	VerbDestroy = "destroy"
	VerbAdopt   = "adopt"
	VerbMove    = "move"
	VerbImport  = "import"
	VerbForget  = "forget"
)

// Verbs lists all of them, in the order of the headline.
func Verbs() []string {
	return []string{VerbCreate, VerbUpdate, VerbReplace, VerbDestroy, VerbAdopt, VerbMove, VerbImport, VerbForget}
}

// Verbs says what is done with a declared resource, all of it: one that is adopted or imported may be replaced as
// well. That it moves is said by Plan.Moves. There are none for support objects, which go with what they support.
func (c *Change) Verbs() []string {
	if c.Kind == addr.KindSupport || c.OnlyCandidate {
		return nil
	}
	var out []string
	if c.InFlight != nil && c.InFlight.Found {
		out = append(out, VerbAdopt)
	}
	if c.Import != nil {
		out = append(out, VerbImport)
	}
	switch {
	case c.Action == Create && len(out) == 0:
		out = append(out, VerbCreate)
	case c.Action == Update && (len(out) == 0 || !c.RecordOnly): // that it is recorded is said already
		out = append(out, VerbUpdate)
	case c.Action.IsReplace():
		out = append(out, VerbReplace)
	case c.Action == Delete:
		out = append(out, VerbDestroy)
	case c.Action == Forget:
		out = append(out, VerbForget)
	}
	return out
}
