package value

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

var (
	gpuWords = words{"GPU",
		`A GPU is any of vendor, names, memory and count, in any order, with colons between them ("A100:80GB:2", "A10G,A100", "24GB..:1..4").`}
	gpuMemoryWords = words{"GPU memory",
		`Memory is a number with MB, GB or TB, or a range of them ("80GB", "24GB..", "16GB..80GB").`}
	gpuTotalWords = words{"Total GPU memory",
		`Total memory is a number with MB, GB or TB, or a range of them ("total=160GB..").`}
	gpuCountWords = words{"GPU count", `A count is a whole number, or a range of them (2, "2..", "1..4").`}
	gpuNameWords  = words{"GPU name",
		`A name starts with a letter and has letters, digits, dots, dashes, underscores and plus signs; several have commas between them ("A100", "A10G,A100").`}

	gpuForms = forms[GPU]{
		words: gpuWords,
		text:  ParseGPU,
		number: func(text string) (GPU, error) {
			n, err := countForms(gpuCountWords).number(text)
			return GPU{count: Exactly(n)}.settled(), err
		},
		object: gpuFromObject,
	}
)

// scan reads the tokens. What they are is decided in one order, so that a text has one meaning: key=value, vendor,
// names (a letter first), memory (any letter), count.
func (g *GPU) scan(q squeezed) error {
	if q.s == "" {
		return mistake("GPU is empty", "The text is empty. %s", gpuWords.accepts)
	}
	seen := make([]string, 0, 6)
	at := 0
	for token := range strings.SplitSeq(q.s, ":") {
		from, to := at, at+len(token)
		at = to + 1
		if token == "" {
			start, end := max(from-1, 0), min(to+1, len(q.s))
			return q.mistake(start, end, "GPU has an empty part", "Nothing stands beside a colon. %s", gpuWords.accepts)
		}
		class, err := g.token(q, from, to)
		if err != nil {
			return err
		}
		if slices.Contains(seen, class) {
			return q.mistake(from, to, "GPU has two parts of one kind", "%s is a second %s. %s", quote(token), class, gpuWords.accepts)
		}
		seen = append(seen, class)
	}
	g.fill()
	return nil
}

// fill adds what is so unless said otherwise.
func (g *GPU) fill() {
	if g.count == (Range[int]{}) {
		g.count = Exactly(1)
	}
}

// token reads q.s[from:to] and says of which class it is.
func (g *GPU) token(q squeezed, from, to int) (class string, err error) {
	token := q.s[from:to]
	if eq := strings.IndexByte(token, '='); eq >= 0 {
		return g.keyed(q, from, from+eq, to)
	}
	if v, ok := vendorOf(token); ok {
		g.vendor = v
		return "vendor", nil
	}
	switch {
	case isLetter(token[0]):
		g.names, err = scanGPUNames(q, from, to)
		return "name", err
	case strings.ContainsFunc(token, func(c rune) bool { return c < 128 && isLetter(byte(c)) }):
		g.memory, err = parseRange(q, from, to, gpuMemoryWords, scanMemory)
		return "memory", err
	}
	g.count, err = parseRange(q, from, to, gpuCountWords, scanCount)
	return "count", err
}

// keyed reads key=value; eq is the place of the sign.
func (g *GPU) keyed(q squeezed, from, eq, to int) (class string, err error) {
	if eq+1 == to {
		return "", q.mistake(from, to, "GPU has an empty part", "Nothing stands behind %s. %s", quote(q.s[from:to]), gpuWords.accepts)
	}
	switch key := q.s[from:eq]; strings.ToLower(key) {
	case "total", "total_memory":
		g.total, err = parseRange(q, eq+1, to, gpuTotalWords, scanMemory)
		return "total memory", err
	case "compute", "compute_capability":
		c, err := ParseComputeCapability(q.s[eq+1 : to])
		if err != nil {
			offset, _ := q.place(eq+1, to)
			return "", shifted(offset, err)
		}
		g.compute = c.settled()
		return "compute capability", nil
	default:
		hint := ""
		if s := suggest(key, []string{"total", "compute"}); s != "" {
			hint = " Did you mean " + quote(s) + "?"
		}
		return "", q.mistake(from, eq, "GPU has an unknown key", `%s is no key here.%s The keys are "total=160GB.." and "compute=8.0".`, quote(key), hint)
	}
}

func scanGPUNames(q squeezed, from, to int) ([]string, error) {
	var names []string
	at := from
	for name := range strings.SplitSeq(q.s[from:to], ",") {
		start, end := at, at+len(name)
		at = end + 1
		if i, j, summary, detail := gpuNameProblem(name); summary != "" {
			if name == "" {
				i, j = -1, 1
			}
			return nil, q.mistake(max(start+i, from), min(start+j, to), summary, "%s", detail)
		}
		names = append(names, name)
	}
	return names, nil
}

// gpuNameProblem says what is wrong with a name, and with which part of it.
func gpuNameProblem(name string) (from, to int, summary, detail string) {
	lower := strings.ToLower(name)
	switch {
	case name == "":
		return 0, 0, "GPU name is empty", "A name in the list is empty. " + gpuNameWords.accepts
	case !isLetter(name[0]):
		return 0, len(name), "GPU name is not valid", quote(name) + " does not start with a letter. " + gpuNameWords.accepts
	case strings.HasPrefix(lower, "tpu-"):
		return 0, len(name), "GPU name has a prefix", "The prefix \"tpu-\" is not part of the name any more. Write " +
			quote(name[len("tpu-"):]) + ", or " + quote("tpu:"+name[len("tpu-"):]) + " to name the vendor."
	}
	if _, ok := vendorOf(name); ok {
		return 0, len(name), "GPU name is a vendor", quote(name) + " is a vendor; it stands by itself, as in \"nvidia:A100\". " + gpuNameWords.accepts
	}
	for i := range len(name) {
		if c := name[i]; !isLetter(c) && !isDigit(c) && !strings.ContainsRune(".-_+", rune(c)) {
			return 0, len(name), "GPU name is not valid", quote(name) + " has a character that no name has. " + gpuNameWords.accepts
		}
	}
	return 0, 0, "", ""
}

// gpuNameForms reads a string of one or several names, or a list of them.
func gpuNameForms() forms[[]string] {
	read := func(text string) ([]string, error) {
		q := squeeze(text)
		return scanGPUNames(q, 0, len(q.s))
	}
	return forms[[]string]{
		words: gpuNameWords,
		text:  read,
		list: func(items []cty.Value) ([]string, error) {
			lists, err := each(items, forms[[]string]{words: gpuNameWords, text: read})
			if err != nil {
				return nil, err
			}
			var names []string
			for _, l := range lists {
				names = append(names, l...)
			}
			if len(names) == 0 {
				return nil, mistake("GPU name is empty", "The list of names is empty; leave it out if any will do. %s", gpuNameWords.accepts)
			}
			return names, nil
		},
	}
}

func gpuFromObject(o object) (GPU, error) {
	if err := o.only("vendor", "name", "count", "memory", "total_memory", "compute_capability"); err != nil {
		return GPU{}, err
	}
	var g GPU
	vendor, _, err := attr(o, "vendor", forms[Vendor]{
		words: words{"GPU vendor", `It is "nvidia", "amd", "google", "intel" or "tpu".`},
		text:  ParseVendor,
	})
	if err != nil {
		return GPU{}, err
	}
	g.vendor = vendor
	if g.names, _, err = attr(o, "name", gpuNameForms()); err != nil {
		return GPU{}, err
	}
	count, _, err := attr(o, "count", intRangeFormsFor(gpuCountWords))
	if err != nil {
		return GPU{}, err
	}
	g.count = count.span
	memory, _, err := attr(o, "memory", memoryRangeFormsFor(gpuMemoryWords))
	if err != nil {
		return GPU{}, err
	}
	g.memory = memory.span
	total, _, err := attr(o, "total_memory", memoryRangeFormsFor(gpuTotalWords))
	if err != nil {
		return GPU{}, err
	}
	g.total = total.span
	if g.compute, _, err = attr(o, "compute_capability", computeForms); err != nil {
		return GPU{}, err
	}
	if !g.compute.IsZero() {
		g.compute = g.compute.settled()
	}
	g.fill()
	return g.settled(), nil
}
