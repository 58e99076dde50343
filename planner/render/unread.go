package render

import (
	"fmt"
	"slices"
	"time"

	"github.com/dstackai/dstack-planner/planner/plan"
)

// mostUnread is how long the addresses of what was not to be read may be before only the first of them are written.
const mostUnread = 160

// firstUnread is how many they are then.
const firstUnread = 3

// notChecked says what is taken as recorded: in one sentence what nobody was to ask about, and what could not be asked.
func (v *changeView) notChecked() []string {
	var skipped []string
	var failed []plan.Note
	var oldest, newest time.Time
	for _, n := range v.p.NotChecked {
		if !v.p.Skipped(n) {
			failed = append(failed, n)
			continue
		}
		skipped = append(skipped, n.Address)
		if at := n.Since; !at.IsZero() {
			if oldest.IsZero() || at.Before(oldest) {
				oldest = at
			}
			if at.After(newest) {
				newest = at
			}
		}
	}
	var out []string
	if len(skipped) > 0 {
		text := fmt.Sprintf("%s of %s (%s), taken as recorded", grouped(len(skipped)), Count(v.p.Refresh.Recorded, "recorded object"), v.p.Refresh.Mode.Flag())
		if !oldest.IsZero() {
			text += " " + v.between(oldest, newest)
		}
		out = append(out, text+": "+v.someAddresses(skipped))
	}
	return append(out, foldNotes(failed)...)
}

// between says when the first and the last of several things were.
func (v *changeView) between(first, last time.Time) string {
	say := func(t time.Time) string { return Ago(t, v.p.CreatedAt) }
	if v.o.document {
		say = absolute
	}
	if a, b := say(first), say(last); a != b {
		return "from " + a + " to " + b
	}
	return say(first)
}

// someAddresses writes addresses, and only the first of them where there are many that cannot be folded.
func (v *changeView) someAddresses(list []string) string {
	list = slices.SortedFunc(slices.Values(list), compareNatural)
	all := addresses(list)
	if v.o.Verbose || len(all) <= mostUnread || len(list) <= firstUnread {
		return all
	}
	return addresses(list[:firstUnread]) + " and " + grouped(len(list)-firstUnread) + " more"
}

// skippedResources counts the declared things that nobody was to ask about: support objects are not among what is unchanged.
func skippedResources(p *plan.Plan) int {
	n := 0
	for _, note := range p.NotChecked {
		if p.Skipped(note) && ownerOf(note.Address) == note.Address {
			n++
		}
	}
	return n
}

// noChangesRead is noChanges of a plan that was not to read everything.
func noChangesRead(p *plan.Plan) string {
	skipped, failed := 0, 0
	for _, note := range p.NotChecked {
		switch own := ownerOf(note.Address) == note.Address; {
		case own && p.Skipped(note):
			skipped++
		case own:
			failed++
		}
	}
	match := " match"
	if p.Unchanged == 1 {
		match = " matches"
	}
	text := "No changes against the record. " + Count(p.Unchanged, "resource") + match + " the configuration"
	if skipped >= p.Unchanged {
		text += " as recorded; nothing of it was read"
	} else {
		text += ", " + grouped(skipped) + " of them as recorded and not read"
	}
	if failed > 0 {
		text += "; " + grouped(failed) + " could not be checked"
	}
	return text + " (" + p.Refresh.Mode.Flag() + ")."
}
