package fake

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// trouble is what goes wrong in one call.
type trouble struct {
	b     *backend
	call  call
	rules []Rule
}

// phaseReport tells core how far a call is; nil where a call has no reports.
type phaseReport func(phase string, done, total int64) error

func (b *backend) trouble(c call) (trouble, error) {
	if len(b.script.rules) == 0 {
		return trouble{}, nil
	}
	rules, err := b.script.hits(b.world, c)
	if err != nil {
		return trouble{}, worldError(err)
	}
	return trouble{b, c, rules}, nil
}

// ask is what stands before the answer of a call that changes nothing: its troubles and its latency.
func (b *backend) ask(ctx context.Context, c call) error {
	if err := b.happen(ctx, c); err != nil {
		return err
	}
	return b.latency(ctx, 1)
}

// happen lets all troubles of a call happen, whatever their stage.
func (b *backend) happen(ctx context.Context, c call) error {
	t, err := b.trouble(c)
	if err != nil {
		return err
	}
	for _, stage := range stages() {
		if err := t.at(ctx, stage, nil); err != nil {
			return err
		}
	}
	return nil
}

// at does what is to go wrong at a stage. After an error the call has ended.
func (t trouble) at(ctx context.Context, stage Stage, report phaseReport) error {
	for i := range t.rules {
		if r := &t.rules[i]; r.When == stage {
			if err := t.happen(ctx, r, report); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t trouble) happen(ctx context.Context, r *Rule, report phaseReport) error {
	if kind, ok := r.Fault.errorKind(); ok {
		return t.error(kind, r)
	}
	switch r.Fault {
	case Slow:
		return slow(ctx, r, report)
	case Hang:
		<-ctx.Done()
		time.Sleep(time.Duration(r.Delay))
		return providers.Errorf(providers.Transient, "the call was given up: %w", ctx.Err())
	case Lost:
		return t.error(providers.Internal, r)
	case Partial, Unreachable:
		return t.error(providers.Transient, r)
	case Crash:
		fmt.Fprintf(os.Stderr, "fake: %s\n", t.words(r))
		t.b.exit(ExitCode)
		panic("fake: Exit returned")
	case Panic:
		panic("fake: " + t.words(r))
	}
	return nil // wrong and bad_id are in the answer
}

func slow(ctx context.Context, r *Rule, report phaseReport) error {
	phases := r.Phases
	if len(phases) == 0 || report == nil {
		phases, report = []string{""}, func(string, int64, int64) error { return nil }
	}
	n := len(phases)
	for i, phase := range phases {
		if err := report(phase, int64(i), int64(n)); err != nil {
			return err
		}
		if err := sleep(ctx, time.Duration(r.Delay)/time.Duration(n)); err != nil {
			return err
		}
	}
	return appears(ctx, r.Until)
}

// lookEvery is how often a file is looked for.
const lookEvery = 5 * time.Millisecond

// appears returns when a file is there; at once where none is named.
func appears(ctx context.Context, path string) error {
	for path != "" {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return err
		}
	}
	return nil
}

func (t trouble) error(kind providers.ErrorKind, r *Rule) error {
	code := r.Code
	if code == "" {
		code = codes()[kind]
	}
	return &providers.Error{Kind: kind, Code: code, Message: t.words(r), RetryAfter: time.Duration(r.Retry)}
}

// words says what happened, with the rule's message or the words of the fault.
func (t trouble) words(r *Rule) string {
	if r.Message != "" {
		return r.Message
	}
	where := t.call.zone
	if where == "" {
		where = t.call.region
	}
	if where != "" {
		where = " in " + where
	}
	what := t.call.machine
	if what == "" {
		what = t.call.kind
	}
	if what == "" {
		what = t.call.op
	}
	switch r.Fault {
	case Fault(providers.NoCapacity):
		return "no capacity for " + what + where
	case Fault(providers.NoQuota):
		return "no quota for " + what + where
	case Lost:
		return "the answer to " + t.call.op + " was lost"
	case Partial:
		return "the " + t.call.kind + " was made, and is not whole"
	case Unreachable:
		return "no route to the " + what + where
	}
	return fmt.Sprintf("%s of %s%s: %s, as the script of faults says", t.call.op, what, where, r.Fault)
}

// codes are a cloud's own words for kinds of errors.
func codes() map[providers.ErrorKind]string {
	return map[providers.ErrorKind]string{
		providers.NoCapacity: "InsufficientInstanceCapacity", providers.NoQuota: "QuotaExceeded", providers.Auth: "AuthFailure",
		providers.Throttled: "RequestLimitExceeded", providers.Invalid: "InvalidParameter", providers.Conflict: "IncorrectState",
	}
}

// has returns the first rule of a fault that is about the answer or about what is made.
func (t trouble) has(f Fault) *Rule {
	for i := range t.rules {
		if t.rules[i].Fault == f {
			return &t.rules[i]
		}
	}
	return nil
}

// spoil makes an answer what wrong and bad_id say.
func spoil[T any](t trouble, o providers.Object[T]) providers.Object[T] {
	if r := t.has(BadID); r != nil {
		o.ID = r.ID
	}
	r := t.has(Wrong)
	if r == nil {
		return o
	}
	set := r.Set
	if set == nil {
		set = contradiction[T]()
	}
	attributes := schema.Encode(o.Value).AsValueMap()
	for name, v := range set {
		a := schema.Of[T]().Attr(name)
		if a == nil {
			continue
		}
		switch v := v.(type) {
		case string:
			attributes[name] = cty.StringVal(v)
		case float64:
			attributes[name] = cty.NumberFloatVal(v)
		case bool:
			attributes[name] = cty.BoolVal(v)
		case nil:
			attributes[name] = cty.NullVal(a.Type)
		}
	}
	if v, err := schema.Decode[T](cty.ObjectVal(attributes)); err == nil {
		o.Value = v
	}
	return o
}

// contradiction is what a wrong answer says unless the rule says: something that every plan knows otherwise.
func contradiction[T any]() map[string]any {
	out := map[string]any{}
	for _, name := range []string{"region", "run"} {
		if schema.Of[T]().Attr(name) != nil {
			out[name] = "wrong"
		}
	}
	return out
}

func worldError(err error) error {
	return providers.Errorf(providers.Internal, "the fake cloud has lost its world: %w", err)
}
