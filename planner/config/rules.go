package config

import (
	"cmp"
	"maps"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// rules checks what a block says as a whole. A value that is unknown breaks no rule.
func (d *decoder) rules(out *Decoded) {
	r := &ruler{d: d, out: out, v: out.Value}
	switch out.Block.Type.Name {
	case "backend":
		r.oneOf("runtime", "auto", "docker", "process")
	case "fleet":
		r.fleet()
	case "volume":
		if r.unset("size") && r.unset("volume_id") {
			r.fail("", "Volume has no size", "%s needs size for a new disk, or volume_id for one that exists:\n  size = \"100GB\"", out.Addr)
		}
	case "gateway":
		r.gateway()
	case "dev_environment":
		r.run()
		r.oneOf("ide", "vscode", "cursor")
		if !r.unset("entrypoint") {
			r.fail("entrypoint", "Entrypoint has no place here", "A dev environment starts its editor, so it takes no entrypoint. Commands that prepare it are init = [...].")
		}
	case "task":
		r.run()
		r.needsWork()
		if n, ok := r.number("nodes"); ok && n < 1 {
			r.fail("nodes", "Number of nodes is too small", "A task runs on at least 1 node%s.", r.shown("nodes"))
		}
	case "service":
		r.run()
		r.needsWork()
		r.service()
	case "data":
		r.data()
	}
}

// jobRules checks what a block says for one job, where that is known only now.
func (d *decoder) jobRules(out *Decoded, v cty.Value) {
	if len(d.list) > 0 {
		return
	}
	r := &ruler{d: d, out: out, v: v, jobOnly: out.perJob}
	r.runJob()
}

// ruler checks the rules of one block.
type ruler struct {
	d       *decoder
	out     *Decoded
	v       cty.Value
	jobOnly []*schema.Attribute // look at what differs between jobs only
}

func (r *ruler) fail(at, summary, format string, args ...any) {
	rng, _, ok := r.out.Origin(at)
	if !ok {
		rng = r.out.Block.DefRange
	}
	r.d.list = append(r.d.list, diag.Errorf(summary, format, args...).At(&rng)...)
}

// get follows a path of attributes; null where something on the way is null or unknown.
func (r *ruler) get(path string) cty.Value {
	v, marks := r.v, cty.ValueMarks{}
	for _, s := range splitPath(path) {
		var own cty.ValueMarks
		v, own = v.Unmark()
		maps.Copy(marks, own)
		if v.IsNull() || !v.IsKnown() || !v.Type().HasAttribute(s.name) {
			return cty.NullVal(cty.DynamicPseudoType)
		}
		v = v.GetAttr(s.name)
	}
	return v.WithMarks(marks) // part of what is sensitive is sensitive
}

// unset tells whether nothing was written; an unknown value was.
func (r *ruler) unset(path string) bool {
	v, _ := r.get(path).Unmark()
	return v.IsNull()
}

// text is a known text. One that is sensitive is checked too, but never shown.
func (r *ruler) text(path string) (string, bool) {
	v, _ := r.get(path).Unmark()
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return "", false
	}
	return v.AsString(), true
}

func (r *ruler) number(path string) (float64, bool) {
	v, _ := r.get(path).Unmark()
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.Number {
		return 0, false
	}
	f, _ := v.AsBigFloat().Float64()
	return f, true
}

// flag is a known true or false.
func (r *ruler) flag(path string) (on, ok bool) {
	v, _ := r.get(path).Unmark()
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.Bool {
		return false, false
	}
	return v.True(), true
}

// shown ends a sentence with the value, unless it is sensitive.
func (r *ruler) shown(path string) string { return shown(r.get(path)) }

// oneOf checks a word of a closed list.
func (r *ruler) oneOf(path string, words ...string) {
	s, ok := r.text(path)
	if !ok || slices.Contains(words, s) {
		return
	}
	last := len(words) - 1
	list := strings.Join(words[:last], ", ")
	if list != "" {
		list += " or "
	}
	hint := ""
	if len(s) > 3 && !r.get(path).IsMarked() {
		hint = schema.DidYouMean(s, words)
	}
	r.fail(path, "Unknown word", "%s is %s%s.%s", lastStep(path), list+words[last], r.shown(path), hint)
}

func lastStep(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

func (r *ruler) positive(path, what string) {
	if n, ok := r.number(path); ok && n <= 0 {
		r.fail(path, "Number is too small", "%s is more than 0%s.", what, r.shown(path))
	}
}

// run checks what tasks, services and dev environments have in common.
func (r *ruler) run() {
	r.oneOf("runtime", "auto", "docker", "process")
	r.gpu()
	r.runJob()
}

// differs tells whether an attribute is looked at: all of them once, and again for each job those that differ.
func (r *ruler) differs(names ...string) bool {
	return r.jobOnly == nil || slices.ContainsFunc(r.jobOnly, func(a *schema.Attribute) bool { return slices.Contains(names, a.Name) })
}

func (r *ruler) runJob() {
	if r.differs("python") {
		r.oneOf("python", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13")
	}
	if r.differs("python", "image") && !r.unset("image") && !r.unset("python") {
		r.fail("python", "Two images", "python chooses the version in the default image, and image names another one. Remove one of them.")
	}
	if on, ok := r.flag("nvcc"); r.differs("nvcc", "image") && ok && on && !r.unset("image") {
		r.fail("nvcc", "Two images", "nvcc chooses the default image with the CUDA compiler, and image names another one. Remove one of them.")
	}
	if s, ok := r.text("working_dir"); r.differs("working_dir") && ok {
		if clean := path.Clean(s); path.IsAbs(s) || clean == ".." || strings.HasPrefix(clean, "../") {
			r.fail("working_dir", "Working directory is outside", "working_dir is relative to the job's own folder and stays inside of it, as in \"src\"%s.", r.shown("working_dir"))
		}
	}
	if s, ok := r.text("resources.gpu"); r.differs("image") && ok && r.unset("image") {
		var g value.GPU
		if runtime, _ := r.text("runtime"); runtime != "process" && g.UnmarshalText([]byte(s)) == nil && g.InvolvesAMD() {
			r.fail("resources.gpu", "An image is needed", "The default image has no software for AMD GPUs. Name one that has:\n  image = \"rocm/dev-ubuntu-22.04\"")
		}
	}
}

// needsWork checks that a task or service has something to run.
func (r *ruler) needsWork() {
	v, _ := r.get("commands").Unmark()
	none := v.IsNull() || v.IsKnown() && v.LengthInt() == 0
	if none && r.unset("image") {
		r.fail("commands", "Nothing to run", "%s needs commands, or an image with a command of its own:\n  commands = [\"python train.py\"]", r.out.Addr)
	}
}

func (r *ruler) service() {
	scales, known := false, false
	if s, ok := r.text("replicas"); ok {
		var n value.ReplicaRange
		known = n.UnmarshalText([]byte(s)) == nil
		scales = n.Scales()
	} else if r.unset("replicas") {
		known = true
	}
	switch {
	case known && scales && r.unset("scaling"):
		r.fail("replicas", "Scaling is needed", "A range of replicas needs a rule for when there are more or fewer:\n  scaling {\n    metric = \"rps\"\n    target = 10\n  }")
	case known && !scales && !r.unset("scaling"):
		r.fail("scaling", "Scaling has no range", "Scaling chooses a number between two bounds, and there is one number only. Give a range, as in replicas = \"1..4\", or remove scaling.")
	}
	r.oneOf("scaling.metric", "rps")
	r.positive("scaling.target", "target")
	r.oneOf("model.type", "chat")
	r.oneOf("model.format", "openai", "tgi")
	if f, ok := r.text("model.format"); ok || r.unset("model.format") {
		for _, name := range []string{"chat_template", "eos_token"} {
			if f != "tgi" && !r.unset("model."+name) {
				r.fail("model."+name, "Argument has no place here", "%s belongs to models of the format tgi. Remove it, or write format = \"tgi\".", name)
			}
		}
		if f == "tgi" && !r.unset("model.prefix") {
			r.fail("model.prefix", "Argument has no place here", "prefix belongs to models of the format openai. Remove it.")
		}
	}
	gateway, _ := r.text("gateway")
	if https, ok := r.flag("https"); ok && !https && gateway == schema.NoReference {
		r.fail("https", "No gateway to say this of", "https says how a gateway publishes the service, and this one has none (gateway = false). Remove https.")
	}
}

// domainName is a domain, or the wildcard of one.
var domainName = regexp.MustCompile(`^(\*\.)?([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

func (r *ruler) gateway() {
	if s, ok := r.text("domain"); ok && (len(s) > 253 || !domainName.MatchString(s)) {
		r.fail("domain", "Domain cannot be read", "A domain is a name such as models.example.com, or *.models.example.com for everything below it%s.", r.shown("domain"))
	}
	r.oneOf("certificate.type", "lets-encrypt", "acm")
	kind, known := r.text("certificate.type")
	if !known && !r.unset("certificate") && r.unset("certificate.type") {
		kind, known = "lets-encrypt", true
	}
	if !known {
		return
	}
	public, ok := r.flag("public_ip")
	switch {
	case kind == "lets-encrypt" && ok && !public:
		r.fail("certificate", "Certificate cannot be issued", "Let's Encrypt must reach the gateway from the Internet, and public_ip = false keeps it out. Remove the certificate, or use type = \"acm\".")
	case kind == "lets-encrypt" && !r.unset("certificate.arn"):
		r.fail("certificate.arn", "Argument has no place here", "arn names a certificate of AWS. Remove it, or write type = \"acm\".")
	case kind == "acm" && r.unset("certificate.arn"):
		r.fail("certificate", "Certificate is not named", "A certificate of the type acm needs its arn:\n  arn = \"arn:aws:acm:...\"")
	case kind == "acm":
		if name, ok := r.text("backend"); ok && !r.get("backend").IsMarked() && r.d.c.provider(name) != "aws" {
			r.fail("certificate.type", "Certificate is of another cloud", "acm is AWS Certificate Manager, and the gateway is on the backend %q. Use type = \"lets-encrypt\".", name)
		}
	}
}

// provider is the provider of a backend, as far as its block says it plainly.
func (c *Config) provider(backend string) string {
	if b := c.byAddr[addr.Block{Type: "backend", Name: backend}]; b != nil {
		return cmp.Or(c.plainText(b.body.attr("provider")), backend)
	}
	return backend
}

func (r *ruler) fleet() {
	r.oneOf("runtime", "auto", "docker", "process")
	r.oneOf("network_mode", "auto", "bridge")
	r.gpu()
	ssh := !r.unset("ssh")
	switch {
	case !ssh && r.unset("nodes"):
		r.fail("", "Fleet has neither nodes nor hosts", "%s needs nodes for instances that a backend makes, or ssh for hosts that exist:\n  nodes = 1", r.out.Addr)
	case ssh && !r.unset("nodes"):
		r.fail("nodes", "Fleet has both nodes and hosts", "The hosts of an SSH fleet are its nodes. Remove nodes, or ssh.")
	}
	if !ssh && !r.unset("env") {
		r.fail("env", "Variables have no place here", "env of a fleet is for SSH fleets. Give the variables to the runs: env = { ... } in a task, service or dev environment.")
	}
	if ssh {
		r.ssh()
	}
}

func (r *ruler) ssh() {
	r.port("ssh")
	network := r.network()
	hosts, marks := r.get("ssh.host").Unmark()
	if hosts.IsNull() {
		r.fail("ssh", "Fleet has no hosts", "An SSH fleet needs at least one host:\n  host {\n    hostname = \"10.0.0.11\"\n  }")
		return
	}
	if !hosts.IsKnown() {
		return
	}
	first := map[string]int{}
	with, without := -1, -1
	for i, h := range hosts.AsValueSlice() {
		at := pathAt("ssh.host", i)
		host := &ruler{d: r.d, out: r.out, v: h.WithMarks(marks)}
		name, ok := host.text("hostname")
		if host.get("hostname").IsMarked() {
			r.fail(at+".hostname", "Hostname is sensitive", "A hostname is part of addresses, which are shown everywhere, and this value is sensitive. Use another one, or nonsensitive(...) if it may be shown.")
			continue
		}
		if ok && name == "" {
			r.fail(at+".hostname", "Host has no name", "hostname is a name or an address.")
		}
		if before, twice := first[name]; ok && twice {
			where, _, _ := r.out.Origin(pathAt("ssh.host", before))
			r.fail(at, "Host stands twice", "%q is a host of this fleet already, at %s. Remove one of them.", name, place(where))
		} else if ok {
			first[name] = i
		}
		for _, need := range []string{"user", "identity_file"} {
			if host.unset(need) && r.unset("ssh."+need) {
				r.fail(at, "Host cannot be opened", "%s has no %s: neither its own nor one in ssh for all hosts. Write %s in the one or the other.", orHost(name), need, need)
			}
		}
		if p, ok := host.number("port"); ok && (p < 1 || p > 65535) {
			r.fail(at+".port", "Port is out of range", "A port is a number from 1 to 65535%s.", host.shown("port"))
		}
		if host.unset("internal_ip") {
			without = i
			continue
		}
		with = i
		if text, ok := host.text("internal_ip"); ok {
			ip, err := netip.ParseAddr(text)
			switch {
			case err != nil:
				r.fail(at+".internal_ip", "Address cannot be read", "internal_ip is an address such as 10.0.0.11%s.", host.shown("internal_ip"))
			case !ip.IsPrivate():
				r.fail(at+".internal_ip", "Address is not private", "The hosts reach each other at internal_ip, so it is an address of a private network, such as 10.0.0.11%s.", host.shown("internal_ip"))
			}
		}
	}
	switch {
	case with >= 0 && network:
		r.fail(pathAt("ssh.host", with)+".internal_ip", "Both internal_ip and network", "network says of which network the internal addresses are taken, and internal_ip names one. Remove one of them.")
	case with >= 0 && without >= 0:
		name, _ := (&ruler{d: r.d, out: r.out, v: hosts.AsValueSlice()[without]}).text("hostname")
		r.fail(pathAt("ssh.host", without), "Internal address is missing", "internal_ip stands on all hosts or on none, and %s has none while others do.", orHost(name))
	}
}

func orHost(name string) string {
	if name == "" {
		return "A host"
	}
	return "Host " + quoted(name)
}

func pathAt(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

func (r *ruler) port(in string) {
	if p, ok := r.number(in + ".port"); ok && (p < 1 || p > 65535) {
		r.fail(in+".port", "Port is out of range", "A port is a number from 1 to 65535%s.", r.shown(in+".port"))
	}
}

// network checks the network of internal addresses and tells whether there is one.
func (r *ruler) network() bool {
	text, ok := r.text("ssh.network")
	if !ok {
		return !r.unset("ssh.network")
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		r.fail("ssh.network", "Network cannot be read", "network is an address and a number of bits, such as 10.0.0.0/24%s.", r.shown("ssh.network"))
	case !p.Addr().IsPrivate():
		r.fail("ssh.network", "Network is not private", "The hosts reach each other in network, so it is a private one, such as 10.0.0.0/24%s.", r.shown("ssh.network"))
	}
	return true
}
