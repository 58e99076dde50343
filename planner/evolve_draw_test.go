package planner_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// knob is one line of a block and what may stand there. The first text refers to nothing, so that it always may.
type knob []string

// species is a block that a configuration may have, with what can be said in it.
type species struct {
	name  string // fleet.fa
	knobs []knob
}

// kinds are the blocks of which configurations are drawn. Each run mounts a volume of its own, because a volume is
// attached to one instance at a time.
func kinds() []species {
	again := knob{"", "count = 2", "count = 3", `for_each = toset(["a1", "b1"])`, `for_each = toset(["b1"])`, "count = 0"}
	cbd := knob{"", "lifecycle {\n create_before_destroy = true\n}", "lifecycle {\n ignore_changes = all\n}"}
	gpu := knob{"", `gpu = "A10G:1"`, `gpu = "A10G:4"`, `gpu = "A100:40GB:1"`, `cpu = "8.."`}
	where := knob{"", `regions = ["us-east-1"]`, `regions = ["us-east-1", "us-west-2"]`, `availability_zones = ["us-east-1b"]`}
	commands := knob{`commands = ["sleep 100000"]`, `commands = ["sleep 200000"]`, `commands = ["exit 0"]`, `commands = ["exit 3"]`,
		`commands = ["sleep 600", "exit 0"]`, `commands = ["sleep 600", "exit 1"]`, `commands = ["echo ${node.rank} of ${node.count}", "sleep 900000"]`}
	env := knob{"", `env = { WHERE = try(volume.va[0].id, volume.va["a1"].id, volume.va.id, "none") }`,
		`env = { IP = try(fleet.fa.instance[0].internal_ip, "none") }`, `env = { ZONE = try(fleet.fb.instance[0].availability_zone, "none") }`,
		`env = { HOST = try(task.ta.instance[0].hostname, "none") }`, `env = { URL = try(gateway.ga.url, "none") }`, `env = { WHO = try(coalesce(service.sa.job[0].instance, "gone"), "none") }`,
		`depends_on = [volume.vb]`, `depends_on = [fleet.fb]`, `depends_on = [task.ta]`}
	fleet := knob{"", "fleet = fleet.fa", "fleet = fleet.fb", `creation_policy = "reuse"`}
	limits := knob{"", `max_price = 3`, `spot_policy = "spot"`, `spot_policy = "auto"`, `retry = true`}
	volume := func() []knob {
		return []knob{again,
			{`region = "us-east-1"`, `region = "us-west-2"`},
			{`size = "10GB"`, `size = "20GB"`, `size = "30GB"`},
			{"", `availability_zone = "us-east-1a"`, `availability_zone = "us-east-1b"`},
			{"", `name = "xx"`, `name = "LABEL-${try(volume.vb.name, "b")}"`, `name = "LABEL-${try(fleet.fa.instance[0].region, "b")}"`}, cbd}
	}
	fleets := func() []knob {
		return []knob{{"nodes = 1", "nodes = 2", "nodes = 3", `nodes = "0..2"`, `nodes = "1..3"`, `nodes = "0.."`, "nodes = 0"},
			{"", `placement = "cluster"`}, gpu, where, {"", "blocks = 2", "blocks = 4", `blocks = "auto"`}, limits, cbd,
			{"", `idle_duration = "1h"`, `idle_duration = "off"`}, {"", `profile = profile.pp`}}
	}
	task := func(mount string) []knob {
		return []knob{commands, {"", "nodes = 2", "nodes = 3"}, fleet, gpu, {"", mount}, env, where, {"", "count = 2", `for_each = toset(["x1"])`}, limits,
			{"", `idle_duration = "1h"`}, cbd, {"", `profile = profile.pp`}, {"", `name = "renamed"`}, {"", `max_duration = "2000h"`, `max_duration = "3000h"`}}
	}
	service := func(mount string) []knob {
		return []knob{commands, {"replicas = 1", "replicas = 2", "replicas = 3", "replicas = 0"}, fleet, gpu,
			{"port = 8000", "port = 8000 + replica.index", `port = "80:9000"`}, {"auth = false", `tokens = ["one"]`, `tokens = ["two"]`},
			{"", "gateway = gateway.ga", "gateway = gateway.gb", "gateway = false"}, env, limits, where, cbd, {"", mount}, {"", `profile = profile.pp`}}
	}
	gateway := func() []knob {
		return []knob{{`region = "us-east-1"`, `region = "us-west-2"`}, {`domain = "*.example.com"`, `domain = "*.example.org"`},
			{"", "default = true"}, cbd}
	}
	return []species{
		{"fleet.fa", fleets()}, {"fleet.fb", fleets()},
		{"volume.va", volume()}, {"volume.vb", volume()}, {"volume.vc", volume()},
		{"task.ta", task("mount va")}, {"task.tb", task("mount vb")},
		{"service.sa", service("mount vc")}, {"service.sb", service("")},
		{"gateway.ga", gateway()}, {"gateway.gb", gateway()},
		{"dev_environment.da", []knob{fleet, gpu, {"", `inactivity_duration = "1h"`}, {"", `max_duration = "2000h"`}, env}},
		{"profile.pp", []knob{{"", "default = true"}, {"", `regions = ["us-east-1"]`}, {"", `idle_duration = "30m"`}, {"", `spot_policy = "spot"`}}},
		{"volume.late", []knob{{"count = 1", `count = try(volume.va.location == "" ? 0 : 1, 1)`, `count = try(fleet.fa.instance[0].id == "" ? 0 : 2, 1)`},
			{`region = "us-east-1"`}, {`size = "10GB"`}}},
		{"volume.near", []knob{{`region = "us-east-1"`, `region = fleet.fa.instance[0].region`},
			{"", `availability_zone = try(fleet.fa.instance[0].availability_zone, null)`}, {`size = "10GB"`, `size = "20GB"`}, cbd}},
		{"output.oo", []knob{{`value = "fixed"`, `value = try(volume.va.location, "none")`, `value = try(fleet.fa.instance[*].internal_ip, [])`,
			`value = try(service.sa.job[*].host, [])`, `value = [for j in try(task.ta.job, []) : j.name]`, `value = try(volume.late[0].id, "none")`}, {"", "sensitive = true"}}},
	}
}

// draft is a configuration as it is drawn: for each species whether it is there, and which text each knob has.
type draft [][]int

func drawDraft(t *rapid.T) draft {
	d := make(draft, len(kinds()))
	for i, s := range kinds() {
		d[i] = make([]int, len(s.knobs)+1)
		d[i][0] = rapid.IntRange(0, 1).Draw(t, s.name)
		if d[i][0] == 0 {
			continue
		}
		for k, options := range s.knobs {
			if rapid.IntRange(0, 2).Draw(t, "turn") == 1 {
				d[i][k+1] = rapid.IntRange(0, len(options)-1).Draw(t, s.name)
			}
		}
	}
	return d
}

// edit is one change of a draft.
func (d draft) edit(t *rapid.T) draft {
	out := make(draft, len(d))
	for i := range d {
		out[i] = slices.Clone(d[i])
	}
	all := kinds()
	for range rapid.IntRange(0, 3).Draw(t, "edits") {
		i := rapid.IntRange(0, len(all)-1).Draw(t, "block")
		if out[i][0] == 0 || rapid.IntRange(0, 4).Draw(t, "presence") == 1 {
			out[i][0] = 1 - out[i][0]
			continue
		}
		k := rapid.IntRange(0, len(all[i].knobs)-1).Draw(t, "knob")
		out[i][k+1] = rapid.IntRange(0, len(all[i].knobs[k])-1).Draw(t, all[i].name)
	}
	return out
}

var reference = regexp.MustCompile(`\b(fleet|volume|task|service|gateway|profile)\.[a-z]+\b`)

// text writes a draft as HCL. What refers to a block that is not there is left out.
func (d draft) text() string {
	all := kinds()
	var b strings.Builder
	there := map[string][]string{} // with its lines
	for i, s := range all {
		if d[i][0] == 1 {
			there[s.name] = nil
		}
	}
	for i, s := range all {
		if d[i][0] == 0 {
			continue
		}
		for k, options := range s.knobs {
			line := options[d[i][k+1]]
			for _, ref := range reference.FindAllString(line, -1) {
				if _, ok := there[ref]; !ok || ref == s.name {
					line = options[0]
				}
			}
			there[s.name] = append(there[s.name], line)
		}
	}
	for _, s := range all {
		lines, ok := there[s.name]
		if !ok {
			continue
		}
		kind, label, _ := strings.Cut(s.name, ".")
		fmt.Fprintf(&b, "%s %q {\n", kind, label)
		for _, line := range lines {
			switch volume, mounts := strings.CutPrefix(line, "mount "); {
			case mounts:
				line = mount(volume, there, lines)
			case strings.HasPrefix(line, "gpu ") || strings.HasPrefix(line, "cpu "):
				line = "resources {\n  " + line + "\n}"
			case strings.HasPrefix(line, "name ") && kind == "volume":
				if line = strings.ReplaceAll(line, "LABEL", label); lines[0] != "" {
					line = "" // a name stands once
				}
			case strings.HasPrefix(line, "availability_zone ") && kind == "volume" && !slices.Contains(lines, zoned(line)):
				line = "" // no region has that zone
			case strings.Contains(line, "node.") && kind != "task":
				line = `commands = ["serve"]`
			}
			if line != "" {
				b.WriteString("  " + line + "\n")
			}
		}
		if kind == "dev_environment" {
			b.WriteString("  ide = \"vscode\"\n")
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// zoned is the line of the region in which the zone of a line is.
func zoned(line string) string {
	if strings.Contains(line, "fleet") {
		return `region = fleet.fa.instance[0].region`
	}
	return `region = "us-east-1"`
}

// mount is the line by which a run mounts a volume that may be repeated: no two jobs get the same one.
func mount(volume string, there map[string][]string, run []string) string {
	v, ok := there["volume."+volume]
	if !ok || strings.Contains(strings.Join(run, "\n"), "for_each") {
		return ""
	}
	nodes := 1
	rank := "node.rank"
	for _, line := range run {
		if n, ok := strings.CutPrefix(line, "nodes = "); ok {
			fmt.Sscan(n, &nodes)
		}
		if n, ok := strings.CutPrefix(line, "replicas = "); ok {
			fmt.Sscan(n, &nodes)
			rank = "replica.index"
		}
		if strings.HasPrefix(line, "count") {
			return ""
		}
	}
	switch count, counted := strings.CutPrefix(v[0], "count = "); {
	case counted && count >= fmt.Sprint(nodes):
		return `volumes = [{ volume = volume.` + volume + `[` + rank + `], path = "/data" }]`
	case v[0] == "" && nodes <= 1:
		return `volumes = [{ volume = volume.` + volume + `, path = "/data" }]`
	case strings.Contains(v[0], "a1") && nodes <= 1:
		return `volumes = [{ volume = [volume.` + volume + `["b1"], volume.` + volume + `["a1"]], path = "/data" }]`
	}
	return ""
}

// stage is one part of a life: a configuration, what happens before it is planned, and what goes wrong when it is applied.
type stage struct {
	hcl     string
	before  string // delete, mutate, stop or unreachable: something of the world
	which   int
	wait    int      // minutes that pass
	faults  string   // of the apply: a part of a script
	breakAt int      // records after which nothing can be recorded any more, 0 for all
	stopAt  int      // events after which the apply is interrupted
	cancel  bool     // it is cancelled then
	renamed []string // blocks that get other labels afterwards
	late    bool     // the renames are planned together with the next stage
}

func drawStages(t *rapid.T) []stage {
	d := drawDraft(t)
	var out []stage
	for range rapid.IntRange(2, 6).Draw(t, "stages") {
		s := stage{hcl: d.text()}
		switch rapid.IntRange(0, 9).Draw(t, "before") {
		case 1:
			s.before = "delete"
		case 2:
			s.before = "mutate"
		case 3:
			s.before = "stop"
		case 4:
			s.before = "unreachable"
		}
		if s.before != "" {
			s.which = rapid.IntRange(0, 20).Draw(t, "which")
		}
		if rapid.IntRange(0, 2).Draw(t, "waits") == 1 {
			s.wait = rapid.SampledFrom([]int{1, 6, 20, 90, 6000}).Draw(t, "minutes")
		}
		switch rapid.IntRange(0, 8).Draw(t, "trouble") {
		case 1, 2:
			kind := rapid.SampledFrom([]string{"instance", "volume", "gateway", "job", "support", "*"}).Draw(t, "kind")
			fault := rapid.SampledFrom([]string{"no_capacity", "no_quota", "invalid", "transient", "throttled", "lost", "partial", "internal", "conflict"}).Draw(t, "fault")
			op := "create"
			if fault != "partial" {
				op = rapid.SampledFrom([]string{"create", "update", "delete", "create|delete", "create|find"}).Draw(t, "op")
			}
			s.faults = fmt.Sprintf(`, {"fault": %q, "op": %q, "kind": %q, "nth": %d, "times": %d}`, fault, op, kind,
				rapid.IntRange(1, 4).Draw(t, "nth"), rapid.SampledFrom([]int{1, 3, 100}).Draw(t, "times"))
		case 3:
			s.breakAt = rapid.IntRange(1, 60).Draw(t, "break")
		case 4:
			s.stopAt = rapid.IntRange(1, 30).Draw(t, "stop")
			s.cancel = rapid.Bool().Draw(t, "cancel")
		}
		out = append(out, s)
		d = d.edit(t)
	}
	return out
}
