package planner

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/statefile"
)

// errUnread says that something changes of which nobody has asked yet what is there.
var errUnread = errors.New("what changes was not read yet")

// readOn asks, in a plan that reads only what changes, about what the last round has found to change and nobody has asked
// about. It tells whether it asked: what was planned may be wrong then, and is planned anew. Mistakes are believed only when
// nothing is left to ask about, since a condition may fail of what has been mended since it was recorded.
func (w *walk) readOn(ctx context.Context, planned error) (bool, error) {
	if w.opts.Refresh != plan.RefreshChanged {
		return false, nil
	}
	var todo []*record
	switch {
	case planned == nil, errors.Is(planned, errUnread):
		todo = w.unread()
	case w.diags.HasErrors():
		todo = w.skipped()
	}
	if len(todo) == 0 {
		return false, nil
	}
	if err := w.reader.all(ctx, todo); err != nil {
		return false, diag.From(err, "State cannot be refreshed").Err()
	}
	return true, nil
}

// forgetLate forgets what rounds have found out from records that turned out to be old.
func (w *walk) forgetLate() {
	clear(w.oldFirst)
	clear(w.starts)
	clear(w.foretold)
	clear(w.alternatives)
	w.told = nil
}

// mayReadEarly tells whether something is to be asked about as soon as the first walk has shown what changes, before offers
// are asked for. What a partial plan leaves out is known at its end only.
func (w *walk) mayReadEarly() bool {
	return w.opts.Refresh == plan.RefreshChanged && !w.partial() && len(w.unread()) > 0
}

// skipped lists what nobody has asked about.
func (w *walk) skipped() []*record {
	var out []*record
	for _, r := range w.records {
		if r.skipped {
			out = append(out, r)
		}
	}
	return sortRecords(out)
}

// unread lists what changes, what that stands on and what it takes values from, of which nobody has asked what is there.
func (w *walk) unread() []*record {
	found := map[*record]bool{}
	add := func(r *record) {
		if r != nil && r.skipped {
			found[r] = true
		}
	}
	recorded, asked := w.repetitions(), map[repetition]bool{}
	for _, it := range w.order {
		if !it.acts() {
			continue
		}
		add(it.rec)
		for _, need := range it.needs {
			add(w.records[statefile.Ref{Address: need}])
		}
		if it.placement != nil {
			add(w.records[statefile.Ref{Address: it.placement.Instance}])
		}
		if it.decl == nil {
			continue
		}
		for _, ref := range w.p.Config.References(it.decl.Block) {
			at := repetition{staticBlock(ref.To), ref.Key}
			if ref.DependsOn || ref.Named || asked[at] {
				continue
			}
			asked[at] = true // in all modules at once: which of them are meant is no matter for a few reads more
			for _, r := range recorded[at] {
				add(r)
			}
		}
	}
	var out []*record
	for r := range found {
		out = append(out, r)
	}
	return sortRecords(out)
}

// repetition is a block, without the keys in its path, and one repetition of it, or all where the key is not set.
type repetition struct {
	block addr.Block
	key   addr.Key
}

func staticBlock(b addr.Block) addr.Block {
	b.Module = b.Module.Static()
	return b
}

// repetitions are the records of blocks, by what references name.
func (w *walk) repetitions() map[repetition][]*record {
	out := make(map[repetition][]*record, len(w.byBlock))
	for at, records := range w.byBlock {
		block := staticBlock(at.Block)
		if at.Key.IsSet() {
			one := repetition{block, at.Key}
			out[one] = append(out[one], records...)
		}
		all := repetition{block: block}
		out[all] = append(out[all], records...)
	}
	return out
}

func sortRecords(list []*record) []*record {
	slices.SortFunc(list, func(a, b *record) int { return cmp.Or(a.addr.Compare(b.addr), cmp.Compare(a.Deposed, b.Deposed)) })
	return list
}

// refreshed counts what was asked about; nil where that is everything.
func (w *walk) refreshed() *plan.Refresh {
	if w.opts.Refresh.Whole() {
		return nil
	}
	out := &plan.Refresh{Mode: w.opts.Refresh}
	for _, r := range w.records {
		if r.imported != nil {
			continue // it is not recorded yet
		}
		out.Recorded++
		if !r.skipped {
			out.Read++
		}
	}
	return out
}

// since is when it was recorded as it is.
func (r *record) since() time.Time { return cmp.Or(r.Changed.At, r.CreatedAt).UTC() }
