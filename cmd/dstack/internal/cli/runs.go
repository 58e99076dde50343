package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
	"github.com/dstackai/dstack-planner/statefile"
)

// run is a dev environment, task or service with its jobs, as ps --json prints it.
type run struct {
	Address string   `json:"address"`
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Status  string   `json:"status"`
	Reason  string   `json:"reason,omitempty"`
	Jobs    []runJob `json:"jobs"`
}

// runJob is one job of a run.
type runJob struct {
	Index       int     `json:"index"`
	Attempt     int     `json:"attempt,omitempty"`
	Status      string  `json:"status"`
	Reason      string  `json:"reason,omitempty"`
	Message     string  `json:"message,omitempty"`
	ExitCode    *int    `json:"exit_code,omitempty"`
	Instance    string  `json:"instance"`
	Blocks      int     `json:"blocks,omitempty"`
	SubmittedAt string  `json:"submitted_at"`
	StartedAt   string  `json:"started_at,omitempty"`
	FinishedAt  string  `json:"finished_at,omitempty"`
	NotChecked  string  `json:"not_checked,omitempty"` // why the status is what was recorded
	address     string  // of the resource, "" when only its end is recorded
	backend     string  // that it is on
	node        *node   // the instance that it is on, nil if that is gone
	grace       float64 // seconds that it may take to stop
	forwards    []forward
	ide         string
}

// node is an instance.
type node struct {
	planner.Live
	schema.Instance
	jobs   []string // addresses of unfinished jobs on it
	blocks int      // host blocks that they take
}

// recorded is everything that the lists are made of.
type recorded struct {
	runs     []run
	nodes    map[string]*node
	volumes  []planner.Live
	gateways []planner.Live
	attached map[string][]string // by volume: the instances that it is attached to
}

// look asks the providers about what is recorded and puts it together.
func look(ctx context.Context, r *planner.Recorded, st *statefile.State, kinds ...string) (*recorded, error) {
	live, err := r.Look(ctx, kinds...)
	if err != nil {
		return nil, err
	}
	out := &recorded{nodes: map[string]*node{}, attached: map[string][]string{}}
	byRun := map[addr.Instance]*run{}
	var order []addr.Instance
	for _, l := range live {
		switch l.Kind {
		case addr.KindVolume:
			out.volumes = append(out.volumes, l)
		case addr.KindGateway:
			out.gateways = append(out.gateways, l)
		case addr.KindSupport:
			if volume, ok := strings.CutPrefix(l.Addr.SupportName(), "attachment/"); ok {
				out.attached[volume] = append(out.attached[volume], l.Addr.Owner().String())
			}
		case addr.KindInstance:
			i, err := schema.Decode[schema.Instance](l.Value)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", l.Resource.Address, err)
			}
			out.nodes[l.Resource.Address] = &node{Live: l, Instance: i}
		}
	}
	for _, l := range live {
		if l.Kind != addr.KindJob {
			continue
		}
		j, err := schema.Decode[schema.Job](l.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.Resource.Address, err)
		}
		ru := byRun[l.Addr.Block]
		if ru == nil {
			ru = &run{Address: l.Addr.Block.String(), Name: j.Run, Type: j.Type}
			byRun[l.Addr.Block] = ru
			order = append(order, l.Addr.Block)
		}
		job := jobOfLive(l, j)
		job.node = out.nodes[j.Instance]
		ru.Jobs = append(ru.Jobs, job)
		if n := job.node; n != nil && !planner.Ended(job.Status) {
			n.jobs = append(n.jobs, l.Resource.Address)
			n.blocks += max(j.Blocks, 1)
		}
	}
	for _, a := range order {
		out.runs = append(out.runs, *byRun[a])
		delete(byRun, a)
	}
	have := map[string]bool{}
	for _, ru := range out.runs {
		have[ru.Address] = true
	}
	for _, a := range slices.Sorted(maps.Keys(st.Runs())) {
		if !have[a] {
			out.runs = append(out.runs, endedRun(st.Run(a)))
		}
	}
	for i := range out.runs {
		out.runs[i].settle()
	}
	slices.SortStableFunc(out.runs, func(a, b run) int { return b.submitted().Compare(a.submitted()) })
	return out, nil
}

func jobOfLive(l planner.Live, j schema.Job) runJob {
	job := runJob{
		Index: l.Addr.Index(), Attempt: j.Attempt, Status: j.Status, Reason: j.Reason, Message: j.Message, ExitCode: j.ExitCode, Instance: j.Instance, Blocks: j.Blocks,
		SubmittedAt: j.Submitted, StartedAt: j.Started, FinishedAt: j.Finished, address: l.Resource.Address, backend: l.Backend, forwards: forwardsOf(j), ide: j.IDE, grace: j.StopGrace.AsDuration().Seconds(),
	}
	if job.SubmittedAt == "" && !l.CreatedAt.IsZero() {
		job.SubmittedAt = l.CreatedAt.UTC().Format(time.RFC3339)
	}
	if job.Status == "" || l.Presence != providers.Present && l.Resource.Status != "" {
		job.Status = l.Resource.Status
	}
	switch {
	case planner.Ended(job.Status):
	case l.Presence == providers.Gone:
		job.Status, job.Reason = "lost", "its instance is gone, and nobody took how it ended"
	case l.Presence == providers.Unknown && l.Err != nil:
		job.NotChecked = l.Err.Error()
	}
	return job
}

// endedRun is a run of which only the end is recorded.
func endedRun(r *statefile.Run) run {
	out := run{Address: r.Address, Name: r.Name, Type: r.Type, Status: r.Status, Reason: r.Reason}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	latest := map[int]statefile.RunJob{}
	for _, j := range r.Jobs {
		if have, ok := latest[j.Index]; !ok || j.Attempt >= have.Attempt {
			latest[j.Index] = j
		}
	}
	for _, i := range slices.Sorted(maps.Keys(latest)) {
		j := latest[i]
		out.Jobs = append(out.Jobs, runJob{Index: j.Index, Attempt: j.Attempt, Status: j.Status, Reason: j.Reason, ExitCode: j.ExitCode, Instance: j.Instance,
			SubmittedAt: at(j.SubmittedAt), StartedAt: at(j.StartedAt), FinishedAt: at(j.FinishedAt)})
	}
	return out
}

// settle gives a run its jobs' status: while one goes on that of the one that is least far, else the worst end.
func (r *run) settle() {
	if r.Jobs == nil {
		r.Jobs = []runJob{}
	}
	slices.SortFunc(r.Jobs, func(a, b runJob) int { return cmp.Compare(a.Index, b.Index) })
	rank := []string{"submitted", "provisioning", "pulling", "running", "terminating", "lost", "failed", "aborted", "terminated", "done"}
	best := -1
	for _, j := range r.Jobs {
		at := slices.Index(rank, j.Status)
		if at >= 0 && (best < 0 || at < best) {
			best = at
			r.Status, r.Reason = j.Status, j.Reason
		}
	}
}

func (r *run) unfinished() bool {
	return slices.ContainsFunc(r.Jobs, func(j runJob) bool { return !planner.Ended(j.Status) })
}

func (r *run) submitted() time.Time {
	var first time.Time
	for _, j := range r.Jobs {
		if at, err := time.Parse(time.RFC3339, j.SubmittedAt); err == nil && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// row is the run in the table of ps.
func (r *run) row(verbose bool) render.PsRow {
	row := render.PsRow{Name: r.Name, Type: r.Type, Status: r.Status, Submitted: r.submitted()}
	if r.Type == "dev-environment" {
		row.Type = "dev"
	}
	var price value.Money
	running := 0
	for _, j := range r.Jobs {
		if j.Status == "running" {
			running++
		}
		n := j.node
		if n == nil {
			continue
		}
		total := max(n.TotalBlocks, 1)
		k := min(max(j.Blocks, 1), total)
		slice := offer.Slice(n.offer(), k, total)
		row.Backend, row.Region, row.Reservation = n.Instance.Backend, n.Region, n.Reservation
		row.Hardware = hardware(slice, n.Spot)
		row.Machines++
		if total > 1 {
			row.Share = fmt.Sprintf("%d/%d", k, total)
		}
		row.Instance = shortInstance(n.Resource.Address)
		if planner.Ended(j.Status) {
			continue
		}
		if n.Price == nil {
			row.Price.Unknown = true
			continue
		}
		price += offer.SharePrice(value.MoneyOf(*n.Price), k, total)
	}
	row.Price.Hourly = price
	if r.Type == "service" && r.unfinished() {
		row.Status = fmt.Sprintf("%s %d/%d", r.Status, running, len(r.Jobs))
	}
	if r.Status == "failed" && len(r.Jobs) > 0 {
		if code := r.Jobs[0].ExitCode; code != nil && len(r.Jobs) == 1 {
			row.Status = fmt.Sprintf("failed (exit code %d)", *code)
		}
	}
	if len(r.Jobs) == 1 && r.Jobs[0].Attempt > 1 && r.unfinished() {
		row.Status += fmt.Sprintf(" (attempt %d)", r.Jobs[0].Attempt)
	}
	row.Reason = r.why()
	for _, j := range r.Jobs {
		word := "job"
		if r.Type == "service" {
			word = "replica"
		}
		pj := render.PsJob{Name: fmt.Sprintf("%s=%d", word, j.Index), Instance: shortInstance(j.Instance), Status: j.Status, Reason: j.words()}
		if j.Attempt > 1 && !planner.Ended(j.Status) {
			pj.Status += fmt.Sprintf(" (attempt %d)", j.Attempt)
		}
		row.Jobs = append(row.Jobs, pj)
		if j.NotChecked != "" && !strings.Contains(row.Status, "not checked") {
			row.Status += " (not checked)"
		}
	}
	return row
}

// why is the reason of the first job that has one.
func (r *run) why() string {
	for _, j := range r.Jobs {
		if w := j.words(); w != "" {
			return w
		}
	}
	return ""
}

// words say why a job is as it is.
func (j *runJob) words() string {
	switch {
	case j.NotChecked != "":
		first, _, _ := strings.Cut(j.NotChecked, "\n")
		return "not checked: " + first
	case j.Status == "done" || !planner.Ended(j.Status) && (j.Status != "submitted" || j.Message == ""):
		return ""
	case j.Message != "":
		first, _, _ := strings.Cut(j.Message, "\n")
		return first
	}
	return strings.ReplaceAll(j.Reason, "_", " ")
}

// end is how a job ended, in words: "failed (exit code 3)".
func (j *runJob) end() string {
	text := j.Status
	if j.ExitCode != nil && (j.Status == "failed" || *j.ExitCode != 0) {
		text += fmt.Sprintf(" (exit code %d)", *j.ExitCode)
	}
	return text
}

// offer is an instance as what it was made from.
func (n *node) offer() schema.Offer {
	return schema.Offer{CPUs: n.CPUs, MemoryMiB: n.MemoryMiB, DiskMiB: n.DiskMiB, GPUs: n.GPUs, TotalBlocks: n.TotalBlocks}
}

func hardware(o schema.Offer, spot bool) render.Hardware {
	return render.Hardware{CPUs: o.CPUs, MemoryMiB: o.MemoryMiB, DiskMiB: o.DiskMiB, GPUs: o.GPUs, Spot: spot}
}

func priceOf(p *float64) render.Price {
	if p == nil {
		return render.Price{Unknown: true}
	}
	return render.Price{Hourly: value.MoneyOf(*p)}
}

// shortInstance is the address of an instance as tables have it: fleet.train 0.
func shortInstance(address string) string {
	a, err := addr.ParseResource(address)
	if err != nil {
		return address
	}
	return a.Block.String() + " " + a.Key().Text()
}

// jobOf reads what a recorded job says of itself.
func jobOf(attributes json.RawMessage) schema.Job {
	v, err := schema.UnmarshalValue(schema.KindObject(addr.KindJob), attributes)
	if err != nil {
		return schema.Job{}
	}
	job, err := schema.Decode[schema.Job](v)
	if err != nil {
		return schema.Job{}
	}
	return job
}

// findRun looks up a run by its name or address.
func (r *recorded) findRun(given string) (*run, error) {
	var known []string
	for i := range r.runs {
		if r.runs[i].Name == given || r.runs[i].Address == given {
			return &r.runs[i], nil
		}
		known = append(known, r.runs[i].Name)
	}
	return nil, fail(exitError, "There is no such run", "No run %q is recorded.%s To see all:\n  dstack ps --all", given, schema.DidYouMean(given, known))
}
