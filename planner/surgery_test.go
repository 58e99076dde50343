package planner_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/statefile"
)

func subjects(t *testing.T, list ...string) []addr.Subject {
	t.Helper()
	var out []addr.Subject
	for _, text := range list {
		s, err := addr.ParseSubject(text)
		require.NoError(t, err)
		out = append(out, s)
	}
	return out
}

func TestWhatIsTakenOutOfTheRecordByHand(t *testing.T) {
	l := newLife(t)
	l.apply(everything)
	state := l.state()
	for name, tc := range map[string]struct {
		of   []string
		want []string
		err  string
	}{
		"a run, with nothing else":         {[]string{"task.tune"}, []string{"task.tune.job[0]", "task.tune.job[1]"}, ""},
		"a service, with its route":        {[]string{"service.web"}, []string{"service.web.instance[0]", "service.web.instance[1]", "service.web.job[0]", "service.web.job[1]", `service.web.support["route/0"]`, `service.web.support["route/1"]`}, ""},
		"a gateway, with what leads to it": {[]string{"gateway.public"}, []string{"gateway.public", `service.web.support["route/0"]`, `service.web.support["route/1"]`}, ""},
		"a volume that is mounted":         {[]string{"volume.data[0]"}, nil, "task.tune.job[0] stands on volume.data[0] and stays"},
		"an instance with a job":           {[]string{"fleet.train.instance[1]"}, nil, "stands on fleet.train.instance[1]"},
		"a volume with the run on it": {[]string{"volume.data[0]", "task.tune"},
			[]string{`fleet.train.instance[0].support["attachment/volume.data[0]"]`, "task.tune.job[0]", "task.tune.job[1]", "volume.data[0]"}, ""},
		"nothing": {[]string{"volume.dta"}, nil, "There is nothing in the state under volume.dta. Did you mean"},
	} {
		t.Run(name, func(t *testing.T) {
			objects, _, diags := planner.ForgetRecorded(state, subjects(t, tc.of...))
			if tc.err != "" {
				require.ErrorContains(t, diags.Err(), tc.err)
				return
			}
			require.NoError(t, diags.Err())
			var got []string
			for _, r := range objects {
				got = append(got, r.Address)
			}
			require.Empty(t, cmp.Diff(tc.want, got))
		})
	}
	session, err := l.store.Lock(t.Context(), statefile.NewHolder("apply", "ana", "laptop", 1, l.now, func(string) string { return "" }))
	require.NoError(t, err)
	require.NoError(t, session.Append(t.Context(), statefile.NewIntent(l.now, statefile.Intent{Address: "gateway.public", Kind: "gateway", Operation: statefile.Update, Key: "k", Since: l.now})))
	_, _, diags := planner.ForgetRecorded(session.State(), subjects(t, "gateway.public"))
	require.ErrorContains(t, diags.Err(), "The update of gateway.public was cut off")
	require.NoError(t, session.Close(t.Context()))
}

func TestMovesByHandAreCheckedAsBlocksAre(t *testing.T) {
	l := newLife(t)
	l.apply(everything)
	for _, tc := range []struct{ from, to, err string }{
		{"volume.data[0]", "volume.data[1]", "volume.data[0] cannot move to volume.data[1], because something is recorded there"},
		{"volume.nothing", "volume.x", "There is nothing in the state under volume.nothing"},
		{"volume.data[0]", "gateway.public", "nothing in common"},
		{"fleet.train.instance[0]", `fleet.train.instance["host"]`, "SSH fleet"},
	} {
		s := subjects(t, tc.from, tc.to)
		_, diags := planner.MoveRecorded(l.state(), []planner.MovePair{{From: s[0], To: s[1]}}, statefile.Changed{})
		require.ErrorContains(t, diags.Err(), tc.err)
	}
	s := subjects(t, "volume.data[0]", "volume.tmp", "volume.data[1]", "volume.data[0]", "volume.tmp", "volume.data[1]")
	r, diags := planner.MoveRecorded(l.state(), []planner.MovePair{{s[0], s[1]}, {s[2], s[3]}, {s[4], s[5]}}, statefile.Changed{})
	require.NoError(t, diags.Err())
	var got []string
	for _, m := range r.Objects {
		if !strings.Contains(m.From.String(), "support") {
			got = append(got, m.From.String()+" -> "+m.To.String())
		}
	}
	require.Equal(t, []string{"volume.data[0] -> volume.data[1]", "volume.data[1] -> volume.data[0]"}, got, "a pair can use what another leaves")
}

func TestTheOutputOfAMovedRunIsStillThere(t *testing.T) {
	l := newLife(t)
	const run = "task \"tune\" {\n  commands = [\"exit 0\"]\n}\n"
	l.apply(run)
	l.now = l.now.Add(time.Hour)
	l.apply(run)
	require.NoError(t, l.store.Keep(t.Context(), "logs/task.tune.job%5B0%5D/1.jsonl", strings.NewReader(`{"text":"aGVsbG8K","next":1}`+"\n")))
	hcl := strings.ReplaceAll(run, "tune", "train") + says("task.tune", "task.train")
	l.apply(hcl)
	r := l.planner(hcl).Open(t.Context(), l.state())
	defer r.Close()
	var text string
	require.NoError(t, r.JobLogs(t.Context(), "task.train.job[0]", providers.LogOptions{}, l.store, func(e providers.LogEntry) error {
		text += string(e.Text)
		return nil
	}))
	require.Equal(t, "hello\n", text)
}
