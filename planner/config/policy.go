package config

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// PlanName is the name under which a policy sees the plan. It is no block: a Scope is asked for addr.Block{Type: PlanName}
// with the name of one attribute of the plan, such as cost or changes.
const PlanName = "plan"

// Policy is a block `policy`: a rule that a plan must keep.
type Policy struct {
	Name     string
	Warn     bool      // enforcement = "warn": a plan that breaks it can be applied nevertheless
	DefRange hcl.Range // the header: policy "budget"

	config *Config
	body   *body
}

// Policies lists the policies in the order of files and of places in them.
func (c *Config) Policies() []*Policy { return c.policies }

// Declared is the place of the policy, file:line.
func (p *Policy) Declared() string { return place(p.DefRange) }

// Condition is the expression that must be true.
func (p *Policy) Condition() hcl.Expression { return p.body.attr("condition").expr }

// Message is the expression of what to say when the condition is not true.
func (p *Policy) Message() hcl.Expression { return p.body.attr("error_message").expr }

// LocalExpr is the expression of a local of the configuration's own folder, nil if there is none of that name.
func (c *Config) LocalExpr(name string) hcl.Expression {
	if l := c.main.locals[name]; l != nil {
		return l.attr.expr
	}
	return nil
}

// Judgement is what one policy says of a plan.
type Judgement struct {
	Holds   cty.Value // an unmarked bool; unknown where that is not known, or where the condition has errors
	Message string    // for people: error_message where the condition is false
	Values  []diag.Value
	// Problems are what is wrong with the condition or with the message, as warnings: the policy cannot be judged by them.
	Problems diag.List
}

// Evaluate judges the plan that a Scope holds. It never shows what is sensitive.
func (p *Policy) Evaluate(scope Scope) Judgement {
	c := p.config
	cond, message := p.body.attr("condition"), p.body.attr("error_message")
	ctx, list := c.contextOf(c.root, scope, nil, cond.uses, message.uses)
	out := Judgement{Holds: cty.UnknownVal(cty.Bool), Values: mentionedValues(cond.uses, ctx)}
	v, ds := c.eval(cond, ctx)
	if list = append(list, ds...); list.HasErrors() {
		out.Problems = p.problems(list)
		return out
	}
	written := v
	v, _ = v.Unmark()
	v, err := convertTo(v, cty.Bool)
	if err != nil || v.IsNull() {
		out.Problems = p.problems(append(list, c.about(cond, ctx, cond.expr.Range(), "A condition is neither true nor false", "A condition is an expression such as plan.summary.destroy == 0%s.", shown(written))...))
		return out
	}
	out.Holds = v
	if v.IsKnown() && v.False() {
		text, ds := c.eval(message, ctx)
		list = append(list, ds...)
		out.Message = messageOf(text, ds.HasErrors())
	}
	out.Problems = p.problems(list)
	return out
}

// Problems are what is wrong with the condition and with the message, by the plan that a Scope holds, as warnings.
func (p *Policy) Problems(scope Scope) diag.List {
	c := p.config
	cond, message := p.body.attr("condition"), p.body.attr("error_message")
	ctx, list := c.contextOf(c.root, scope, nil, cond.uses, message.uses)
	for _, a := range []*attribute{cond, message} {
		_, ds := c.eval(a, ctx)
		list = append(list, ds...)
	}
	return p.problems(list)
}

// messageOf is the text of an error_message, or why it is not shown.
func messageOf(text cty.Value, broken bool) string {
	if broken {
		return "The condition does not hold. Its message cannot be evaluated."
	}
	if text.ContainsMarked() {
		return "The condition does not hold. Its message is sensitive, so it is not shown."
	}
	s, err := convertTo(text, cty.String)
	switch {
	case err != nil || s.IsKnown() && s.IsNull():
		return "The condition does not hold. Its message is no text."
	case !s.IsKnown():
		return "The condition does not hold. Its message mentions what is known only after apply."
	}
	return strings.TrimSpace(s.AsString())
}

// problems makes warnings of errors: a policy that cannot be judged keeps a plan from being applied, not from being made.
func (p *Policy) problems(list diag.List) diag.List {
	for _, d := range list {
		d.Severity = diag.Warning
	}
	list.For("policy." + p.Name)
	p.config.Snippets(list)
	return list
}

// collectPolicy takes in a block `policy`.
func (c *Config) collectPolicy(b *Block) diag.List {
	for _, other := range c.policies {
		if other.Name == b.Addr.Name {
			return twice(b, &Block{DefRange: other.DefRange})
		}
	}
	c.policies = append(c.policies, &Policy{Name: b.Addr.Name, DefRange: b.DefRange, config: c, body: b.body})
	return nil
}

// checkPolicies finds what policies cannot refer to, and evaluates how each is enforced. It must come after the
// variables and the references of the rest.
func (c *Config) checkPolicies() diag.List {
	var list diag.List
	for _, p := range c.policies {
		before := len(list)
		for _, a := range p.body.attrs {
			for _, u := range a.uses {
				if summary, detail := c.checkPolicyUse(a, u); summary != "" {
					list = append(list, c.about(a, nil, u.rng(), summary, "%s", detail)...)
				}
			}
		}
		if !list[before:].HasErrors() {
			list = append(list, c.enforcement(p)...)
		}
		list[before:].For("policy." + p.Name)
	}
	for _, b := range c.blocks {
		for _, r := range b.refs {
			if r.To.Type == PlanName {
				list = append(list, diag.Errorf("Reference has no place here", "%s uses a local that is made of the plan, and the plan is made of %s. Only policies can use such a local.", b.Addr, b.Addr).At(&r.Range).For(b.Addr.String())...)
			}
		}
	}
	return list
}

// checkPolicyUse says what is wrong with one name in a policy, nothing if it is right.
func (c *Config) checkPolicyUse(a *attribute, u use) (summary, detail string) {
	const elsewhere = "Reference has no place here"
	switch u.root {
	case PlanName:
		if a.name == "enforcement" {
			return elsewhere, "How a policy is enforced cannot depend on the plan that it judges. Write two policies, or say it in the condition."
		}
		return c.checkPlanUse(u)
	case "var", "path":
		return c.checkUse(c.main, nil, a, nil, u)
	case "local":
		if summary, detail = c.checkUse(c.main, nil, a, nil, u); summary != "" {
			return summary, detail
		}
		l := c.main.locals[u.name]
		if l == nil { // it may stand in a file that could not be parsed
			return "", ""
		}
		for _, r := range l.refs {
			if r.To.Type != PlanName {
				return elsewhere, fmt.Sprintf("local.%s depends on %s, and a policy judges the plan alone. Use plan.changes, or a local that depends on no block.", u.name, r.To)
			}
		}
		return "", ""
	}
	return elsewhere, fmt.Sprintf("A policy judges the plan alone, and %s is no part of it. It can use plan, variables, and locals that depend on no block, as in\n  alltrue([for c in plan.changes : c.kind != \"volume\" || c.actions != [\"delete\"]])", traversalText(u.traversal))
}

func (c *Config) checkPlanUse(u use) (summary, detail string) {
	if u.name == "" {
		return "Reference to nothing", "plan alone is too much to look at; write what of it, as in plan.cost or plan.changes."
	}
	return "", ""
}

// enforcement evaluates how a policy is enforced.
func (c *Config) enforcement(p *Policy) diag.List {
	a := p.body.attr("enforcement")
	if a == nil {
		return nil
	}
	ctx, list := c.contextOf(c.root, nil, nil, a.uses)
	v, ds := c.eval(a, ctx)
	if list = append(list, ds...); list.HasErrors() {
		return list
	}
	v, _ = v.Unmark()
	text := ""
	if v.IsKnown() && !v.IsNull() && v.Type() == cty.String {
		text = v.AsString()
	}
	switch text {
	case "deny", "warn":
		p.Warn = text == "warn"
		return list
	}
	known := []string{"deny", "warn"}
	return append(list, c.about(a, ctx, a.expr.Range(), "Unknown enforcement", "enforcement is \"deny\" or \"warn\"%s.%s", shown(v), schema.DidYouMean(text, known))...)
}

// PolicyOptions say which folder of policies to read.
type PolicyOptions struct {
	Dir string
	// Sources and Values stand for what is in Dir: what a saved plan has of it.
	Sources []Source
	Values  map[string]cty.Value
	// FileAnswers are answers that functions gave in an earlier evaluation, see LoadOptions.
	FileAnswers []FileAnswer
	// Whole says that other blocks may stand there as well: it is the folder of a configuration, of which only policies are
	// looked at.
	Whole   bool
	At      time.Time // what timestamp() answers; now unless set
	Version string    // of the running program, for required_version
}

// LoadPolicies reads a folder of policies. Such a folder is a module of its own and holds policy, locals and variable
// blocks only. Its variables have the values of their defaults and of the files of variables in the folder: whoever may
// write there says what the limits are, and nobody else.
func LoadPolicies(ctx context.Context, o PolicyOptions) (*Config, diag.List) {
	in := LoadOptions{Dir: o.Dir, Sources: o.Sources, Version: o.Version, FileAnswers: o.FileAnswers, policies: true, whole: o.Whole}
	if !o.At.IsZero() {
		in.Now = func() time.Time { return o.At }
	}
	if o.Sources == nil {
		var list diag.List
		if in.Sources, in.Vars, list = readPolicies(o.Dir); list.HasErrors() {
			return &Config{Dir: o.Dir, texts: map[string][]byte{}}, list
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Values)) {
		in.Vars = append(in.Vars, Assignment{Name: name, Value: o.Values[name]})
	}
	c, list := Load(ctx, in)
	if len(c.policies) == 0 && !list.HasErrors() {
		list = append(list, diag.Errorf("No policies here", "There is no policy in the *.dstack.hcl and *.dstack.json files of %s. One is written so:\n  policy \"budget\" {\n    condition     = plan.cost.after.hourly_max <= 120\n    error_message = \"At most $120 an hour.\"\n  }", o.Dir)...)
	}
	return c, list
}

// readPolicies reads the files of a folder of policies, with the folder in their paths, and finds its files of variables.
func readPolicies(dir string) ([]Source, []Assignment, diag.List) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, diag.Errorf("Folder cannot be read", "The folder of policies %s cannot be read: %s.", dir, reason(err))
	}
	sources := []Source{}
	var list diag.List
	var first, auto []Assignment
	for _, e := range entries {
		name := e.Name()
		at := path.Join(filepath.ToSlash(dir), name)
		switch {
		case e.IsDir() || strings.HasPrefix(name, "."):
		case isSource(name):
			text, err := readFile(filepath.Join(dir, name))
			if err != nil {
				list = append(list, diag.Errorf("File cannot be read", "%s cannot be read: %s.", at, reason(err))...)
				continue
			}
			sources = append(sources, Source{Path: at, Text: text})
		case name == "dstack.dstackvars" || name == "dstack.dstackvars.json":
			first = append(first, Assignment{File: filepath.Join(dir, name)})
		case isAutomatic(name):
			auto = append(auto, Assignment{File: filepath.Join(dir, name)})
		}
	}
	return sources, append(first, auto...), list
}

// onlyPolicies finds what has no place in a folder of policies.
func (c *Config) onlyPolicies(files []*file) diag.List {
	var list diag.List
	for _, f := range files {
		for _, b := range f.blocks {
			switch b.Type.Name {
			case "policy", "locals":
			case "variable":
				for _, name := range []string{"sensitive", "ephemeral"} {
					if a := b.body.attr(name); a != nil {
						list = append(list, diag.Errorf("Variable of a policy is secret", "A plan is saved with its policies and the values of their variables, so %s has no place here.", name).At(&a.nameRange).For("var."+b.Addr.Name)...)
					}
				}
			default:
				list = append(list, diag.Errorf("Block has no place here", "A folder of policies holds policy, locals and variable blocks only. Move %s to the folder of a configuration.", b.Addr).At(&b.DefRange)...)
			}
		}
	}
	return list
}
