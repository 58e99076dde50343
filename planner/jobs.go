package planner

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/desired"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// Recorded is what a state holds, with the providers that can tell more about it. It takes no lock and records nothing.
type Recorded struct {
	p        *Planner
	state    *statefile.State
	backends *backends
	missing  map[string]error // backends whose provider cannot be used, with why
}

// Open looks at a state. Providers are started when something is asked of them. A backend's block counts where the
// configuration has one that can be evaluated, else what is recorded of it.
func (p *Planner) Open(ctx context.Context, state *statefile.State) *Recorded {
	bs, diags := p.collect(ctx, state, p.declared(state), false)
	r := &Recorded{p: p, state: state, backends: bs, missing: map[string]error{}}
	for _, d := range diags.Errors() {
		r.missing[strings.TrimPrefix(d.Address, "backend.")] = errors.New(strings.TrimSuffix(d.Detail, "."))
	}
	return r
}

// Close closes all backends that were opened.
func (r *Recorded) Close() { r.backends.close() }

// Live is a recorded object with what its provider says of it now.
type Live struct {
	*statefile.Resource
	Addr addr.Resource
	// Value is what was seen where Presence is Present, else what is recorded.
	Value    cty.Value
	Presence providers.Presence
	Err      error // why it is Unknown
}

// Look asks about all current objects of some kinds, one batched read for each backend and kind. What cannot be asked is
// Unknown; only a record that cannot be read is an error. The order is that of addresses.
func (r *Recorded) Look(ctx context.Context, kinds ...string) ([]Live, error) {
	type batch struct{ backend, kind string }
	var all []*record
	batches := map[batch][]*record{}
	for _, res := range r.state.Resources() {
		if res.Deposed != "" || !slices.Contains(kinds, res.Kind) {
			continue
		}
		v, err := schema.UnmarshalValue(schema.KindObject(res.Kind), res.Attributes)
		if err != nil {
			return nil, fmt.Errorf("what the state has recorded of %s cannot be read: %w", res.Address, err)
		}
		rec := &record{Resource: res, value: v}
		all = append(all, rec)
		batches[batch{res.Backend, res.Kind}] = append(batches[batch{res.Backend, res.Kind}], rec)
	}
	reads := r.backends.reader(defaultParallelism, nil)
	var wg sync.WaitGroup
	for b, records := range batches {
		wg.Go(func() {
			err := r.missing[b.backend]
			if err == nil {
				err = reads.batch(ctx, b.backend, b.kind, records)
			}
			for _, rec := range records {
				if err != nil && rec.err == nil {
					rec.presence, rec.err = providers.Unknown, err
				}
			}
		})
	}
	wg.Wait()
	out := make([]Live, len(all))
	for i, rec := range all {
		a, err := addr.ParseResource(rec.Address)
		if err != nil {
			return nil, fmt.Errorf("the state has an address that cannot be read: %w", err)
		}
		out[i] = Live{Resource: rec.Resource, Addr: a, Value: rec.live(), Presence: rec.presence, Err: rec.err}
	}
	return out, ctx.Err()
}

// open gives the backend that a recorded object is on.
func (r *Recorded) open(ctx context.Context, res *statefile.Resource) (providers.Backend, error) {
	if err := r.missing[res.Backend]; err != nil {
		return nil, err
	}
	b, err := r.backends.open(ctx, res.Backend)
	if err != nil {
		return nil, err
	}
	return b.handle, nil
}

// job decodes a recorded job and what it stands on.
func (r *Recorded) job(res *statefile.Resource) (providers.Object[schema.Job], []providers.Need, error) {
	o, err := objectOf(res)
	if err != nil {
		return providers.Object[schema.Job]{}, nil, err
	}
	job, err := schema.Decode[schema.Job](o.Value)
	if err != nil {
		return providers.Object[schema.Job]{}, nil, fmt.Errorf("what the state has recorded of %s cannot be read: %w", res.Address, err)
	}
	needs, err := r.needs(res, job.Instance)
	return providers.Object[schema.Job]{ID: o.ID, Value: job, Private: o.Private, Tainted: o.Tainted}, needs, err
}

func objectOf(res *statefile.Resource) (providers.Object[cty.Value], error) {
	v, err := schema.UnmarshalValue(schema.KindObject(res.Kind), res.Attributes)
	if err != nil {
		return providers.Object[cty.Value]{}, fmt.Errorf("what the state has recorded of %s cannot be read: %w", res.Address, err)
	}
	return providers.Object[cty.Value]{ID: res.ID, Value: v, Private: res.Private, Tainted: res.Tainted}, nil
}

// needs are the recorded objects that an object stands on, its own instance first. The address of a block stands for all
// that is recorded of it.
func (r *Recorded) needs(res *statefile.Resource, first string) ([]providers.Need, error) {
	var out []providers.Need
	seen := map[string]bool{res.Address: true}
	add := func(n *statefile.Resource) error {
		if n == nil || seen[n.Address] {
			return nil
		}
		seen[n.Address] = true
		o, err := objectOf(n)
		out = append(out, providers.Need{Address: n.Address, Kind: n.Kind, Backend: n.Backend, Object: o})
		return err
	}
	if err := add(r.state.Resource(first)); err != nil {
		return nil, err
	}
	for _, name := range res.Needs {
		if n := r.state.Resource(name); n != nil {
			if err := add(n); err != nil {
				return nil, err
			}
			continue
		}
		block, err := addr.ParseAny(name)
		if err != nil {
			continue // nothing of that name can be recorded
		}
		for _, n := range r.state.Resources() {
			a, err := addr.ParseResource(n.Address)
			if err != nil || n.Deposed != "" || a.Block.Block != block.Block.Block || block.Block.Key.IsSet() && a.Block.Key != block.Block.Key {
				continue
			}
			if err := add(n); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// JobLogs passes on a job's output, from its backend, or from the archive where the job is not there any more. yield is
// called for each piece in order, once. With Follow it goes on where it was when the connection was lost.
func (r *Recorded) JobLogs(ctx context.Context, address string, opts providers.LogOptions, archive statefile.Archive, yield func(providers.LogEntry) error) error {
	read := func(opts providers.LogOptions, yield func(providers.LogEntry) error) error {
		return r.readLog(ctx, address, opts, archive, yield)
	}
	if !opts.Follow {
		return read(opts, yield)
	}
	return follow(ctx, opts, read, yield, func(err error) {
		r.p.Log.Warn("connection to the output was lost, and is opened again", "addr", address, "error", err)
	})
}

// readLog is JobLogs over one connection.
func (r *Recorded) readLog(ctx context.Context, address string, opts providers.LogOptions, archive statefile.Archive, yield func(providers.LogEntry) error) error {
	res := r.state.Resource(address)
	if res == nil {
		return r.keptLog(ctx, address, opts, archive, yield)
	}
	b, err := r.open(ctx, res)
	if err != nil {
		return err
	}
	reader, ok := b.(providers.LogReader)
	if !ok {
		return fmt.Errorf("backend %q keeps no output of jobs", res.Backend)
	}
	job, needs, err := r.job(res)
	if err != nil {
		return err
	}
	err = reader.JobLogs(ctx, job, needs, opts, yield)
	if errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("backend %q keeps no output of jobs", res.Backend)
	}
	if err != nil && providers.KindOf(err) == providers.NotFound {
		return r.keptLog(ctx, address, opts, archive, yield)
	}
	return err
}

// NoLogError says that the output of a job is nowhere.
type NoLogError struct {
	Address string
	Attempt int // that was asked for, 0 for the latest
}

func (e *NoLogError) Error() string {
	if e.Attempt > 0 {
		return fmt.Sprintf("the output of attempt %d of %s is not kept", e.Attempt, e.Address)
	}
	return fmt.Sprintf("the output of %s is not kept: its instance is gone, and nobody took it before", e.Address)
}

// keptLog reads what KeepLog kept of an attempt, the latest unless another is asked for.
func (r *Recorded) keptLog(ctx context.Context, address string, opts providers.LogOptions, archive statefile.Archive, yield func(providers.LogEntry) error) error {
	attempt := 1
	names := []string{address}
	if a, err := addr.ParseResource(address); err == nil {
		if run := r.state.Run(a.Block.String()); run != nil {
			for _, j := range run.Jobs {
				if j.Index == a.Index() {
					attempt = max(attempt, j.Attempt)
				}
			}
			for _, former := range slices.Backward(run.Former) { // under which it was kept, if it has moved since
				names = append(names, former+strings.TrimPrefix(address, a.Block.String()))
			}
		}
	}
	var f io.ReadCloser
	err := fs.ErrNotExist
	if opts.Attempt > 0 && !opts.Onward {
		attempt = opts.Attempt
	}
	for _, name := range names {
		if f, err = archive.Kept(ctx, logName(name, attempt, opts.Diagnose)); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return &NoLogError{address, opts.Attempt}
	}
	if err != nil {
		return fmt.Errorf("read the kept output of %s: %w", address, err)
	}
	defer f.Close()
	var entries []providers.LogEntry
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e providers.LogEntry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("read the kept output of %s: %w", address, err)
		}
		if e.Attempt == opts.Attempt || opts.Attempt == 0 || e.Attempt == 0 {
			if e.Next <= opts.Offset {
				continue // it was seen before
			}
		}
		if !e.Time.Before(opts.Since) {
			entries = append(entries, e)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the kept output of %s: %w", address, err)
	}
	if opts.Tail > 0 {
		entries = tail(entries, opts.Tail)
	}
	for _, e := range entries {
		if err := yield(e); err != nil {
			return err
		}
	}
	return nil
}

// tail is what holds the last n lines.
func tail(entries []providers.LogEntry, n int) []providers.LogEntry {
	ends := 0
	for i := len(entries) - 1; i >= 0; i-- {
		if bytes.HasSuffix(entries[i].Text, []byte("\n")) || i == len(entries)-1 {
			if ends == n {
				return entries[i+1:]
			}
			ends++
		}
	}
	return entries
}

// logName is where the output of one attempt is kept, or what the agent had to say about it.
func logName(address string, attempt int, diagnose bool) string {
	name := "logs/" + url.PathEscape(address) + "/" + strconv.Itoa(attempt)
	if diagnose {
		name += "-diagnosis"
	}
	return name + ".jsonl"
}

// mostKept is how many bytes of a job's output are kept when it is deleted.
const mostKept = 64 << 20

// keepTime is how long taking a log may hold up a deletion.
const keepTime = 30 * time.Second

// KeepLog keeps the output of jobs that are about to be deleted: see ApplyOptions. It is best effort; what it could not
// keep is logged.
func (p *Planner) KeepLog(archive statefile.Archive) func(context.Context, providers.Backend, providers.Need, []providers.Need) {
	return func(ctx context.Context, backend providers.Backend, job providers.Need, needs []providers.Need) {
		reader, ok := backend.(providers.LogReader)
		if !ok {
			return
		}
		v, err := schema.Decode[schema.Job](job.Object.Value)
		if err != nil {
			p.Log.Warn("output of a job is not kept", "addr", job.Address, "error", err)
			return
		}
		ctx, cancel := context.WithTimeout(ctx, keepTime)
		defer cancel()
		k := logKeeper{p.Log, archive, reader, job.Address, providers.Object[schema.Job]{ID: job.Object.ID, Value: v, Private: job.Object.Private}, needs}
		last := max(v.Attempt, 1)
		for attempt := last; attempt > 0; attempt-- {
			// Those before the first one of this instance were kept when they were deleted.
			if !k.keep(ctx, attempt, providers.LogOptions{Attempt: attempt}) {
				break
			}
		}
		k.keep(ctx, last, providers.LogOptions{Diagnose: true})
	}
}

// logKeeper takes what is kept of one job.
type logKeeper struct {
	log     *slog.Logger
	archive statefile.Archive
	reader  providers.LogReader
	address string
	job     providers.Object[schema.Job]
	needs   []providers.Need
}

// keep keeps what one attempt has said; it is false if there is nothing of it.
func (k *logKeeper) keep(ctx context.Context, attempt int, opts providers.LogOptions) bool {
	var kept bytes.Buffer
	enc := json.NewEncoder(&kept)
	errFull := errors.New("there is too much of it")
	err := k.reader.JobLogs(ctx, k.job, k.needs, opts, func(e providers.LogEntry) error {
		if kept.Len() > mostKept {
			return errFull
		}
		return enc.Encode(e)
	})
	if err != nil {
		if kept.Len() == 0 && providers.KindOf(err) == providers.NotFound && attempt < max(k.job.Value.Attempt, 1) {
			return false
		}
		k.log.Warn("output of a job is kept in part", "addr", k.address, "attempt", attempt, "error", err)
		if kept.Len() == 0 {
			return false
		}
	}
	if kept.Len() == 0 && opts.Diagnose {
		return false
	}
	if err := k.archive.Keep(ctx, logName(k.address, attempt, opts.Diagnose), &kept); err != nil {
		k.log.Warn("output of a job is not kept", "addr", k.address, "attempt", attempt, "error", err)
	}
	return true
}

// StopJob asks a job to end, with abort at once. It returns when the job has been asked; Look tells when it has ended.
func (r *Recorded) StopJob(ctx context.Context, address string, abort bool) error {
	res := r.state.Resource(address)
	if res == nil {
		return fmt.Errorf("%s is not recorded", address)
	}
	b, err := r.open(ctx, res)
	if err != nil {
		return err
	}
	stopper, ok := b.(providers.Stopper)
	if !ok {
		return fmt.Errorf("backend %q cannot stop jobs by itself; take the block out of the configuration and apply", res.Backend)
	}
	job, needs, err := r.job(res)
	if err != nil {
		return err
	}
	return stopper.StopJob(ctx, job, needs, abort)
}

// ConnectJob says where the agent of a job is reached from this machine, until r is closed.
func (r *Recorded) ConnectJob(ctx context.Context, address string) (providers.Connection, error) {
	var none providers.Connection
	res := r.state.Resource(address)
	if res == nil {
		return none, fmt.Errorf("%s is not recorded", address)
	}
	b, err := r.open(ctx, res)
	if err != nil {
		return none, err
	}
	connector, ok := b.(providers.Connector)
	if !ok {
		return none, fmt.Errorf("jobs of backend %q cannot be entered", res.Backend)
	}
	job, needs, err := r.job(res)
	if err != nil {
		return none, err
	}
	c, err := connector.ConnectJob(ctx, job, needs)
	if errors.Is(err, errors.ErrUnsupported) {
		return none, fmt.Errorf("jobs of backend %q cannot be entered", res.Backend)
	}
	return c, err
}

// Ended tells whether a job's status is final.
func Ended(status string) bool { return isEnded(status) }

// StatusOf is the status in a value of any kind.
func StatusOf(v cty.Value) string { return desired.Text(v, "status") }
