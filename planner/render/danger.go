package render

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// dangers are what a reader must not miss: data first, then work that is lost.
func (v *changeView) dangers() []string {
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
	var data, runs []string
	for r, list := range lost {
		data = append(data, r.text(list))
	}
	for run, s := range stopped {
		if text := s.text(clean(run), v.p.CreatedAt); text != "" {
			runs = append(runs, text)
		}
	}
	slices.SortFunc(data, compareNatural)
	slices.SortFunc(runs, compareNatural)
	return slices.Concat(data, runs, denials(v.p))
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

func (r risk) text(list []string) string {
	each := ""
	if len(list) > 1 {
		each = " each"
	}
	if r.replaced {
		return "replaces " + addresses(list) + ": loses " + clean(r.data) + each
	}
	return "destroys " + addresses(list) + ": " + clean(r.data) + each
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

func (s *stoppedRun) text(run string, now time.Time) string {
	note := Count(s.jobs, "job")
	if !s.since.IsZero() {
		note += ", running for " + Duration(now.Sub(s.since))
	}
	switch {
	case s.service && s.again && s.newFirst:
		return "" // replicas follow each other without a pause
	case s.service && s.again:
		return "interrupts " + run + " (" + note + ")"
	case s.again:
		return "restarts " + run + " from its beginning (" + note + ")"
	}
	return "stops " + run + " (" + note + ")"
}
