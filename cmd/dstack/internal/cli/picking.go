package cli

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render"
)

// pickable is a line of the list that somebody picks changes from: what is done alike with neighbours of one block.
type pickable struct {
	verbs   string
	members []addr.Resource
	of      []addr.Subject // what a plan of them alone is about
}

// pickables lists what can be picked of a plan. Support objects go with what they support.
func pickables(p *plan.Plan) []pickable {
	type key struct {
		verbs string
		block addr.Instance
		kind  string
	}
	var list []pickable
	at := map[key]int{}
	inBlock := map[addr.Instance]int{}
	for _, c := range p.Changes {
		a, err := addr.ParseResource(c.Address)
		verbs := strings.Join(c.Verbs(), ", ")
		if err != nil || verbs == "" {
			continue
		}
		inBlock[a.Block]++
		k := key{verbs, a.Block, c.Kind}
		i, known := at[k]
		if !known {
			i = len(list)
			at[k] = i
			list = append(list, pickable{verbs: verbs})
		}
		if !slices.Contains(list[i].members, a) { // else it is the old object of one that is replaced
			list[i].members = append(list[i].members, a)
		} else {
			inBlock[a.Block]--
		}
	}
	for i, l := range list {
		if block := l.members[0].Block; len(l.members) > 1 && len(l.members) == inBlock[block] {
			list[i].of = []addr.Subject{addr.SubjectOf(block.Self())}
			continue
		}
		for _, a := range l.members {
			list[i].of = append(list[i].of, addr.SubjectOf(a))
		}
	}
	return list
}

// listed prints the list with its numbers.
func listed(list []pickable) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	width := len(strconv.Itoa(len(list)))
	for i, l := range list {
		var names []string
		for _, a := range l.members {
			names = append(names, a.String())
		}
		fmt.Fprintf(w, "  %*d\t%s\t%s\n", width, i+1, l.verbs, render.Addresses(names))
	}
	_ = w.Flush() // into memory
	return b.String()
}

// numbers are one number of a list, or a range of them.
var numbers = regexp.MustCompile(`^([0-9]+)(?:-([0-9]+))?$`)

// picked reads an answer: numbers of the list, ranges of them, and addresses. What has a minus in front is left out.
func picked(answer string, list []pickable) (take, leave []addr.Subject, err error) {
	for _, word := range answerWords(answer) {
		to := &take
		if rest, minus := strings.CutPrefix(word, "-"); minus {
			word, to = rest, &leave
		}
		subjects, err := pickedBy(word, list)
		if err != nil {
			return nil, nil, err
		}
		*to = append(*to, subjects...)
	}
	return take, leave, nil
}

// pickedBy is what one word of an answer is about.
func pickedBy(word string, list []pickable) ([]addr.Subject, error) {
	if m := numbers.FindStringSubmatch(word); m != nil {
		first, err := strconv.Atoi(m[1])
		last := first
		if err == nil && m[2] != "" {
			last, err = strconv.Atoi(m[2])
		}
		switch {
		case err != nil || first < 1 || last > len(list):
			return nil, fmt.Errorf("there is no %s: the list goes from 1 to %d", word, len(list))
		case first > last:
			return nil, fmt.Errorf("%s runs backwards", word)
		}
		var out []addr.Subject
		for _, l := range list[first-1 : last] {
			out = append(out, l.of...)
		}
		return out, nil
	}
	s, err := addr.ParseSubject(word)
	if err != nil {
		return nil, fmt.Errorf("%s is neither a number of the list nor an address", render.Clean(strconv.Quote(word)))
	}
	for _, l := range list {
		if slices.ContainsFunc(l.members, s.Contains) {
			return []addr.Subject{s}, nil
		}
	}
	return nil, fmt.Errorf("none of these changes is of %s", s)
}

// answerWords are those of an answer, separated by spaces and commas. Keys of addresses may hold both.
func answerWords(answer string) []string {
	quoted, escaped := false, false
	return strings.FieldsFunc(answer, func(r rune) bool {
		switch {
		case escaped:
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\t' || r == ',')
	})
}

// pick asks what of a plan shall be done, and plans that alone: what is picked with all that it needs, without what is left
// out and all that needs it. It returns nil where nothing is picked in the end.
func (a *app) pick(ctx context.Context, f *folder, ap *applying, list []pickable) (*plan.Plan, error) {
	fmt.Fprintf(a.screen.questions, "\n%s\nWhat is picked takes along what it needs. What is left out takes what needs it with it.\n", listed(list))
	for {
		fmt.Fprint(a.screen.questions, "Pick numbers, as in 1 3-5, or addresses; -2 leaves 2 out; nothing goes back: ")
		answer, err := a.readLine()
		if err != nil {
			return nil, err
		}
		take, leave, wrong := picked(answer, list)
		if wrong != nil {
			fmt.Fprintf(a.screen.questions, "%s.\n", capital(wrong.Error()))
			continue
		}
		if len(take)+len(leave) == 0 {
			return nil, nil
		}
		in := ap.planning
		if len(take) > 0 {
			in.targets = take
		}
		in.excludes = slices.Concat(in.excludes, leave)
		in.picked = slices.Concat(in.picked, take, leave)
		p, err := a.planAgain(ctx, f, in)
		if err != nil {
			return nil, err
		}
		if !planner.Changed(p) {
			fmt.Fprintln(a.screen.questions, "Of that nothing is left to do.")
			continue
		}
		ap.planning = in
		return p, nil
	}
}

// planAgain makes another plan from the same configuration, and the state as it is now.
func (a *app) planAgain(ctx context.Context, f *folder, in planning) (*plan.Plan, error) {
	ctx, cancel := a.interruptible(ctx)
	defer cancel()
	st, err := f.makeState(ctx)
	if err != nil {
		return nil, err
	}
	return f.plan(ctx, st, in, false)
}
