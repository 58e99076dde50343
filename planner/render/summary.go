package render

import (
	"fmt"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// noChanges says that nothing is to be done. checked, where it is not empty, says when it was looked.
func noChanges(p *plan.Plan, checked string) string {
	if checked != "" {
		checked = " (" + checked + ")"
	}
	if p.Destroy {
		return "Nothing to destroy. No resource is recorded."
	}
	if p.Refresh != nil && skippedResources(p) > 0 {
		return noChangesRead(p)
	}
	not := len(p.NotChecked)
	switch {
	case p.Unchanged == 0 && not == 0:
		return "No changes. The configuration declares no resources, and none is recorded."
	case not > 0:
		return fmt.Sprintf("No changes. %s of %s match the configuration%s; %d could not be checked.", grouped(max(0, p.Unchanged-not)), Count(p.Unchanged, "resource"), checked, not)
	case p.Unchanged == 1:
		return fmt.Sprintf("No changes. 1 resource matches the configuration%s.", checked)
	}
	return fmt.Sprintf("No changes. %s match the configuration%s.", Count(p.Unchanged, "resource"), checked)
}

// summary is the plan's own, or counted where it has none, so that a change is never unsaid.
func summary(p *plan.Plan) plan.Summary {
	if p.Summary != (plan.Summary{}) {
		return p.Summary
	}
	var s plan.Summary
	for _, c := range p.Changes {
		n := map[shown]*int{
			showCreate: &s.Create, showUpdate: &s.Update, showRecord: &s.Update, showReplace: &s.Replace, showReplaceNewFirst: &s.Replace,
			showDestroy: &s.Destroy, showForget: &s.Forget, showImport: &s.Import, showMove: &s.Move, showInFlight: &s.Adopt,
		}[shownOf(c)]
		switch {
		case n == nil:
		case c.Kind == addr.KindSupport:
			s.Support++
		default:
			*n++
		}
	}
	return s
}

// counts are the words of headline and tally.
func counts(p *plan.Plan) []string {
	s := summary(p)
	var out []string
	for _, c := range []struct {
		n    int
		word string
	}{
		{s.Create, "create"},
		{s.Update, "update"},
		{s.Replace, "replace"},
		{s.Destroy, "destroy"},
		{s.Adopt, "adopt"},
		{s.Move, "move"},
		{s.Import, "import"},
		{s.Forget, "forget"},
	} {
		if c.n > 0 {
			out = append(out, grouped(c.n)+" "+c.word)
		}
	}
	return out
}

func headline(p *plan.Plan) string {
	parts := counts(p)
	if len(parts) == 0 {
		switch {
		case summary(p).Support > 0:
			parts = append(parts, Count(summary(p).Support, "support object"))
		case len(p.Deferred) == 0:
			parts = append(parts, "only outputs change")
		}
	}
	if n := len(p.Deferred); n > 0 {
		parts = append(parts, grouped(n)+" deferred")
	}
	if n := len(p.NotChecked); n > 0 {
		parts = append(parts, grouped(n)+" not checked")
	}
	return sort(p) + ": " + strings.Join(parts, ", ")
}

// sort is what sort of plan it is.
func sort(p *plan.Plan) string {
	switch {
	case p.RefreshOnly:
		return "Refresh of the record"
	case p.Destroy && p.Partial:
		return "Partial destroy plan"
	case p.Destroy:
		return "Destroy plan"
	case p.Partial:
		return "Partial plan"
	}
	return "Plan"
}

func tally(p *plan.Plan) string {
	parts := counts(p)
	if summary(p).Support > 0 {
		parts = append(parts, Count(summary(p).Support, "support object"))
	}
	if n := len(p.Deferred); n > 0 {
		parts = append(parts, grouped(n)+" deferred")
	}
	if p.Unchanged > 0 {
		parts = append(parts, grouped(p.Unchanged)+" unchanged")
	}
	if len(counts(p)) == 0 && summary(p).Support == 0 && len(p.Deferred) == 0 {
		return "Only outputs change. Nothing was changed."
	}
	return strings.Join(parts, ", ") + ". Nothing was changed."
}

func next(p *plan.Plan, o Options) string {
	if denying := p.Denying(); len(denying) > 0 {
		command := "dstack apply"
		if p.Destroy {
			command = "dstack destroy"
		}
		if o.Saved != "" {
			command = "dstack apply " + shellWord(o.Saved)
		}
		for _, d := range denying {
			command += " --override-policy " + shellWord(d.Name)
		}
		var text strings.Builder
		indent(&text, "", "It cannot be applied as it is. To do it against its policies, which is recorded:", o.width())
		return text.String() + "  " + command + "\n"
	}
	switch {
	case o.Saved != "":
		return "To apply exactly this plan:\n  dstack apply " + shellWord(o.Saved) + "\n"
	case p.RefreshOnly:
		return "To do this:\n  dstack refresh\n"
	case p.Partial || p.Replaces() || p.Refresh != nil:
		var text strings.Builder
		indent(&text, "", "To do this, give dstack apply the same flags, or save the plan with --out.", o.width())
		return text.String()
	case p.Destroy:
		return "To do this:\n  dstack destroy\n"
	}
	return "To do this:\n  dstack apply\n"
}

// shellWord quotes a file's name where a shell would take it apart.
func shellWord(s string) string {
	for _, r := range s {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+=:,@%", r) {
			return "'" + strings.ReplaceAll(clean(s), "'", `'\''`) + "'"
		}
	}
	return s
}
