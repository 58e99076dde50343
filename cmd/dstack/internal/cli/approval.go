package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render"
)

// approvals is the value of --approve: what may be done without a question.
type approvals []string

func (v *approvals) String() string { return strings.Join(*v, ",") }
func (*approvals) Type() string     { return "ACTIONS" }

func (v *approvals) Set(s string) error {
	for name := range strings.SplitSeq(s, ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(plan.Verbs(), name) {
			return fmt.Errorf("%q is none of %s", name, strings.Join(plan.Verbs(), ", "))
		}
		*v = append(*v, name)
	}
	return nil
}

// check refuses a plan that does more than is approved.
func (v approvals) check(p *plan.Plan) error {
	if len(v) == 0 {
		return nil
	}
	more := map[string][]string{}
	for _, c := range p.Changes {
		for _, verb := range c.Verbs() {
			if !slices.Contains(v, verb) {
				more[verb] = append(more[verb], c.Address)
			}
		}
	}
	for _, m := range p.Moves {
		if !slices.Contains(v, plan.VerbMove) {
			more[plan.VerbMove] = append(more[plan.VerbMove], m.To)
		}
	}
	if len(more) == 0 {
		return nil
	}
	var lines []string
	for _, verb := range plan.Verbs() {
		if list := more[verb]; len(list) > 0 {
			lines = append(lines, fmt.Sprintf("%s  %s", verb, render.Addresses(list)))
		}
	}
	return fail(exitDenied, "Plan does more than is approved", "Approved is %s, and there is more to do:\n%s\nNothing was done.", strings.Join(v, ", "), strings.Join(lines, "\n"))
}

// choice is one answer to a question.
type choice struct {
	key  string               // what is typed
	what string               // what it does, for the list of choices: "to see everything"
	do   func() (bool, error) // true: the question is answered with yes
}

// approve asks whether a plan shall be applied, which was shown already. Nothing but yes is a yes. Where somebody picks some
// of its changes, it returns the plan of these, to be shown and asked about in turn, and lets ap ask for them.
func (a *app) approve(ctx context.Context, f *folder, p *plan.Plan, ap *applying, command, again string) (*plan.Plan, error) {
	details := func() (bool, error) {
		o := a.options()
		o.Verbose, o.Asking = true, true
		fmt.Fprintf(a.screen.questions, "\n%s\n", render.Text(p, o))
		return false, nil
	}
	choices := []choice{{key: "d", what: "to see every detail", do: details}}
	var part *plan.Plan
	if list := pickables(p); !ap.refreshOnly && (len(list) > 1 || len(list) == 1 && len(list[0].members) > 1) {
		choices = append(choices, choice{key: "p", what: "to pick changes", do: func() (_ bool, err error) {
			part, err = a.pick(ctx, f, ap, list)
			return part != nil, err
		}})
	}
	err := a.ask("dstack "+command, approvalQuestion(p, ap.override), again+" --auto-approve", choices)
	return part, err
}

// approvalQuestion says what is at stake.
func approvalQuestion(p *plan.Plan, override []string) string {
	question := "Shall this be done?"
	var risks []string
	s := p.Summary
	switch {
	case p.Destroy:
		question = "Shall all of this be destroyed? It cannot be taken back."
	case s.Destroy > 0 && s.Replace > 0:
		risks = append(risks, fmt.Sprintf("destroys %d and replaces %d", s.Destroy, s.Replace))
	case s.Destroy > 0:
		risks = append(risks, fmt.Sprintf("destroys %d", s.Destroy))
	case s.Replace > 0:
		risks = append(risks, fmt.Sprintf("replaces %d", s.Replace))
	}
	for _, r := range p.Denying() {
		if slices.Contains(override, r.Name) {
			risks = append(risks, "is against the policy "+r.Name)
		}
	}
	if len(risks) > 0 {
		question += " It " + strings.Join(risks, ", and ") + "."
	}
	return question
}

// ask asks until the answer is none of the choices: then yes is a yes, and anything else leaves everything as it is. Whoever
// cannot be asked is told how to do without.
func (a *app) ask(what, question, without string, choices []choice) error {
	if a.screen.questions == nil || a.json {
		return fail(exitError, "Nobody can be asked", "%s has to be confirmed, and this is no terminal. To confirm it beforehand:\n  %s", what, without)
	}
	options := ""
	for _, c := range choices {
		options += ", " + c.key + " " + c.what
	}
	for {
		gap := " "
		if len(choices) > 1 {
			gap = "\n"
		}
		fmt.Fprintf(a.screen.questions, "%s\nType yes to go on%s;%sanything else leaves everything as it is: ", question, options, gap)
		answer, err := a.readLine()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		answer = strings.TrimSpace(answer)
		i := slices.IndexFunc(choices, func(c choice) bool { return c.key == answer })
		switch {
		case answer == "yes":
			return nil
		case i >= 0 && err == nil:
			yes, err := choices[i].do()
			if errors.Is(err, io.EOF) {
				return a.nothingChanged()
			}
			if yes || err != nil {
				return err
			}
		default:
			return a.nothingChanged()
		}
	}
}

func (a *app) nothingChanged() error {
	fmt.Fprintln(a.screen.questions, "Nothing was changed.")
	return exit(exitError)
}

// confirm asks a question to which only yes is a yes.
func (a *app) confirm(what, question, without string) error {
	return a.ask(what, question, without, nil)
}

// readLine reads one line from stdin; a signal ends the waiting.
func (a *app) readLine() (string, error) {
	type line struct {
		text string
		err  error
	}
	if a.lines == nil {
		a.lines = bufio.NewReader(a.in)
	}
	got := make(chan line, 1)
	go func() { // ends with the process if nobody answers
		text, err := a.lines.ReadString('\n')
		got <- line{text, err}
	}()
	select {
	case l := <-got:
		return strings.TrimRight(l.text, "\r\n"), l.err
	case <-a.signals:
		fmt.Fprintln(a.screen.questions)
		return "", exit(exitInterrupted)
	}
}
