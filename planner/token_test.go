package planner_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner/apply"
	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/schema"
)

// A token is made for a service, not for a replica; nobody is told of one that no route takes; and what is told is not recorded.
func TestTokensThatAreMade(t *testing.T) {
	hcl := strings.NewReplacer("exit 0", "serve", `  tokens   = ["one"]`, "  replicas = 2").Replace(answers)
	l := newLife(t)
	number := 0
	l.token = func() string { number++; return fmt.Sprintf("made-%d", number) }

	l.fault = `[{"fault": "auth", "kind": "support", "message": "you may not"}]`
	res, err := l.carry(hcl, l.plan(hcl))
	require.NoError(t, err)
	require.False(t, res.Complete())
	require.Empty(t, res.Tokens, "no route takes it")

	l.fault = ""
	p := l.plan(hcl)
	res, err = l.carry(hcl, p)
	require.NoError(t, err)
	require.True(t, res.Complete(), "%+v", res.Steps)
	require.Equal(t, []apply.Token{{Service: "service.llama", Token: fmt.Sprintf("made-%d", number)}}, res.Tokens)
	routes := l.routes()
	require.Len(t, routes, 2)
	digest := tokensOf(t, routes[0].Attributes)
	require.Equal(t, digest, tokensOf(t, routes[1].Attributes), "one for all replicas")
	l.still(hcl)

	more := strings.Replace(hcl, "replicas = 2", "replicas = 3", 1)
	res, err = l.carry(more, l.plan(more))
	require.NoError(t, err)
	require.True(t, res.Complete())
	require.Empty(t, res.Tokens)
	for _, o := range l.routes() {
		require.Equal(t, digest, tokensOf(t, o.Attributes))
	}

	open := strings.Replace(more, "replicas", "auth     = false\n  replicas", 1)
	l.apply(open)
	require.Empty(t, tokensOf(t, l.routes()[0].Attributes), "it asks for none")
	res, err = l.carry(more, l.plan(more))
	require.NoError(t, err)
	require.Len(t, res.Tokens, 1, "the former one was forgotten")
	require.NotEqual(t, digest, tokensOf(t, l.routes()[0].Attributes))
}

// routes are those that there are now.
func (l *life) routes() []fake.Object {
	return slices.DeleteFunc(l.objects("support"), func(o fake.Object) bool { return !strings.Contains(o.Address, "route/") })
}

// tokensOf are the digests that a route takes.
func tokensOf(t *testing.T, attributes []byte) []string {
	v, err := schema.UnmarshalValue(schema.Of[schema.Support](), attributes)
	require.NoError(t, err)
	route, err := schema.Decode[schema.Support](v)
	require.NoError(t, err)
	return route.Tokens
}
