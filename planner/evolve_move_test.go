package planner_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dstackai/dstack-planner/internal/law"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// labels are those that blocks have got by renames, and the blocks moved that say so.
type labels struct {
	now   map[string]string // fleet.fa -> fleet.fab
	moved strings.Builder
}

// text is a configuration with the labels that blocks have now.
func (l *labels) text(hcl string) string {
	for old, name := range l.now {
		kind, was, _ := strings.Cut(old, ".")
		is := strings.TrimPrefix(name, kind+".")
		hcl = strings.ReplaceAll(hcl, fmt.Sprintf("%s %q {", kind, was), fmt.Sprintf("%s %q {", kind, is))
	}
	hcl = reference.ReplaceAllStringFunc(hcl, func(s string) string {
		if name, ok := l.now[s]; ok {
			return name
		}
		return s
	})
	return hcl + l.moved.String()
}

// change gives a block another label, which no block had before.
func (l *labels) change(block string, stage int) {
	if l.now == nil {
		l.now = map[string]string{}
	}
	was := l.now[block]
	if was == "" {
		was = block
	}
	l.now[block] = block + strings.Repeat("z", stage+1)
	fmt.Fprintf(&l.moved, "moved {\n  from = %s\n  to   = %s\n}\n", was, l.now[block])
}

func TestRenamedBlocksEvolveAsOthersDo(t *testing.T) {
	law.Check(t, evolveChecks/3, func(rt *rapid.T) {
		stages := drawStages(rt)
		for i := range stages {
			// What reads an address has another value when that is another.
			stages[i].hcl = strings.ReplaceAll(stages[i].hcl, "service.sa.job[0].instance", "service.sa.job[0].name")
			for _, s := range kinds() {
				if !strings.HasPrefix(s.name, "profile.") && !strings.HasPrefix(s.name, "output.") && rapid.IntRange(0, 2).Draw(rt, "rename "+s.name) == 1 {
					stages[i].renamed = append(stages[i].renamed, s.name)
				}
			}
			stages[i].late = rapid.IntRange(0, 2).Draw(rt, "late") == 1
		}
		var failed error
		synctest.Test(t, func(t *testing.T) { failed = evolve(t, stages) })
		if failed != nil {
			rt.Fatalf("%v", failed)
		}
	})
}

// rename changes the labels of blocks, and proves that this is all that a plan with them does more than one without.
func (e *evolution) rename(s stage) error {
	if len(s.renamed) == 0 {
		return nil
	}
	without, refused, err := e.plan(planner.PlanOptions{})
	if err != nil || refused {
		return err
	}
	for _, block := range s.renamed {
		e.names.change(block, e.stage)
	}
	e.stage++
	if s.late {
		return nil
	}
	before := e.hcl
	e.hcl = e.names.text(e.base)
	with, refused, err := e.plan(planner.PlanOptions{})
	switch {
	case err != nil:
		return err
	case refused:
		e.hcl = before
		return errors.New("it is refused with other labels")
	}
	want, have := consequences(without), consequences(with)
	if d := cmp.Diff(want, have); d != "" {
		return fmt.Errorf("with other labels (+) a plan does something else than without (-):\n%s", d)
	}
	if s.faults != "" || s.breakAt > 0 || s.stopAt > 0 {
		e.untold = true
		if _, err := e.carry(with, s); err != nil {
			return err
		}
		if err := e.known(); err != nil {
			return fmt.Errorf("after a troubled rename: %w", err)
		}
	}
	return e.converge(planner.PlanOptions{})
}

// tag is an address as the world has it: where nobody told it of a move, it has an old one.
func (e *evolution) tag(address string) string {
	if e.untold {
		return ""
	}
	return address
}

var labelled = regexp.MustCompile(`\b(fleet|volume|task|service|gateway|dev_environment)\.[a-z]+`)

// consequences are what a plan does, apart from changing addresses, under the labels that blocks had at first.
func consequences(p *plan.Plan) []string {
	var out []string
	for _, c := range p.Changes {
		if c.Action == plan.NoOp {
			continue
		}
		line := fmt.Sprintf("%s %s because %s", c.Action, c.Address, c.Reason)
		for _, d := range c.Diff {
			line += fmt.Sprintf(", %s: %s -> %s", d.Path, d.Before, d.After)
		}
		out = append(out, labelled.ReplaceAllStringFunc(line, func(s string) string { return strings.TrimRight(s, "z") }))
	}
	slices.Sort(out)
	return out
}
