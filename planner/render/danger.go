package render

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// danger is what a reader must not miss, in a clause: "destroys ", volume.data[0-9], ": 500GB of data each".
type danger struct {
	verb string
	of   []string // addresses
	rest string
	data bool // data is lost
}

func (d danger) text() string { return d.verb + addresses(d.of) + d.rest }

// dangers are first the data, then the work that is lost.
func (v *changeView) dangers() []danger {
	lost, stopped := map[risk][]string{}, map[string]*stoppedRun{}
	for _, c := range v.p.Changes {
		if c.Action != plan.Delete && !c.Action.IsReplace() {
			continue
		}
		if c.DataAtRisk != "" {
			r := risk{c.Action.IsReplace(), c.DataAtRisk}
			lost[r] = append(lost[r], c.Address)
		}
		if c.Kind == addr.KindJob && c.Deposed == "" {
			stop(stopped, c)
		}
	}
	var data, runs []danger
	for r, list := range lost {
		data = append(data, r.danger(list))
	}
	for run, s := range stopped {
		if d, ok := s.danger(run, v); ok {
			runs = append(runs, d)
		}
	}
	byText := func(a, b danger) int { return compareNatural(a.text(), b.text()) }
	slices.SortFunc(data, byText)
	slices.SortFunc(runs, byText)
	return append(data, runs...)
}

// denials says that the plan cannot be applied because of policies.
func denials(p *plan.Plan) []string {
	var names []string
	for _, r := range p.Denying() {
		names = append(names, clean(r.Name))
	}
	switch len(names) {
	case 0:
		return nil
	case 1:
		return []string{"denied by the policy " + names[0]}
	}
	return []string{"denied by the policies " + strings.Join(names, ", ")}
}

// risk is data that goes with resources, the same for each of them.
type risk struct {
	replaced bool
	data     string
}

func (r risk) danger(list []string) danger {
	each := ""
	if len(list) > 1 {
		each = " each"
	}
	if r.replaced {
		return danger{"replaces ", list, ": loses " + clean(r.data) + each, true}
	}
	return danger{"destroys ", list, ": " + clean(r.data) + each, true}
}

// stop counts a job among those that are stopped, if it is going on.
func stop(stopped map[string]*stoppedRun, c *plan.Change) {
	var job struct {
		Status  string `json:"status"`
		Started string `json:"started_at"`
		Type    string `json:"type"`
	}
	if json.Unmarshal(c.Before, &job) != nil || job.Status == "" || ended(job.Status) {
		return
	}
	run := blockOf(c.Address)
	s := stopped[run]
	if s == nil {
		s = &stoppedRun{service: job.Type == "service"}
		stopped[run] = s
	}
	s.jobs++
	s.again = s.again || c.Action.IsReplace()
	s.newFirst = s.newFirst || c.Action == plan.CreateThenDelete
	if at, err := time.Parse(time.RFC3339, job.Started); err == nil && (s.since.IsZero() || at.Before(s.since)) {
		s.since = at
	}
}

func ended(status string) bool {
	return slices.Contains([]string{"done", "failed", "terminated", "aborted", "lost"}, status)
}

// stoppedRun is a run that is going on and will not.
type stoppedRun struct {
	jobs     int
	again    bool
	newFirst bool
	service  bool
	since    time.Time
}

// danger is false for a run that goes on without a pause.
func (s *stoppedRun) danger(run string, v *changeView) (danger, bool) {
	note := Count(s.jobs, "job")
	switch {
	case s.since.IsZero():
	case v.o.document:
		note += ", running since " + absolute(s.since)
	default:
		note += ", running for " + Duration(v.p.CreatedAt.Sub(s.since))
	}
	d := danger{"stops ", []string{run}, " (" + note + ")", false}
	switch {
	case s.service && s.again && s.newFirst:
		return danger{}, false // replicas follow each other
	case s.service && s.again:
		d.verb = "interrupts "
	case s.again:
		d.verb, d.rest = "restarts ", " from its beginning ("+note+")"
	}
	return d, true
}
