package apply

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/schema"
)

const secret = "hf_S3CR3T"

// secretJob drafts a job with a secret and an unknown variable.
func (l *lab) secretJob(token string) (*draft, func(*Options)) {
	l.t.Helper()
	if l.state().Resource(machine0) == nil {
		first := l.draft()
		first.create(inEast, securityGroup("us-east-1"))
		first.create(machine0, machine("train", "cpu.small", "us-east-1", "us-east-1a"), inEast)
		l.apply(first.p)
		l.reopen()
	}
	env := func(host cty.Value, token string) cty.Value {
		return with(job("a", machine0, "exit 0"), map[string]cty.Value{"env": cty.MapVal(map[string]cty.Value{
			"TOKEN": cty.StringVal(token).Mark(schema.SensitiveMark), "HOST": host, "MODE": cty.StringVal("fast"),
		})})
	}
	d := l.draft()
	clean, err := diff.Redact(schema.Of[schema.Job](), env(cty.UnknownVal(cty.String), secret), l.state().Digest)
	require.NoError(l.t, err)
	c := d.create("task.a.job[0]", clean.Known(), machine0)
	c.AfterUnknown = append(c.AfterUnknown, `env["HOST"]`)
	c.Sensitive, c.Digests, c.Evaluate = clean.Sensitive, clean.Digests, true
	return d, func(o *Options) {
		o.Resolve = func(_ context.Context, address string, candidate *plan.Candidate) (cty.Value, error) {
			require.Equal(l.t, "task.a.job[0]", address)
			require.Nil(l.t, candidate)
			r, err := object(l.state().Resource(machine0))
			require.NoError(l.t, err)
			v := env(r.Value.GetAttr("hostname"), token)
			return with(v, map[string]cty.Value{"commands": cty.ListVal([]cty.Value{cty.StringVal("changed")})}), nil
		}
	}
}

func TestSecretsAndUnknownLeavesAreEvaluatedAgain(t *testing.T) {
	l := newLab(t)
	d, resolve := l.secretJob(secret)
	l.apply(d.p, resolve)
	jobs, err := l.world.Objects("job")
	require.NoError(t, err)
	require.Contains(t, string(jobs[0].Attributes), `"TOKEN":"`+secret+`"`, "the provider gets it")
	require.Contains(t, string(jobs[0].Attributes), `"HOST":"i-000002.us-east-1.fake"`)
	require.Contains(t, string(jobs[0].Attributes), `"exit 0"`, "all other leaves are the plan's")

	r := l.state().Resource("task.a.job[0]")
	require.Equal(t, l.state().Digest(`env["TOKEN"]`, []byte(`"`+secret+`"`)), r.Secrets[`env["TOKEN"]`])
	require.Contains(t, string(r.Attributes), `"MODE":"fast"`)
	l.reopen()
	require.NoError(t, filepath.WalkDir(l.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		require.NotContains(t, string(text), secret, path)
		return err
	}))
}

func TestWhatCannotBeEvaluated(t *testing.T) {
	for name, tc := range map[string]struct {
		token string
		spoil func(*Options, *plan.Change)
		want  string
	}{
		"another secret":                    {token: "hf_other", want: `the secret env["TOKEN"] of task.a.job[0] is not the one that the plan was made with`},
		"nothing to evaluate with":          {token: secret, spoil: func(o *Options, _ *plan.Change) { o.Resolve = nil }, want: "there is no configuration to evaluate it"},
		"it fails":                          {token: secret, spoil: func(o *Options, _ *plan.Change) { o.Resolve = failing }, want: "evaluate task.a.job[0] again: no such block"},
		"it is still unknown":               {token: secret, spoil: func(o *Options, c *plan.Change) { o.Resolve = unknown(o.Resolve) }, want: `env["HOST"] of task.a.job[0] is still not known`},
		"it panics":                         {token: secret, spoil: func(o *Options, _ *plan.Change) { o.Resolve = panicking }, want: "a defect of dstack: panic: oh"},
		"the secret is not in what it says": {token: secret, spoil: func(o *Options, c *plan.Change) { c.Sensitive = []string{`env["OTHER"]`} }, want: `the secret env["OTHER"]`},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			d, resolve := l.secretJob(tc.token)
			r, err := l.run(d.p, resolve, func(o *Options) {
				if tc.spoil != nil {
					tc.spoil(o, d.p.Changes[0])
				}
			})
			require.NoError(t, err)
			require.ErrorContains(t, r.Steps[0].Err, tc.want)
			require.False(t, strings.Contains(r.Steps[0].Err.Error(), secret))
			require.Empty(t, l.objects("job"))
			require.Empty(t, l.intents())
		})
	}
}

func failing(context.Context, string, *plan.Candidate) (cty.Value, error) {
	return cty.NilVal, errors.New("no such block")
}

func panicking(context.Context, string, *plan.Candidate) (cty.Value, error) { panic("oh") }

func unknown(resolve func(context.Context, string, *plan.Candidate) (cty.Value, error)) func(context.Context, string, *plan.Candidate) (cty.Value, error) {
	return func(ctx context.Context, address string, c *plan.Candidate) (cty.Value, error) {
		v, err := resolve(ctx, address, c)
		if err != nil {
			return v, err
		}
		return diff.Set(v, `env["HOST"]`, cty.UnknownVal(cty.String))
	}
}
