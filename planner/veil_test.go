package planner_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/apply"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// telltale is a provider that puts a secret into what it says of volumes.
type telltale struct {
	providers.Provider
	secret string
}

func (p telltale) Open(ctx context.Context, config providers.BackendConfig) (providers.Backend, error) {
	b, err := p.Provider.Open(ctx, config)
	if err != nil {
		return nil, err
	}
	return telltaleBackend{b, b.(providers.Offerer), p.secret}, nil
}

type telltaleBackend struct {
	providers.Backend
	providers.Offerer
	secret string
}

func (b telltaleBackend) Volumes() providers.Resource[schema.Volume] {
	return telltaleVolumes{b.Backend.Volumes(), b.secret}
}

type telltaleVolumes struct {
	providers.Resource[schema.Volume]
	secret string
}

func (r telltaleVolumes) tell(o providers.Object[schema.Volume]) providers.Object[schema.Volume] {
	o.Value.Location = "https://storage.example.com/" + o.ID + "?key=" + r.secret
	return o
}

func (r telltaleVolumes) Plan(ctx context.Context, changes []providers.Change) ([]providers.Planned, error) {
	out, err := r.Resource.Plan(ctx, changes)
	unlucky := schema.Encode(schema.Volume{Size: value.MemoryOf(13)}).GetAttr("size")
	for i := range out {
		out[i].Warnings = append(out[i].Warnings, "the key is "+r.secret)
		if size := changes[i].Want.GetAttr("size"); size.IsKnown() && !size.IsNull() && size.RawEquals(unlucky) {
			out[i].Err = providers.Errorf(providers.Invalid, "13 GB are unlucky for %s", r.secret)
		}
	}
	return out, err
}

func (r telltaleVolumes) Create(ctx context.Context, op providers.Op[schema.Volume], report providers.Report[schema.Volume]) (providers.Object[schema.Volume], error) {
	if err := report(providers.Progress[schema.Volume]{Phase: "with key " + r.secret}); err != nil {
		return providers.Object[schema.Volume]{}, err
	}
	o, err := r.Resource.Create(ctx, op, func(p providers.Progress[schema.Volume]) error {
		if p.Checkpoint != nil {
			o := r.tell(*p.Checkpoint)
			p.Checkpoint = &o
		}
		return report(p)
	})
	return r.tell(o), err
}

func (r telltaleVolumes) Update(ctx context.Context, prior providers.Object[schema.Volume], op providers.Op[schema.Volume], report providers.Report[schema.Volume]) (providers.Object[schema.Volume], error) {
	o, err := r.Resource.Update(ctx, prior, op, report)
	return r.tell(o), err
}

func (r telltaleVolumes) Read(ctx context.Context, recorded []providers.Object[schema.Volume], yield func(int, providers.Observed[schema.Volume])) error {
	return r.Resource.Read(ctx, recorded, func(i int, seen providers.Observed[schema.Volume]) {
		seen.Object = r.tell(seen.Object)
		yield(i, seen)
	})
}

const toldSecret = "hf_S3CR3T-t0ld"

// What a provider hands back of a secret is neither recorded nor shown, and is no drift.
func TestProvidersThatTellSecrets(t *testing.T) {
	const hcl = `
variable "token" {
  type      = string
  sensitive = true
}
variable "size" {
  default = "1GB"
}
volume "data" {
  region = "us-east-1"
  size   = var.size
}
`
	l := newLife(t)
	l.vars = []config.Assignment{{Name: "token", Value: cty.StringVal(toldSecret)}}
	l.secret = toldSecret
	var told []any
	l.observe = func(e apply.Event) { told = append(told, e) }

	clean := func(what any) {
		t.Helper()
		text, err := json.Marshal(what)
		require.NoError(t, err)
		require.NotContains(t, string(text), toldSecret)
		require.NotContains(t, string(text), "S3CR3T")
	}
	p := l.apply(hcl)
	clean(p)
	clean(told)
	state, err := l.store.Read(t.Context())
	require.NoError(t, err)
	require.Contains(t, string(state.Resource("volume.data").Attributes), `?key=(sensitive)"`)

	l.vars = append(l.vars, config.Assignment{Name: "size", Value: cty.StringVal("2GB")})
	clean(l.apply(hcl))

	l.vars[1].Value = cty.StringVal("13GB")
	_, diags := l.planner(hcl).Plan(t.Context(), planner.PlanOptions{State: state})
	require.ErrorContains(t, diags.Err(), "13 GB are unlucky for (sensitive)")
	clean(diags)

	l.vars[1].Value = cty.StringVal("4GB")
	l.fault = `[{"fault": "invalid", "op": "update", "message": "not with ` + toldSecret + `"}]`
	res, err := l.carry(hcl, l.plan(hcl))
	require.NoError(t, err)
	require.False(t, res.Complete())
	require.EqualError(t, res.Steps[0].Err, "not with (sensitive) (InvalidParameter)")

	l.fault = `[{"fault": "unreachable", "op": "read", "message": "no answer to ` + toldSecret + `"}]`
	p = l.plan(hcl)
	clean(p)

	l.fault = `[{"fault": "auth", "op": "open", "message": "not with ` + toldSecret + `"}]`
	_, diags = l.planner(hcl).Plan(t.Context(), planner.PlanOptions{State: state})
	require.ErrorContains(t, diags.Err(), "not with (sensitive)")
	clean(diags)

	var written int
	require.NoError(t, filepath.WalkDir(l.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		require.NotContains(t, string(data), "S3CR3T", path)
		written++
		return err
	}))
	require.Positive(t, written)
}
