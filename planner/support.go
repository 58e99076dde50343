package planner

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// Types of support objects that core plans itself.
const (
	attachment = "attachment"
	route      = "route"
)

// supports adds the support objects: attachments and routes, what providers named, and what unchanged resources have.
func (w *walk) supports(ctx context.Context) error {
	before := len(w.order)
	for _, it := range slices.Clone(w.order) {
		if it.kind == addr.KindJob && !it.frozen {
			w.jobSupports(it)
		}
	}
	for _, it := range slices.Clone(w.order[:before]) {
		for _, s := range it.supports {
			w.wantSupport(s.addr, schema.Encode(s.value), it.backend)
			it.needs = append(it.needs, s.addr.String())
		}
		w.keepSupports(it)
	}
	if err := w.settle(ctx, w.order[before:]); err != nil {
		return err
	}
	w.supportsFirst()
	return nil
}

// supportsFirst makes what a new instance stands on before the old instance goes, where the former comes first.
func (w *walk) supportsFirst() {
	for _, it := range w.order {
		if it.kind != addr.KindInstance || it.action != plan.CreateThenDelete {
			continue
		}
		for _, s := range it.supports {
			if on := w.items[s.addr]; on != nil && on.action == plan.DeleteThenCreate {
				on.action = plan.CreateThenDelete
			}
		}
	}
}

// wantSupport adds a support object once.
func (w *walk) wantSupport(a addr.Resource, v cty.Value, backend string) *item {
	if it := w.items[a]; it != nil {
		return it
	}
	it := w.add(desired.Resource{Addr: a, Value: v}, nil)
	it.backend = backend
	return it
}

// keepSupports keeps what an item that stays as it is stands on.
func (w *walk) keepSupports(it *item) {
	if !it.stays() || len(it.supports) > 0 || it.kind == addr.KindJob && (w.ended[it.addr] || it.frozen) && w.leaves(it, w.instanceOf(it)) {
		return
	}
	for _, need := range it.rec.Needs {
		a, err := addr.ParseResource(need)
		if err != nil || a.Kind() != addr.KindSupport {
			continue
		}
		if rec := w.ownRecord(a); rec != nil && w.items[a] == nil {
			w.wantSupport(a, configuredOf(schema.Of[schema.Support](), rec.value), rec.Backend)
		}
		if !slices.Contains(it.needs, need) {
			it.needs = append(it.needs, need)
		}
	}
}

// configuredOf is a recorded value as it would be wanted.
func configuredOf(o *schema.Object, v cty.Value) cty.Value {
	out := make(map[string]cty.Value, len(o.Attrs))
	for _, a := range o.Attrs {
		out[a.Name] = cty.NullVal(a.Type)
		if a.Configured() {
			out[a.Name] = v.GetAttr(a.Name)
		}
	}
	return cty.ObjectVal(out)
}

// jobSupports adds the attachments and the route of a job, and says what the job stands on.
func (w *walk) jobSupports(job *item) {
	on := w.placeOf(job)
	if on == nil || w.ended[job.addr] && w.leaves(job, on) {
		return
	}
	replica := w.replicaOf(job)
	for _, other := range replica {
		if o := w.placeOf(other); o != nil && !slices.Contains(job.needs, o.name) {
			job.needs = append(job.needs, o.name)
		}
	}
	for _, vol := range w.mounted(job, on) {
		if why := apart(vol, on); why != "" && job.placement != nil {
			w.diags = append(w.diags, at(diag.Errorf("Volume is elsewhere", "%s mounts %s, and %s. Where the volume is was not known when the place was chosen: write its region and availability_zone as text, or limit the run to them.", job.name, vol.name, why), job)...)
			continue
		}
		a := on.addr.Support(attachment + "/" + vol.name)
		att := w.wantSupport(a, schema.Encode(schema.Support{Type: attachment, Owner: on.name, Target: vol.name, Backend: on.backend,
			Region: desired.Text(on.planned, "region"), Zone: desired.Text(on.planned, "availability_zone")}), on.backend)
		att.needs = []string{on.name, vol.name}
		if att.exists() && (on.comes() || vol.comes() || w.former(att.rec, on) || w.former(att.rec, vol)) {
			att.forced["owner"] = "what it ties together is replaced"
		}
		job.needs = append(job.needs, vol.name, a.String())
	}
	if desired.Text(job.want, "type") == desired.TypeService {
		w.routeOf(job)
	}
}

// apart says that a volume is not where an instance is, as far as both are known.
func apart(vol, on *item) string {
	for _, name := range []string{"backend", "region", "availability_zone"} {
		a, b := desired.Text(vol.settled(), name), desired.Text(on.settled(), name)
		if a != "" && b != "" && a != b {
			return fmt.Sprintf("that is in %s, its instance %s in %s", a, on.name, b)
		}
	}
	return ""
}

// leaves tells whether a job that has ended, or of which nothing is known, leaves because what it stands on goes.
func (w *walk) leaves(job, on *item) bool {
	if on == nil || !on.stays() || job.rec == nil || job.rec.presence == providers.Gone {
		return true
	}
	for _, need := range job.rec.Needs {
		a, err := addr.ParseResource(need)
		if err != nil || a.Kind() != addr.KindSupport {
			continue
		}
		tie := w.ownRecord(a)
		if tie == nil || desired.Text(tie.value, "type") != attachment {
			continue
		}
		target, err := addr.ParseResource(desired.Text(tie.value, "target"))
		if vol := w.items[target]; err == nil && (vol == nil || !vol.stays()) {
			return true
		}
	}
	return false
}

// placeOf is the item of the instance that a job will be on.
func (w *walk) placeOf(job *item) *item {
	if job.placement != nil {
		a, err := addr.ParseResource(job.placement.Instance)
		if err != nil {
			return nil
		}
		return w.items[a]
	}
	if job.exists() {
		return w.instanceOf(job)
	}
	return nil
}

// replicaOf lists the jobs that start and stop together with a job: all nodes of a task, else the job alone.
func (w *walk) replicaOf(job *item) []*item {
	if desired.Text(job.want, "type") != desired.TypeTask {
		return []*item{job}
	}
	for _, r := range w.runs[job.addr.Block.Block] {
		if r.Addr == job.addr.Block {
			return r.jobs
		}
	}
	return []*item{job}
}

// mounted lists the volumes that a job mounts, of which placement chose one for each path.
func (w *walk) mounted(job, on *item) []*item {
	var out []*item
	for _, name := range job.mounts {
		if a, err := addr.ParseResource(name); err == nil && w.items[a] != nil {
			out = append(out, w.items[a])
		}
	}
	if job.placement != nil || job.rec == nil {
		return out
	}
	for _, need := range job.rec.Needs { // a job that stays: as recorded
		a, err := addr.ParseResource(need)
		if vol := w.items[a]; err == nil && a.Kind() == addr.KindVolume && vol != nil && mentions(job, vol) {
			out = append(out, vol)
		}
	}
	return out
}

// mentions tells whether a volume is among those that a job mounts, by address or name; it may only refer to it.
func mentions(job, vol *item) bool {
	j, err := schema.Decode[schema.Job](cty.ObjectVal(map[string]cty.Value{"volumes": job.want.GetAttr("volumes")}))
	return err == nil && slices.ContainsFunc(j.Mounts, func(m schema.Mount) bool {
		return slices.Contains(m.Volumes, vol.name) || slices.Contains(m.Volumes, desired.Text(vol.planned, "name"))
	})
}

// routeOf adds the route by which a gateway reaches a replica.
func (w *walk) routeOf(job *item) {
	gw, diags := w.gatewayOf(job)
	w.diags = append(w.diags, diags...)
	if gw == nil {
		return
	}
	a := job.addr.Block.Self().Support(route + "/" + strconv.Itoa(job.addr.Index()))
	v := schema.Support{Type: route, Owner: job.name, Target: gw.name, Backend: gw.backend, Region: desired.Text(gw.planned, "region"),
		Config: map[string]string{"service": desired.Text(job.want, "run"), "attempt": strconv.Itoa(w.attemptOf(job))}}
	maps.Copy(v.Config, modelConfig(job.want))
	auth, _ := job.want.GetAttr("auth").Unmark()
	v.Auth = auth.IsKnown() && !auth.IsNull() && auth.True()
	if strip, _ := job.want.GetAttr("strip_prefix").Unmark(); strip.IsKnown() && !strip.IsNull() && strip.False() {
		v.Config["strip_prefix"] = "false"
	}
	digests := tokenDigests(job.want)
	if v.Auth && digests.IsNull() {
		v.Config[madeToken] = "true"
		digests = w.madeDigests(a)
	}
	r := w.wantSupport(a, desired.WithAttrs(schema.Encode(v), map[string]cty.Value{"token_digests": digests}), gw.backend)
	r.needs = append(r.needs, job.name, gw.name)
	if on := w.placeOf(job); on != nil {
		r.needs = append(r.needs, on.name)
	}
	if r.exists() && job.comes() && job.action != plan.CreateThenDelete {
		r.forced["owner"] = "its replica is replaced"
	}
	if r.exists() && (gw.comes() || w.former(r.rec, gw)) {
		r.forced["target"] = "its gateway is replaced"
	}
}

// modelConfig is what a route says of the model that its service answers for. A gateway speaks the protocol of OpenAI only.
func modelConfig(job cty.Value) map[string]string {
	m, _ := job.GetAttr("model").UnmarkDeep()
	if m.IsNull() || !m.IsKnown() || cmp.Or(desired.Text(m, "format"), "openai") != "openai" || desired.Text(m, "name") == "" {
		return nil
	}
	out := map[string]string{"model": desired.Text(m, "name")}
	if prefix := desired.Text(m, "prefix"); prefix != "" {
		out["model_prefix"] = prefix
	}
	return out
}

// attemptOf is the number of the try that is running, or is about to be.
func (w *walk) attemptOf(job *item) int {
	if job.comes() {
		return job.attempt
	}
	return int(numberOf(job.rec.live(), "attempt"))
}

// gatewayOf finds the gateway that publishes a service: the one that it names, else the default, else the only one.
func (w *walk) gatewayOf(job *item) (*item, diag.List) {
	named := desired.Text(job.decl.Value, "gateway")
	if named == schema.NoReference {
		return nil, nil
	}
	if named != "" {
		a, err := addr.ParseResource(named)
		if err != nil || w.items[a] == nil {
			return nil, at(diag.Errorf("No such gateway", "%s names the gateway %s, which is not there.", job.name, named), job)
		}
		return w.items[a], nil
	}
	var all, defaults []*item
	for _, it := range w.order {
		if it.kind != addr.KindGateway {
			continue
		}
		all = append(all, it)
		if d, _ := it.want.GetAttr("default").Unmark(); d.IsKnown() && !d.IsNull() && d.True() {
			defaults = append(defaults, it)
		}
	}
	switch {
	case len(defaults) == 1:
		return defaults[0], nil
	case len(defaults) > 1:
		return nil, at(diag.Errorf("Gateway is ambiguous", "Several gateways are the default: %s. Keep one, or name the gateway of %s.", names(defaults), job.addr.Block), job)
	case len(all) == 1:
		return all[0], nil
	case len(all) > 1:
		return nil, at(diag.Errorf("Gateway is ambiguous", "There are several gateways (%s) and none is the default. Name one in %s: gateway = gateway.name, or gateway = false for none.", names(all), job.addr.Block), job)
	}
	return nil, nil
}

func names(items []*item) string {
	out := make([]string, len(items))
	for i, it := range items {
		out[i] = it.name
	}
	return strings.Join(out, ", ")
}
