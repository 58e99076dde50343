package planner

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/policy"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// DeniedError says that a plan cannot be applied because of policies. Nothing was done.
type DeniedError struct {
	Policies []plan.Policy // those that deny, with what they say now
	Moved    bool          // some of them did not deny when the plan was made
}

func (e *DeniedError) Error() string {
	names := make([]string, len(e.Policies))
	for i, p := range e.Policies {
		names[i] = p.Name
	}
	return "the plan is denied by " + strings.Join(names, ", ")
}

// rules is where policies come from: the configuration, then the folders.
func (p *Planner) rules() []*config.Config {
	return append([]*config.Config{p.Config}, p.Policies...)
}

// judge evaluates the policies over a plan that is made otherwise, and keeps those of folders in it.
func (p *Planner) judge(pl *plan.Plan) error {
	results, problems := policy.Evaluate(pl, p.rules()...)
	pl.Policies = results
	pl.Diagnostics = append(pl.Diagnostics, problems...)
	for _, c := range p.Policies {
		set, err := policySet(c)
		if err != nil {
			return err
		}
		pl.PolicySets = append(pl.PolicySets, set)
	}
	return nil
}

// permit judges a plan again under the lock, with the totals as they would be now, and says which policies are overridden.
// The policies are those that the plan was made with, and those of the planner that it was not.
func (p *Planner) permit(ctx context.Context, o ApplyOptions) ([]statefile.PolicyOverride, error) {
	rules, err := p.rulesOf(ctx, o.Plan)
	if err != nil {
		return nil, err
	}
	now := *o.Plan
	now.Cost = costNow(o.Plan, o.Session.State())
	now.Policies, _ = policy.Evaluate(&now, rules...)
	denied := &DeniedError{}
	var out []statefile.PolicyOverride
	for i, r := range now.Denying() {
		if slices.ContainsFunc(now.Denying()[:i], func(q plan.Policy) bool { return reflect.DeepEqual(q, r) }) {
			continue // a folder that was given again
		}
		if !slices.Contains(o.Override, r.Name) {
			denied.Policies = append(denied.Policies, r)
			denied.Moved = denied.Moved || slices.ContainsFunc(o.Plan.Policies, func(q plan.Policy) bool { return q.Name == r.Name && !q.Denies() })
			continue
		}
		out = append(out, statefile.PolicyOverride{Policy: r.Name, Result: string(r.Result), Message: r.Message, By: o.By, At: p.Now().UTC()})
	}
	if len(denied.Policies) > 0 {
		return nil, denied
	}
	return out, nil
}

// rulesOf is where the policies of a plan come from: the sources in it, the folders that it was made with, and further
// folders of the planner.
func (p *Planner) rulesOf(ctx context.Context, pl *plan.Plan) ([]*config.Config, error) {
	out := []*config.Config{p.Config}
	given := slices.Clone(p.Policies)
	for _, set := range pl.PolicySets {
		given = slices.DeleteFunc(given, func(c *config.Config) bool { return isSet(c, set) })
		c, err := loadSet(ctx, set, pl)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return append(out, given...), nil
}

// policySet is what a plan keeps of a folder of policies.
func policySet(c *config.Config) (plan.PolicySet, error) {
	set := plan.PolicySet{Dir: c.Dir}
	for _, s := range c.Sources() {
		set.Sources = append(set.Sources, plan.Source{Path: s.Path, Text: string(s.Text), Digest: s.Digest})
	}
	for _, a := range c.FileAnswers() {
		if !a.Secret {
			set.Answers = append(set.Answers, plan.Answer{Function: a.Function, Args: a.Args, Value: a.Value})
		}
	}
	var err error
	set.Variables, err = plainInputs(c)
	return set, err
}

// isSet tells whether a folder of policies is known to say the same as the one that a plan was made with. What files that
// it reads say may have changed.
func isSet(c *config.Config, set plan.PolicySet) bool {
	own, err := policySet(c)
	if err != nil || len(own.Variables) != len(set.Variables) || len(set.Answers) > 0 {
		return false
	}
	for name, v := range own.Variables {
		if other, ok := set.Variables[name]; !ok || string(other.Value) != string(v.Value) {
			return false
		}
	}
	return slices.EqualFunc(own.Sources, set.Sources, func(a, b plan.Source) bool { return a.Digest == b.Digest })
}

// loadSet reads policies out of a plan.
func loadSet(ctx context.Context, set plan.PolicySet, pl *plan.Plan) (*config.Config, error) {
	o := config.PolicyOptions{Dir: set.Dir, Values: map[string]cty.Value{}, At: pl.CreatedAt, Sources: []config.Source{}}
	for _, s := range set.Sources {
		o.Sources = append(o.Sources, config.Source{Path: s.Path, Text: []byte(s.Text)})
	}
	for _, a := range set.Answers {
		o.FileAnswers = append(o.FileAnswers, config.FileAnswer{Function: a.Function, Args: a.Args, Value: a.Value})
	}
	for name, in := range set.Variables {
		ty, err := ctyjson.UnmarshalType(in.Type)
		if err == nil {
			o.Values[name], err = ctyjson.Unmarshal(in.Value, ty)
		}
		if err != nil {
			return nil, fmt.Errorf("the plan's value of var.%s in %s cannot be read: %w", name, set.Dir, err)
		}
	}
	c, list := config.LoadPolicies(ctx, o)
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("the policies in the plan cannot be read: %w", err)
	}
	return c, nil
}

// plainInputs are the values of variables that are no secrets.
func plainInputs(c *config.Config) (map[string]plan.Input, error) {
	out := map[string]plan.Input{}
	for _, v := range c.Variables() {
		if v.Sensitive || v.Ephemeral {
			continue
		}
		plain, _ := v.Value.UnmarkDeep()
		raw, err := schema.MarshalValue(plain)
		if err != nil {
			return nil, fmt.Errorf("var.%s: %w", v.Name, err)
		}
		ty, err := typeJSON(plain.Type())
		if err != nil {
			return nil, fmt.Errorf("var.%s: %w", v.Name, err)
		}
		out[v.Name] = plan.Input{Value: raw, Type: ty}
	}
	return out, nil
}
