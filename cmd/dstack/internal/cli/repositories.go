package cli

import (
	"context"
	"errors"
	"time"

	"github.com/dstackai/dstack-planner/content"
	"github.com/dstackai/dstack-planner/gitrepo"
	"github.com/dstackai/dstack-planner/gitrepo/checkout"
	"github.com/dstackai/dstack-planner/planner/config"
)

// resolvePatience is how long finding out what a branch stands for may take.
const resolvePatience = time.Minute

// repositories answers what plans ask about the repositories that jobs clone. ctx ends with the planning.
func (a *app) repositories(ctx context.Context) config.Repositories {
	return config.Repositories{
		Resolve: func(r gitrepo.Remote, branch, commit string) (gitrepo.Resolved, error) {
			limited, cancel := context.WithTimeout(ctx, resolvePatience)
			defer cancel()
			got, err := gitrepo.Resolve(limited, r, branch, commit)
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				err = &gitrepo.Error{Kind: gitrepo.Unreachable, URL: r.URL, What: "the server has not answered within " + resolvePatience.String(), Err: err}
			}
			return got, err
		},
		Base: func(dir, shown, url string) (string, error) {
			c, err := checkout.Open(ctx, dir, shown, url)
			if err != nil {
				return "", err
			}
			return c.Base(ctx)
		},
		Changes: func(ctx context.Context, dir, shown, url, commit string, limit int64) (*content.Scanned, error) {
			c, err := checkout.Open(ctx, dir, shown, url)
			if err != nil {
				return nil, err
			}
			return c.Changes(ctx, commit, limit)
		},
	}
}
