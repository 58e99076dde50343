package render

import (
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// caution names what is in danger: data, work, what is destroyed and replaced, and policies that deny the plan.
func (m *markdown) caution() string {
	lines := m.cautions()
	if len(lines) == 0 {
		return ""
	}
	write := func(most, names int) func() string {
		return func() string {
			var out strings.Builder
			out.WriteString("> [!CAUTION]\n")
			for i, d := range lines {
				if i == most {
					out.WriteString("> - and " + grouped(len(lines)-i) + " more\n")
					break
				}
				out.WriteString("> - " + d.verb + m.some(d.of, names) + m.w.prose(cut(d.rest, whyWidth, 0)) + "\n")
			}
			return out.String()
		}
	}
	return m.fitting(m.room/3, write(12, 6), write(6, 3), write(2, 1))
}

// some names the first of several addresses.
func (m *markdown) some(list []string, most int) string {
	if len(list) == 0 {
		return ""
	}
	type group struct {
		base string
		keys []string
	}
	var groups []*group
	list = slices.SortedFunc(slices.Values(list), compareNatural)
	for _, a := range list {
		base, key := splitAddress(a)
		if i := len(groups) - 1; i < 0 || groups[i].base != base || key == "" {
			groups = append(groups, &group{base: base})
		}
		groups[len(groups)-1].keys = append(groups[len(groups)-1].keys, key)
	}
	var out []string
	rest := 0
	for _, g := range groups {
		ranges := []keyRange{{"", 1}}
		if g.keys[0] != "" {
			ranges = keyRanges(g.keys, 2)
		}
		for _, r := range ranges {
			if text := clean(g.base) + r.text; len(out) < most && len(text) <= 300 {
				out = append(out, code(text))
			} else {
				rest += r.n
			}
		}
	}
	text := strings.Join(out, ", ")
	if rest > 0 && text != "" {
		text += " and "
	}
	if rest > 0 {
		text += grouped(rest) + " more"
	}
	return text
}

// cautions are the dangers of the text, and below them what else is destroyed or replaced, with the reason.
func (m *markdown) cautions() []danger {
	var out []danger
	for _, p := range m.p.Denying() {
		rest := strings.TrimPrefix(policyLine(p), clean(p.Name)+" denied")
		if p.Result != plan.PolicyDenied {
			rest = ", which is not known to hold" + strings.TrimPrefix(policyLine(p), clean(p.Name)+" "+clean(string(p.Result)))
		}
		out = append(out, danger{verb: "denied by ", of: []string{p.Name}, rest: rest})
	}
	said := map[string]bool{}
	for _, d := range m.v.dangers() {
		out = append(out, d)
		for _, a := range d.of {
			said[a] = true
		}
	}
	type why struct{ verb, reason string }
	var order []why
	others := map[why][]string{}
	for _, b := range m.blocks {
		for _, c := range b.changes {
			if said[c.Address] || said[blockOf(c.Address)] || c.Action != plan.Delete && !c.Action.IsReplace() {
				continue
			}
			verb := "destroys "
			if c.Action.IsReplace() {
				verb = "replaces "
			}
			k := why{verb, c.Reason}
			if others[k] == nil {
				order = append(order, k)
			}
			others[k] = append(others[k], c.Address)
		}
	}
	slices.SortStableFunc(order, func(a, b why) int { return strings.Compare(a.verb, b.verb) })
	for _, k := range order {
		out = append(out, danger{verb: k.verb, of: others[k], rest: colon(k.reason)})
	}
	return out
}

// policyLine is what became of a policy, on one line.
func policyLine(p plan.Policy) string {
	return strings.NewReplacer(".\n", "; ", "\n", "; ").Replace(PolicyText(p))
}

func colon(s string) string {
	if s == "" {
		return ""
	}
	return ": " + clean(s)
}

// remarks are what is no change and a reviewer must know: what is put off, what was not checked, drift, verdicts, warnings.
func (m *markdown) remarks() string {
	var list []remark
	for _, n := range foldNotes(m.p.Deferred) {
		list = append(list, remark{"deferred", n})
	}
	for _, r := range m.v.remarks() {
		switch r.word {
		case "Deferred", "Outputs", "Policies": // which are said in other places
		default:
			list = append(list, remark{strings.ToLower(r.word), r.text})
		}
	}
	for _, p := range m.p.Policies {
		if p.Result != plan.PolicyPassed && !p.Denies() { // what denies is in the caution
			list = append(list, remark{"policy", policyLine(p)})
		}
	}
	for _, s := range saidOnce(m.p.Diagnostics) {
		word := "warning"
		if s.first.Severity == diag.Error {
			word = "error"
		}
		text := clean(s.first.Summary)
		if s.first.Range != nil {
			text += ", " + clean(s.first.Range.String())
		}
		if len(s.addresses) > 0 {
			text += ", for " + cut(addresses(s.addresses), whyWidth, 0)
		}
		list = append(list, remark{word, text + ": " + clean(strings.Join(strings.Fields(s.first.Detail), " "))})
	}
	if len(list) == 0 {
		return ""
	}
	write := func(most, width int) func() string {
		return func() string {
			var out strings.Builder
			count, total := map[string]int{}, map[string]int{}
			for _, r := range list {
				total[r.word]++
			}
			for _, r := range list {
				count[r.word]++
				switch n := count[r.word]; {
				case n <= most:
					out.WriteString("- **" + r.word + "** " + m.w.prose(cut(r.text, width, 0)) + "\n")
				case n == most+1:
					out.WriteString("- **" + r.word + "** " + grouped(total[r.word]-most) + " more\n")
				}
			}
			return out.String()
		}
	}
	return m.fitting(m.room, write(10, 600), write(3, 300), write(1, 100), write(0, 0))
}
