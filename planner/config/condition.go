package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
)

// Verdict is what became of one rule with condition and error_message.
type Verdict struct {
	Status  Status
	Message string    // why it does not hold, as error_message says it
	Range   hcl.Range // of the condition
}

// Open tells whether apply has to look again.
func (v Verdict) Open() bool { return v.Status == Unknown }

// Status says whether a rule holds.
type Status string

// What can become of a rule.
const (
	Holds   Status = "pass"
	Fails   Status = "fail"
	Unknown Status = "unknown" // it depends on what is known only after apply
	Broken  Status = "error"   // it cannot be evaluated
)

// Summaries of the diagnostics about rules, by which they are known again.
const (
	conditionFails = "Condition does not hold"
	assertionFails = "Check does not hold"
)

// judge evaluates a rule. The list has an error if the rule fails or is broken, none if it
// is unknown: that holds for now.
func (c *Config) judge(b *body, ctx *hcl.EvalContext, note string) (Verdict, diag.List) {
	cond, message := b.attr("condition"), b.attr("error_message")
	if cond == nil || message == nil {
		return Verdict{Status: Broken}, nil // reported as missing
	}
	out := Verdict{Status: Broken, Range: cond.expr.Range()}
	v, list := c.eval(cond, ctx)
	if list.HasErrors() {
		return out, list
	}
	written := v
	v, _ = v.Unmark()
	v, err := convertTo(v, cty.Bool)
	switch {
	case err != nil || v.IsNull():
		return out, append(list, c.about(cond, ctx, out.Range, "A condition is neither true nor false", "A condition is an expression such as var.size > 0%s.", shown(written))...)
	case !v.IsKnown():
		out.Status = Unknown
		return out, list
	case v.True():
		out.Status = Holds
		return out, list
	}
	text, ds := c.eval(message, ctx)
	list = append(list, ds...)
	out.Status, out.Message = Fails, "The condition does not hold. Its message is sensitive, so it is not shown."
	s, err := convertTo(text, cty.String)
	switch {
	case text.ContainsMarked():
	case ds.HasErrors() || err != nil || s.IsNull() || !s.IsKnown():
		out.Message = "The condition does not hold, and its message cannot be shown, because it is not known or no text."
	default:
		out.Message = s.AsString()
	}
	detail := out.Message
	if note != "" {
		detail = fmt.Sprintf("%s\n%s", detail, note)
	}
	return out, append(list, c.about(cond, ctx, out.Range, conditionFails, "%s", detail)...)
}

// condition is judge for who needs to know only what is wrong.
func (c *Config) condition(b *body, ctx *hcl.EvalContext, note string) diag.List {
	_, list := c.judge(b, ctx, note)
	return list
}

// Preconditions tells what became of the preconditions when the block was decoded.
func (d *Decoded) Preconditions() []Verdict { return d.before }

// HasPostconditions tells whether the block promises anything of what it stands for.
func (b *Block) HasPostconditions() bool {
	return b.lifecycle != nil && len(b.lifecycle.body.nestedOf("postcondition")) > 0
}

// Postconditions checks what the block promises of what it stands for. Self is the value of this repetition of the block,
// as references get it. The list has an error for each that does not hold.
func (d *Decoded) Postconditions(self cty.Value) ([]Verdict, diag.List) {
	if !d.Block.HasPostconditions() {
		return nil, nil
	}
	var out []Verdict
	var list diag.List
	more := extra{"self": self}
	for name, v := range d.inst.names() {
		more[name] = v
	}
	for _, n := range d.Block.lifecycle.body.nestedOf("postcondition") {
		ctx, ds := d.config.contextOf(d.inst.site(), d.scope, more, n.uses())
		list = append(list, ds...)
		v, ds := d.config.judge(n.body, ctx, "")
		out = append(out, v)
		list = append(list, ds...)
	}
	list.For(d.inst.label())
	d.config.Snippets(list)
	return out, list
}

// EvaluateCheck evaluates the assertions of a block `check`, in all instances of its module. What does not hold is a
// warning.
func (c *Config) EvaluateCheck(b *Block, scope Scope) ([]Verdict, diag.List) {
	var out []Verdict
	e := c.evaluate(scope)
	all, list := e.sites(b.module)
	for _, s := range all {
		before := len(list)
		for _, n := range b.body.nestedOf("assert") {
			ctx, ds := e.fill(s, nil, n.uses())
			list = append(list, ds...)
			v, ds := c.judge(n.body, ctx, "")
			out = append(out, v)
			list = append(list, ds...)
		}
		list[before:].For(b.at(s).String())
	}
	for _, d := range list {
		d.Severity = diag.Warning
		if d.Summary == conditionFails {
			d.Summary = assertionFails
		}
	}
	c.Snippets(list)
	return out, list
}

// mostNamed is how many resources are named where one condition fails for many.
const mostNamed = 3

// FoldConditions makes one of all diagnostics that say of several repetitions that the same condition does not hold: with
// how many there are, and the first of them.
func FoldConditions(list diag.List) diag.List {
	type rule struct {
		severity diag.Severity
		at       diag.Range
	}
	key := func(d *diag.Diagnostic) (rule, bool) {
		if d.Summary != conditionFails && d.Summary != assertionFails || d.Range == nil || d.Address == "" {
			return rule{}, false
		}
		return rule{d.Severity, *d.Range}, true
	}
	addresses := map[rule][]string{}
	for _, d := range list {
		if k, ok := key(d); ok && !slices.Contains(addresses[k][max(0, len(addresses[k])-1):], d.Address) {
			addresses[k] = append(addresses[k], d.Address)
		}
	}
	var out diag.List
	for _, d := range list {
		k, ok := key(d)
		switch {
		case !ok || len(addresses[k]) == 1:
			out = append(out, d)
		case len(addresses[k]) > 1:
			out = append(out, folded(d, addresses[k]))
			addresses[k] = nil
		}
	}
	return out
}

// folded is the first diagnostic of several that differ in the repetition only, with a word about the others.
func folded(first *diag.Diagnostic, addresses []string) *diag.Diagnostic {
	d := *first
	named := strings.Join(addresses[:min(len(addresses), mostNamed)], ", ")
	if more := len(addresses) - mostNamed; more > 0 {
		named += fmt.Sprintf(" and %d more", more)
	}
	d.Detail += fmt.Sprintf("\nIt does not hold for %d of them; this is about the first: %s.", len(addresses), named)
	if a, err := addr.ParseInstance(first.Address); err == nil {
		d.Address = a.Block.String()
	}
	return &d
}
