package local

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// private is the provider's own part of what is recorded: where to look for what is not in a folder of its own.
type private struct {
	Version  int    `json:"version"`
	Instance string `json:"instance,omitempty"` // of a job and an attachment
	Volume   string `json:"volume,omitempty"`   // of an attachment
	Gateway  string `json:"gateway,omitempty"`  // of a route
}

const privateVersion = 1

func object[T any](id string, v T, p private, tainted bool) providers.Object[T] {
	p.Version = privateVersion
	data, err := json.Marshal(p)
	if err != nil {
		panic("local: " + err.Error()) // it holds only strings
	}
	return providers.Object[T]{ID: id, Value: v, Private: data, Tainted: tainted}
}

// readPrivate reads the provider's own part of a record. An empty one is of an object that was recorded by hand.
func readPrivate(data []byte) (private, error) {
	var p private
	if len(data) == 0 {
		return p, nil
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return p, providers.Errorf(providers.Invalid, "the provider's own part of the record is damaged: %w", err)
	}
	if p.Version > privateVersion {
		return p, providers.Errorf(providers.Invalid, "it was recorded by a newer version of the local provider: format %d, this one knows %d", p.Version, privateVersion)
	}
	for _, id := range []string{p.Instance, p.Volume, p.Gateway} {
		if id != "" && !isID(id) {
			return p, providers.Errorf(providers.Invalid, "the provider's own part of the record is damaged: %q is no id", id)
		}
	}
	return p, nil
}

// known checks a recorded object and returns the provider's own part of it.
func known[T any](o providers.Object[T]) (private, error) {
	if !isID(o.ID) {
		return private{}, providers.Errorf(providers.Invalid, "%q is no id of the local provider", o.ID)
	}
	return readPrivate(o.Private)
}

// begin is what every create checks first.
func begin[T any](ctx context.Context, op providers.Op[T]) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if op.Key == "" {
		return providers.Errorf(providers.Invalid, "%s: a create needs an idempotency key", op.Address)
	}
	return nil
}

// told reports, and gives the error of a report that could not be recorded its kind.
func told[T any](report providers.Report[T], phase string, checkpoint *providers.Object[T]) error {
	if err := report(providers.Progress[T]{Phase: phase, Checkpoint: checkpoint}); err != nil {
		return providers.Errorf(providers.Internal, "stopped, because its progress could not be recorded: %w", err)
	}
	return nil
}

// failed gives an error a kind: what the system says is internal.
func failed(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*providers.Error](err); ok {
		return e
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return providers.Errorf(providers.Transient, "%w", err)
	}
	return providers.Errorf(providers.Internal, "%w", err)
}

func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// gone is the answer to an update of what is not there.
func gone(kind, id string) *providers.Error {
	return providers.Errorf(providers.NotFound, "there is no %s %s any more", kind, id)
}

// answer makes the answers to changes; each decides about one.
func answer[T any](changes []providers.Change, each func(c providers.Change, want T, p *providers.Planned)) []providers.Planned {
	out := make([]providers.Planned, len(changes))
	for i, c := range changes {
		out[i].Value = c.Want
		want, err := schema.Decode[T](c.Want)
		if err != nil {
			out[i].Err = providers.Errorf(providers.Invalid, "what is wanted cannot be read: %w", err)
			continue
		}
		each(c, want, &out[i])
	}
	return out
}

func ptr[T any](v T) *T { return &v }
