package planner

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/apply"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// madeToken says in a route's config that its token is one that an apply has made.
const madeToken = "token_made"

var digestsType = cty.List(cty.String)

// tokenDigests are those of the tokens that a service's job names: null for none, unknown as long as one of them is.
func tokenDigests(job cty.Value) cty.Value {
	tokens, _ := job.GetAttr("tokens").UnmarkDeep()
	switch {
	case tokens.IsNull() || tokens.IsKnown() && tokens.LengthInt() == 0:
		return cty.NullVal(digestsType)
	case !tokens.IsWhollyKnown():
		return cty.UnknownVal(digestsType)
	}
	var out []cty.Value
	for _, t := range tokens.AsValueSlice() {
		out = append(out, cty.StringVal(tokenDigest(t.AsString())))
	}
	return cty.ListVal(out)
}

func tokenDigest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// madeDigests are those of a token that was made for a service: of the route itself, unless that is named to be replaced, else
// of another route of the service. They are unknown where there is none yet: then apply makes one.
func (w *walk) madeDigests(route addr.Resource) cty.Value {
	if w.routeTokens == nil {
		w.routeTokens = map[addr.Resource]cty.Value{}
		w.serviceTokens = map[addr.Instance]cty.Value{}
		for ref, rec := range w.records {
			w.noteDigests(ref, rec)
		}
	}
	for _, known := range []cty.Value{w.routeTokens[route], w.serviceTokens[route.Block]} {
		if known != cty.NilVal && !w.named(route) {
			return known
		}
	}
	return cty.UnknownVal(digestsType)
}

// noteDigests keeps those of a recorded route whose token was made.
func (w *walk) noteDigests(ref statefile.Ref, rec *record) {
	if rec.Kind != addr.KindSupport || ref.Deposed != "" || desired.Text(rec.value, "type") != route {
		return
	}
	a, err := addr.ParseResource(ref.Address)
	if err != nil || w.named(a) {
		return
	}
	s, err := schema.Decode[schema.Support](rec.value)
	if err != nil || s.Config[madeToken] == "" || len(s.Tokens) == 0 {
		return
	}
	digests := schema.Encode(s).GetAttr("token_digests")
	w.routeTokens[a] = digests
	if first := w.serviceTokens[a.Block]; first == cty.NilVal || text(digests) < text(first) { // they are all the same, unless somebody replaced one
		w.serviceTokens[a.Block] = digests
	}
}

func text(list cty.Value) string { return list.AsValueSlice()[0].AsString() }

// named tells whether a replacement was asked for by that very address.
func (w *walk) named(a addr.Resource) bool {
	return slices.ContainsFunc(w.opts.Replace, func(s addr.Subject) bool { return s.Resource() == a })
}

// tokens are those that one apply makes: one for each service that has none.
type tokens struct {
	random func() string

	mu   sync.Mutex
	made map[addr.Instance]string
}

func newTokens(random func() string) *tokens {
	if random == nil {
		random = func() string { return "dstack-" + strings.ToLower(rand.Text()) }
	}
	return &tokens{random: random, made: map[addr.Instance]string{}}
}

// of is the token of a service, always the same.
func (t *tokens) of(service addr.Instance) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.made[service] == "" {
		t.made[service] = t.random()
	}
	return t.made[service]
}

// taken are the tokens that some route takes now.
func (t *tokens) taken(steps []apply.StepResult) []apply.Token {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []apply.Token
	seen := map[addr.Instance]bool{}
	for _, s := range steps {
		a, err := addr.ParseResource(s.Address)
		if err != nil || s.Status != apply.Done || a.Kind() != addr.KindSupport || t.made[a.Block] == "" || seen[a.Block] {
			continue
		}
		seen[a.Block] = true
		out = append(out, apply.Token{Service: a.Block.String(), Token: t.made[a.Block]})
	}
	return out
}

// resolveRoute evaluates what a plan leaves open of a route: the digests of its tokens.
func (r *resolver) resolveRoute(a addr.Resource, made *tokens) (cty.Value, error) {
	_, number, _ := strings.Cut(a.SupportName(), "/")
	index, err := strconv.Atoi(number)
	if err != nil {
		return cty.NilVal, fmt.Errorf("%s is no route of a replica", a)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	job, err := r.want(a.Block.Job(index))
	if err != nil {
		return cty.NilVal, err
	}
	digests := tokenDigests(job)
	if digests.IsNull() {
		digests = cty.ListVal([]cty.Value{cty.StringVal(tokenDigest(made.of(a.Block)))})
	}
	return desired.WithAttrs(schema.Encode(schema.Support{}), map[string]cty.Value{"token_digests": digests}), nil
}
