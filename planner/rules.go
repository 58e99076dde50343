package planner

import (
	"fmt"

	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/policy"
	"github.com/dstackai/dstack-planner/schema"
)

// rules is where policies come from: the configuration, then the folders.
func (p *Planner) rules() []*config.Config {
	return append([]*config.Config{p.Config}, p.Policies...)
}

// judge evaluates the policies over a plan that is made otherwise, and keeps those of folders in it.
func (p *Planner) judge(pl *plan.Plan) error {
	for _, c := range p.Policies {
		set := plan.PolicySet{Dir: c.Dir}
		for _, s := range c.Sources() {
			set.Sources = append(set.Sources, plan.Source{Path: s.Path, Text: string(s.Text), Digest: s.Digest})
		}
		var err error
		if set.Variables, err = plainInputs(c); err != nil {
			return err
		}
		pl.PolicySets = append(pl.PolicySets, set)
	}
	results, problems := policy.Evaluate(pl, p.rules()...)
	pl.Policies = results
	pl.Diagnostics = append(pl.Diagnostics, problems...)
	return nil
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
