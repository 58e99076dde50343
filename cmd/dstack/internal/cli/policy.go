package cli

import (
	"context"
	"strings"

	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render"
)

// policies reads folders of policies.
func (a *app) policies(ctx context.Context, dirs []string) ([]*config.Config, error) {
	var out []*config.Config
	for _, dir := range dirs {
		c, list := config.LoadPolicies(ctx, config.PolicyOptions{Dir: dir, Version: a.version})
		if list.HasErrors() {
			return nil, failed(list)
		}
		a.complain(list.Warnings())
		out = append(out, c)
	}
	return out, nil
}

// denied ends a command whose plan cannot be applied because of policies.
func (a *app) denied(p *plan.Plan, what string) error {
	denying := p.Denying()
	if len(denying) == 0 {
		return nil
	}
	var lines []string
	for _, d := range denying {
		lines = append(lines, render.PolicyText(d))
	}
	return fail(exitDenied, "Plan is denied", "%s cannot be done, because of its policies:\n%s", what, strings.Join(lines, "\n"))
}
