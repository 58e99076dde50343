package planner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/content"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// ChangedContentError says that a folder or file that jobs get is not what the plan was made with.
type ChangedContentError struct {
	Path    string
	Address string // of a job that gets it
	Missing bool
	Err     error
}

func (e *ChangedContentError) Error() string {
	if e.Missing {
		return fmt.Sprintf("%q, which %s gets, is not here", e.Path, e.Address)
	}
	return fmt.Sprintf("%q, which %s gets, is not what it was when the plan was made: %v", e.Path, e.Address, e.Err)
}

func (e *ChangedContentError) Unwrap() error { return e.Err }

// delivery is a folder or file that a job gets.
type delivery struct {
	address string
	of      config.FileAnswer
	digest  string
}

// deliveries lists what the jobs that a plan makes get, each folder and file once, but for jobs that are made already as the
// state says, if it is asked.
func deliveries(pl *plan.Plan, state *statefile.State) ([]delivery, error) {
	var out []delivery
	seen := map[string]bool{}
	for _, c := range pl.Changes {
		if c.Kind != addr.KindJob || c.Action != plan.Create && !c.Action.IsReplace() {
			continue
		}
		if state != nil {
			if r := state.Resource(c.Address); r != nil && r.Changed.Plan == pl.ID && !r.Tainted {
				continue
			}
		}
		v, err := schema.UnmarshalValue(schema.KindObject(c.Kind), c.After)
		var job schema.Job
		if err == nil {
			job, err = schema.Decode[schema.Job](v)
		}
		if err != nil {
			return nil, fmt.Errorf("the plan's value of %s cannot be read: %w", c.Address, err)
		}
		add := func(of config.FileAnswer, digest string) {
			if key := of.Name() + digest; !seen[key] {
				seen[key] = true
				out = append(out, delivery{c.Address, of, digest})
			}
		}
		if r := job.Repo; r != nil && r.URL != "" && r.Digest != "" {
			add(config.ChangesContent(r.Path, r.URL, r.Commit), r.Digest)
		} else if r != nil && r.URL == "" {
			add(config.RepoContent(r.Path), r.Digest)
		}
		for _, f := range job.Files {
			add(config.FileContent(f.Local), f.Digest)
		}
	}
	return out, nil
}

// staleStaging is the age at which what an apply has left behind that was killed is removed.
const staleStaging = 24 * time.Hour

// staging makes the folder in which providers find what jobs get. Nothing is in it yet.
func (p *Planner) staging() (dir string, remove func(), err error) {
	parent := ""
	if p.Paths.Home != "" {
		parent = filepath.Join(p.Paths.Home, "staging")
		if err := os.MkdirAll(parent, 0o700); err != nil {
			return "", nil, err
		}
		if old, err := os.ReadDir(parent); err == nil {
			for _, o := range old {
				if info, err := o.Info(); err == nil && p.Now().Sub(info.ModTime()) > staleStaging {
					os.RemoveAll(filepath.Join(parent, o.Name())) // it only takes room
				}
			}
		}
	}
	dir, err = os.MkdirTemp(parent, "apply-")
	return dir, func() { os.RemoveAll(dir) }, err
}

// Bundle is all that the jobs that a plan makes get, for ApplyOptions.Bundle; nil if that is nothing. The error is a
// *ChangedContentError where something is not what the plan was made with.
func (p *Planner) Bundle(ctx context.Context, pl *plan.Plan) ([]byte, error) {
	list, err := deliveries(pl, nil)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	dir, remove, err := p.staging()
	if err != nil {
		return nil, fmt.Errorf("make a folder for what jobs get: %w", err)
	}
	defer remove()
	if err := p.stage(ctx, list, nil, dir); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := content.Store(dir).Pack(ctx, &out); err != nil {
		return nil, fmt.Errorf("pack what jobs get: %w", err)
	}
	return out.Bytes(), nil
}

// stage copies what jobs get, as it was when the plan was made, into a folder: from a bundle where there is one. The error is a
// *ChangedContentError where something is not that any more.
func (p *Planner) stage(ctx context.Context, list []delivery, bundle []byte, dir string) error {
	to := content.Store(dir)
	if len(bundle) > 0 && len(list) > 0 {
		if err := to.Unpack(ctx, bytes.NewReader(bundle)); err != nil {
			return fmt.Errorf("what was saved with the plan cannot be read: %w", err)
		}
	}
	for _, d := range list {
		if to.Has(d.digest) {
			continue
		}
		err := p.Config.Stage(ctx, d.of, d.digest, to)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrNotExist):
			return &ChangedContentError{Path: d.of.Args[0], Address: d.address, Missing: true, Err: err}
		default:
			return &ChangedContentError{Path: d.of.Args[0], Address: d.address, Err: err}
		}
	}
	return nil
}

// checkCode finds jobs whose code cannot be brought to them: by this backend, or because it is not known what it is.
func (b *backend) checkCode(items []*item) diag.List {
	var diags diag.List
	for _, it := range items {
		if it.kind != addr.KindJob || it.planned == cty.NilVal {
			continue
		}
		for _, name := range []string{"repo", "files"} {
			v, _ := it.planned.GetAttr(name).UnmarkDeep()
			switch {
			case v.IsKnown() && v.IsNull():
			case !b.description.Capabilities.Code:
				diags = append(diags, at(diag.Errorf("Backend cannot do this", "The provider %q of backend %q brings no code to jobs. Choose another backend for %s, or take %s out.", b.provider, b.name, it.name, name), it)...)
			case !v.IsWhollyKnown():
				diags = append(diags, at(diag.Errorf("Code is not known", "Which files %s gets through %s is known only after apply, and a plan says what is in them. Make the path of what is known.", it.name, name), it)...)
			}
		}
	}
	return diags
}
