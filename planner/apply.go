package planner

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/apply"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// ApplyOptions says how a plan is carried out.
type ApplyOptions struct {
	Plan        *plan.Plan
	Session     statefile.Session
	Parallelism int
	Observe     func(apply.Event)
	Interrupt   <-chan struct{} // start nothing new; cancel ctx for more than that
	By          string          // who applies
	Policy      apply.Policy    // when to try again; zero fields have their defaults
	Override    []string        // policies against which the plan is applied
	Bundle      []byte          // what jobs get, where it was saved with the plan, see Planner.Bundle
	Token       func() string   // makes the bearer token of a service that has none; of 130 random bits unless set
	// KeepLog is told about a job that is about to be deleted.
	KeepLog func(ctx context.Context, backend providers.Backend, job providers.Need, needs []providers.Need)
}

// ChangedInputError says that a secret input is not what the plan was made with.
type ChangedInputError struct {
	Name    string // var.hf_token, env.HF_TOKEN
	Missing bool
}

func (e *ChangedInputError) Error() string {
	if strings.HasSuffix(e.Name, ")") {
		return fmt.Sprintf("%s has another answer than when the plan was made; a plan holds no secrets, so the same file is needed again, or another plan", e.Name)
	}
	kind, name, _ := strings.Cut(e.Name, ".")
	how := "export DSTACK_VAR_" + name + "=..."
	if kind == "env" {
		how = "export " + name + "=..."
	}
	if e.Missing {
		return fmt.Sprintf("%s is not given; a plan holds no secrets, so it is needed again:\n  %s", e.Name, how)
	}
	return fmt.Sprintf("%s has another value than when the plan was made; give the same value, or plan again", e.Name)
}

// Apply carries out a plan that was made of the same configuration. Errors that stop it before the first step are
// *apply.StaleError, *ChangedInputError and *DeniedError among others; what becomes of steps is in the result.
func (p *Planner) Apply(ctx context.Context, o ApplyOptions) (*apply.Result, error) {
	blocks, diags := p.backendBlocks(p.Scope(o.Session.State()))
	if err := diags.Err(); err != nil {
		return nil, err
	}
	code, err := deliveries(o.Plan, o.Session.State())
	if err != nil {
		return nil, err
	}
	if len(code) > 0 {
		dir, remove, err := p.staging()
		if err != nil {
			return nil, fmt.Errorf("make a folder for what jobs get: %w", err)
		}
		defer remove()
		with := *p
		with.Paths.Content = dir
		p = &with
	}
	bs, diags := p.collect(ctx, o.Session.State(), blocks, p.needsBackend())
	if err := diags.Err(); err != nil {
		return nil, err
	}
	defer bs.close()
	r := newResolver(p, o.Session.State)
	if r.data, err = recordedData(o.Plan); err != nil {
		return nil, err
	}
	r.deferred = map[addr.Block]bool{}
	for _, d := range o.Plan.Deferred {
		if a, err := addr.ParseInstance(d.Address); err == nil {
			r.deferred[a.Block] = true
		}
	}
	if err := p.checkSecrets(o.Plan, o.Session.State()); err != nil {
		return nil, err
	}
	made := newTokens(o.Token)
	result, err := apply.Run(ctx, apply.Options{
		Veil: bs.veil(),
		Permit: func(ctx context.Context) ([]statefile.PolicyOverride, error) {
			if err := bs.same(ctx, o.Plan); err != nil {
				return nil, err
			}
			if err := p.stage(ctx, code, o.Bundle, p.Paths.Content); err != nil {
				return nil, err
			}
			return p.permit(ctx, o)
		},
		Plan: o.Plan, Session: o.Session, Parallelism: o.Parallelism, By: o.By, Interrupt: o.Interrupt, KeepLog: o.KeepLog, Policy: o.Policy, Clock: clock{p.Now},
		Backends: func(ctx context.Context, name string) (providers.Backend, providers.Description, error) {
			b, err := bs.open(ctx, name)
			if err != nil {
				return nil, providers.Description{}, err
			}
			return b.handle, b.description, nil
		},
		Resolve: func(ctx context.Context, address string, _ *plan.Candidate) (cty.Value, error) {
			return r.resolve(ctx, address, made)
		},
		Condition: func(_ context.Context, address string, op plan.Op) error {
			return r.condition(address, op)
		},
		Outputs: func(context.Context) (map[string]statefile.Output, error) {
			return p.outputs(o.Plan, r, o.Session.State())
		},
		Observe: func(e apply.Event) {
			p.logStep(e)
			if e.Type == apply.EventDone {
				r.forget(e.Address)
			}
			if o.Observe != nil {
				o.Observe(e)
			}
		},
	})
	if result != nil {
		result.Tokens = made.taken(result.Steps)
	}
	if result != nil && !result.AlreadyApplied && !o.Plan.Destroy {
		result.Checks, result.Warnings = p.checks(r)
	}
	return result, err
}

// clock is the planner's, with real waiting.
type clock struct{ now func() time.Time }

func (c clock) Now() time.Time                         { return c.now() }
func (c clock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// checkSecrets compares the secret inputs with the digests in the plan.
func (p *Planner) checkSecrets(pl *plan.Plan, state *statefile.State) error {
	secrets := p.Config.SecretInputs()
	for _, name := range sortedKeys(pl.Secrets) {
		kind, short, _ := strings.Cut(name, ".")
		if kind == "env" {
			text, ok := p.Config.Environment(short)
			if !ok {
				return &ChangedInputError{Name: name, Missing: true}
			}
			if state.Digest(name, []byte(text)) != pl.Secrets[name] {
				return &ChangedInputError{Name: name}
			}
			continue
		}
		v, ok := secrets[short]
		if !ok {
			return &ChangedInputError{Name: name, Missing: true}
		}
		raw, err := schema.MarshalValue(v)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if pl.Secrets[name] == diff.Ephemeral && v.IsNull() || pl.Secrets[name] != diff.Ephemeral && state.Digest(name, raw) != pl.Secrets[name] {
			return &ChangedInputError{Name: name, Missing: v.IsNull()}
		}
	}
	for _, a := range pl.Answers {
		if a.Digest == "" {
			continue
		}
		name := config.FileAnswer{Function: a.Function, Args: a.Args}.Name()
		if again, _ := p.Config.GivenAnswer(name); state.Digest(answerDigest(name), again.Value) != a.Digest {
			return &ChangedInputError{Name: name}
		}
	}
	return nil
}

// outputs evaluates the outputs against what exists now.
func (p *Planner) outputs(pl *plan.Plan, r *resolver, state *statefile.State) (map[string]statefile.Output, error) {
	out := map[string]statefile.Output{}
	if pl.Destroy {
		return out, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocks = nil // now that all is there
	diags := p.Config.CheckModules(r)
	for _, b := range p.Config.Blocks() {
		if b.Addr.Type != "output" || b.Addr.Module != addr.Root {
			continue
		}
		o, ds := p.Config.EvaluateOutput(b, r)
		diags = append(diags, ds...)
		if ds.HasErrors() {
			continue
		}
		plain, _ := o.Value.UnmarkDeep()
		if !plain.IsWhollyKnown() {
			plain = cty.NullVal(cty.DynamicPseudoType) // something that it refers to is deferred
		}
		raw, err := schema.MarshalValue(plain)
		if err != nil {
			return nil, fmt.Errorf("output.%s: %w", o.Name, err)
		}
		so := statefile.Output{Value: raw, Sensitive: o.Sensitive}
		if o.Sensitive {
			so.Digest, so.Value = state.Digest("output."+o.Name, raw), json.RawMessage("null")
		}
		out[o.Name] = so
	}
	return out, diags.Err()
}

// Changed tells whether an apply would do anything: steps, outputs, or intents to close.
func Changed(p *plan.Plan) bool {
	if len(p.Steps)+len(p.Moves) > 0 || slices.ContainsFunc(p.Intents, func(d plan.IntentDecision) bool { return d.Close }) {
		return true
	}
	for _, o := range p.Outputs {
		if o.Action != plan.NoOp {
			return true
		}
	}
	return false
}
