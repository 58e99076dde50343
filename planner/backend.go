package planner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/apply"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/veil"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// defaultBackend is there unasked while no backend block exists.
const defaultBackend = "local"

// backend is one configured use of a provider: a block of the configuration, or what the state has recorded of one.
type backend struct {
	name        string
	provider    string
	config      providers.BackendConfig
	regions     []string
	declared    string // main.dstack.hcl:4, "" when only recorded
	description providers.Description
	secrets     map[string]string // secret settings by name, for digests
	ephemeral   map[string]bool   // of them those of which not even a digest is kept
	digests     map[string]string // of secret settings, where they are only recorded

	once   sync.Once
	handle providers.Backend
	err    error
}

// backends are all that the configuration and the state name.
type backends struct {
	p     *Planner
	state *statefile.State
	all   map[string]*backend
	// deferred are those whose blocks depend on what is not known yet, with what that is.
	deferred map[string]config.Open
}

// names lists the backends in order.
func (bs *backends) names() []string { return slices.Sorted(maps.Keys(bs.all)) }

// declaredNames lists those that new things may be made on.
func (bs *backends) declaredNames() []string {
	var out []string
	for _, n := range bs.names() {
		if bs.all[n].declared != "" {
			out = append(out, n)
		}
	}
	return out
}

// collect takes over the blocks' backends, the recorded ones, and local where there is no block.
func (p *Planner) collect(ctx context.Context, state *statefile.State, blocks map[string]backendBlock, needed bool) (*backends, diag.List) {
	bs := &backends{p: p, state: state, all: map[string]*backend{}, deferred: map[string]config.Open{}}
	var diags diag.List
	add := func(b *backend, at *diag.Range) {
		d, err := p.Providers.Describe(ctx, b.provider)
		if err != nil {
			diags = append(diags, &diag.Diagnostic{Severity: diag.Error, Summary: "Provider cannot be used",
				Detail: sentence(fmt.Sprintf("Backend %q needs the provider %q: %v", b.name, b.provider, err)), Address: "backend." + b.name, Range: at})
			return
		}
		b.description = d
		b.config.Name, b.config.Regions, b.config.Paths = b.name, b.regions, p.Paths
		bs.all[b.name] = b
	}
	for _, name := range slices.Sorted(maps.Keys(blocks)) {
		blk := blocks[name]
		b := &backend{name: name, provider: blk.provider, regions: blk.regions, declared: blk.declared}
		b.config.Runtime = blk.runtime
		add(b, blk.at)
		if bs.all[name] != nil {
			diags = append(diags, b.settings(blk, p.Getenv)...)
		}
		if blk.open != nil { // nothing can be made there yet; what is there already is reached as it was recorded
			bs.deferred[name] = *blk.open
			delete(bs.all, name)
		}
	}
	if len(blocks) == 0 && needed {
		add(&backend{name: defaultBackend, provider: defaultBackend, declared: "default"}, nil)
	}
	for name, rec := range state.Backends() {
		if bs.all[name] != nil {
			continue
		}
		b := &backend{name: name, provider: rec.Provider}
		if err := b.recorded(rec, p.Getenv); err != nil {
			diags = append(diags, diag.From(err, "Backend cannot be opened").For("backend."+name)...)
			continue
		}
		add(b, nil)
	}
	return bs, diags
}

// settings checks the block's settings against the provider's own schema.
func (b *backend) settings(blk backendBlock, getenv func(string) string) diag.List {
	var diags diag.List
	wrong := func(setting, summary, format string, args ...any) {
		list := diag.Errorf(summary, format, args...).For("backend." + b.name)
		if setting != "" && blk.settingAt != nil {
			list = list.AtRange(blk.settingAt(setting))
		}
		diags = append(diags, list...)
	}
	given := map[string]cty.Value{}
	whole, around := blk.settings.Unmark()
	if !whole.IsNull() {
		if !whole.IsKnown() {
			return nil
		}
		if !whole.Type().IsObjectType() && !whole.Type().IsMapType() {
			wrong("", "Settings are no object", "Write settings = { name = value } in backend %q.", b.name)
			return diags.AtRange(blk.at)
		}
		given = whole.AsValueMap()
	}
	known := make([]string, 0, len(b.description.Settings))
	out := map[string]cty.Value{}
	b.secrets, b.ephemeral = map[string]string{}, map[string]bool{}
	for _, s := range b.description.Settings {
		known = append(known, s.Name)
		v, ok := given[s.Name]
		if !ok && s.Env != "" && getenv != nil && getenv(s.Env) != "" {
			v, ok = cty.StringVal(getenv(s.Env)), true
		}
		if !ok {
			if s.Required {
				wrong("", "A setting is missing", "Backend %q needs settings.%s: %s", b.name, s.Name, s.Doc)
			}
			continue
		}
		v, marks := v.UnmarkDeep()
		maps.Copy(marks, around)
		if !v.IsWhollyKnown() {
			continue
		}
		v, err := convertTo(v, s.Type)
		if err != nil {
			wrong(s.Name, "A setting has the wrong type", "settings.%s of backend %q: %v.", s.Name, b.name, err)
			continue
		}
		out[s.Name] = v
		if _, marked := marks[schema.SensitiveMark]; s.Secret || marked {
			b.secrets[s.Name] = textOf(v)
		}
		_, b.ephemeral[s.Name] = marks[schema.EphemeralMark]
	}
	for _, name := range sortedKeys(given) {
		if !slices.Contains(known, name) {
			wrong(name, "Unknown setting", "The provider %q has no setting %q.%s See its settings with:\n  dstack providers schema %s", b.provider, name, schema.DidYouMean(name, known), b.provider)
		}
	}
	if len(out) > 0 {
		raw, err := schema.MarshalValue(cty.ObjectVal(out))
		if err != nil {
			wrong("", "Settings cannot be kept", "%v", err)
		}
		b.config.Settings = raw
	}
	return diags.AtRange(blk.at)
}

func convertTo(v cty.Value, typeJSON json.RawMessage) (cty.Value, error) {
	ty, err := ctyjson.UnmarshalType(typeJSON)
	if err != nil {
		return cty.NilVal, fmt.Errorf("the provider describes it wrongly: %w", err)
	}
	return convertValue(v, ty)
}

// planned is what the plan, and after it the state, keeps of the backend: its configuration without secrets.
func (b *backend) planned(digest func(path string, value []byte) string) plan.Backend {
	out := plan.Backend{Provider: b.provider, Version: b.description.Version, Identity: b.handle.Identity(), Secrets: maps.Clone(b.digests), Declared: b.declared}
	kept := b.config
	if len(kept.Settings) > 0 {
		var all map[string]json.RawMessage
		if json.Unmarshal(kept.Settings, &all) == nil {
			for name, text := range b.secrets {
				delete(all, name)
				if out.Secrets == nil {
					out.Secrets = map[string]string{}
				}
				out.Secrets[name] = diff.Ephemeral
				if !b.ephemeral[name] {
					out.Secrets[name] = digest("backend."+b.name+"."+name, []byte(text))
				}
			}
			kept.Settings, _ = json.Marshal(all)
		}
	}
	out.Config, _ = json.Marshal(kept)
	return out
}

// recorded takes the configuration from the state; secret settings come from the variables that the schema names, which
// the provider looks up itself.
func (b *backend) recorded(rec statefile.Backend, getenv func(string) string) error {
	if len(rec.Config) > 0 {
		if err := json.Unmarshal(rec.Config, &b.config); err != nil {
			return fmt.Errorf("the recorded configuration of backend %q cannot be read: %w", b.name, err)
		}
	}
	b.regions, b.digests = b.config.Regions, rec.Secrets
	return nil
}

// open starts the provider, once, and checks that the account is the recorded one.
func (bs *backends) open(ctx context.Context, name string) (*backend, error) {
	b := bs.all[name]
	if b == nil {
		return nil, fmt.Errorf("there is no backend %q%s", name, schema.DidYouMean(name, bs.names()))
	}
	b.once.Do(func() {
		provider, err := bs.p.Providers.Start(ctx, b.provider)
		if err != nil {
			b.err = fmt.Errorf("start provider %q: %w", b.provider, err)
			return
		}
		handle, err := provider.Open(ctx, b.config)
		if err != nil {
			b.err = fmt.Errorf("open backend %q: %w", b.name, bs.veil().Error(err))
			return
		}
		rec, known := bs.state.Backend(b.name)
		if known && rec.Identity != "" && rec.Identity != handle.Identity() && bs.holds(b.name) {
			b.err = errors.Join(fmt.Errorf("backend %q is another account now: the recorded resources are in %s, the credentials open %s; use the credentials of the former, or give the latter a backend of its own",
				b.name, rec.Identity, handle.Identity()), handle.Close())
			return
		}
		b.handle = handle
	})
	return b, b.err
}

// veil is for all secrets that the configuration and the settings of backends have. Those that only evaluation finds are known by
// their paths.
func (bs *backends) veil() veil.Veil {
	var secrets []string
	if bs.p.Config != nil {
		for _, v := range bs.p.Config.SecretInputs() {
			secrets = append(secrets, veil.Secrets(v.Mark(schema.SensitiveMark))...)
		}
		secrets = slices.AppendSeq(secrets, maps.Values(bs.p.Config.EnvironmentInputs()))
	}
	for _, b := range bs.all {
		secrets = slices.AppendSeq(secrets, maps.Values(b.secrets))
	}
	return veil.New(secrets...)
}

// resource is what an open backend does with things of a kind, without secrets in what it says; nil where it has none.
func (bs *backends) resource(b *backend, kind string) providers.Resource[cty.Value] {
	return bs.veil().Resource(providers.ResourceOf(b.handle, kind))
}

// same checks that the backends on which a plan changes something open the accounts that it was made with. One that cannot
// be opened fails its steps.
func (bs *backends) same(ctx context.Context, pl *plan.Plan) error {
	used := map[string]bool{}
	for _, c := range pl.Changes {
		used[c.Backend] = true
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		planned := pl.Backends[name].Identity
		if planned == "" || bs.all[name] == nil {
			continue
		}
		if b, err := bs.open(ctx, name); err == nil && b.handle.Identity() != planned {
			return &apply.StaleError{Plan: pl.ID, Reason: fmt.Sprintf("it was made with backend %q as %s, and that opens %s now", name, planned, b.handle.Identity())}
		}
	}
	return nil
}

// holds tells whether anything recorded is on the backend.
func (bs *backends) holds(name string) bool {
	return slices.ContainsFunc(bs.state.Resources(), func(r *statefile.Resource) bool { return r.Backend == name })
}

// close closes every open handle.
func (bs *backends) close() {
	for _, b := range bs.all {
		if b.handle != nil {
			_ = b.handle.Close()
		}
	}
}

// region is the one region of a backend, when it has exactly one.
func (b *backend) region() (string, bool) {
	regions := b.regions
	if len(regions) == 0 {
		regions = b.description.Capabilities.Regions
	}
	if len(regions) == 1 {
		return regions[0], true
	}
	return "", false
}

func sentence(s string) string {
	if !strings.HasSuffix(s, ".") && !strings.Contains(s, "\n") {
		return s + "."
	}
	return s
}
