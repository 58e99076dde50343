package place

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/offer"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// class is what a job asks of its machine. Jobs of one class are interchangeable, so that every question about a kind
// of machine is answered once for all of them.
type class struct {
	id             int
	need           schema.Requirements
	bound          bool // to a fleet
	whole          bool // one of several nodes: never on a divided machine
	instanceMounts bool
	mounts         []Mount
	banned         []string // backends whose shared network has one of the ports in use

	onShape map[*shape]int // host blocks that it takes, 0 if it does not fit
	onCand  map[*cand]int
	scopes  map[addr.Instance]*scope // by fleet, zero for all
}

// scope is the machines that exist on which a class may be.
type scope struct {
	order  []fit // shapes that it fits, best first
	start  int   // shapes before it have no room
	epoch  int   // of the last release that start knows of
	stuck  bool  // no room can be made by moving others
	reason *failure
}

// fit is a shape of machines that fits a class.
type fit struct {
	shape *shape
	k     int
	share schema.Offer
}

func (j *job) key(mounts []Mount, banned []string) string {
	var b strings.Builder
	b.WriteString(j.needKey)
	b.WriteString("|" + strconv.FormatBool(j.bound()) + strconv.FormatBool(j.Nodes > 1) + strconv.FormatBool(j.InstanceMounts))
	for _, m := range mounts {
		b.WriteByte(';')
		for _, v := range m.Alternatives {
			b.WriteString(strconv.Quote(v.At.Backend) + strconv.Quote(v.At.Region) + strconv.Quote(v.At.Zone))
			b.WriteString(v.Addr.String() + strconv.FormatBool(v.Unknown))
		}
	}
	for _, name := range banned {
		b.WriteString("!" + strconv.Quote(name))
	}
	return b.String()
}

// classOf finds the job's class as things are now: ports in use and zones of volumes change while jobs are placed.
func (s *solver) classOf(j *job) *class {
	if j.class != nil && len(j.Mounts) == 0 && len(j.Ports) == 0 {
		return j.class
	}
	mounts, banned := s.mountsNow(j), s.bannedFor(j)
	key := j.key(mounts, banned)
	c := s.classes[key]
	if c == nil {
		c = &class{id: len(s.classes), need: j.Need, bound: j.bound(), whole: j.Nodes > 1, instanceMounts: j.InstanceMounts,
			mounts: mounts, banned: banned, onShape: map[*shape]int{}, onCand: map[*cand]int{}, scopes: map[addr.Instance]*scope{}}
		s.classes[key] = c
	}
	j.class = c
	return c
}

// mountsNow are the job's mounts with the zones that volumes have got meanwhile.
func (s *solver) mountsNow(j *job) []Mount {
	if len(j.Mounts) == 0 {
		return nil
	}
	out := make([]Mount, len(j.Mounts))
	for i, m := range j.Mounts {
		out[i] = Mount{Path: m.Path, Alternatives: slices.Clone(m.Alternatives)}
		for n, v := range m.Alternatives {
			if z := s.zones[v.Addr]; z != "" && v.At.Zone == "" {
				out[i].Alternatives[n].At.Zone = z
			}
		}
	}
	return out
}

func (s *solver) bannedFor(j *job) []string {
	var out []string
	for _, name := range s.shared {
		for _, port := range j.Ports {
			if owner, used := s.ports[portKey{name, port}]; used && owner != j.replica() {
				out = append(out, name)
				break
			}
		}
	}
	return out
}

// check returns how many host blocks of a machine the class takes, and everything that is lacking if it is none. The
// machine is empty for this.
func (s *solver) check(c *class, o schema.Offer, unknown bool) (int, []offer.Lack) {
	b, known := s.p.Backends[o.Backend]
	if !known {
		return 0, []offer.Lack{{Kind: offer.LackBackend, Text: "backend " + o.Backend + " is not open", Weight: 6}}
	}
	total := max(o.TotalBlocks, 1)
	lacks := s.surroundings(c, o, b, total)
	need := c.effective(b)
	if unknown {
		if len(lacks) > 0 {
			return 0, lacks
		}
		if r := c.need.Resources; r.CPU.IsZero() && r.Memory.IsZero() && r.GPU.IsZero() && r.Disk.IsZero() {
			return 1, nil
		}
		return total, nil // nobody knows how few would do
	}
	k, ok := offer.Fit(need, o, total)
	if ok && len(lacks) == 0 {
		return k, nil
	}
	if !ok {
		lacks = append(lacks, offer.Match(need, o)...)
		if len(lacks) == 0 {
			lacks = append(lacks, offer.Lack{Kind: offer.LackBlocks, Text: "no number of its " + strconv.Itoa(total) + " blocks fits", Weight: 2})
		}
	}
	return 0, lacks
}

// effective is what the class needs of a machine of the backend. A fleet that a run names may be a spot fleet: then
// nobody need say so twice.
func (c *class) effective(b offer.Backend) schema.Requirements {
	need := offer.Query{Need: c.need}.Effective(b)
	if c.need.Spot == "" && c.bound {
		need.Spot = value.SpotAuto
	}
	return need
}

// surroundings compares everything but what the machine itself is.
func (s *solver) surroundings(c *class, o schema.Offer, b offer.Backend, total int) []offer.Lack {
	var lacks []offer.Lack
	add := func(k offer.Kind, weight float64, text string) {
		lacks = append(lacks, offer.Lack{Kind: k, Text: text, Weight: weight})
	}
	if c.whole && total > 1 {
		add(offer.LackBlocks, 3, "divided into blocks, and a run of several nodes takes whole machines")
	}
	if c.whole && !b.MultiNode {
		add(offer.LackCapability, 5, "its machines cannot form a cluster")
	}
	if c.need.Privileged && !b.Privileged {
		add(offer.LackCapability, 5, "no privileged containers there")
	}
	if c.instanceMounts && !b.InstanceMounts {
		add(offer.LackCapability, 5, "no instance folders to mount there")
	}
	if slices.Contains(c.banned, o.Backend) {
		add(offer.LackCapability, 3, "its port is in use there, and all machines of "+o.Backend+" share their ports")
	}
	for _, m := range c.mounts {
		if _, ok := m.pick(o); !ok {
			add(offer.LackLocation, 2, m.elsewhere())
		}
	}
	return lacks
}

// pick is the first alternative that is where the machine is.
func (m Mount) pick(o schema.Offer) (Volume, bool) {
	for _, v := range m.Alternatives {
		if v.Unknown || v.At.Admits(o) {
			return v, true
		}
	}
	return Volume{}, len(m.Alternatives) == 0
}

func (m Mount) elsewhere() string {
	if len(m.Alternatives) == 1 {
		return m.Alternatives[0].Addr.String() + " is in " + m.Alternatives[0].At.String()
	}
	return "no alternative for " + m.Path + " is there"
}

// shareOn is what a job of the class takes of a machine made of the offer.
func (c *class) shareOn(o schema.Offer, k int) Share {
	total := max(o.TotalBlocks, 1)
	slice := offer.Slice(o, k, total)
	sh := Share{Blocks: k, Of: total, GPUs: len(slice.GPUs), Price: slice.Price}
	for _, m := range c.mounts {
		v, _ := m.pick(o)
		sh.Volumes = append(sh.Volumes, v.Addr)
	}
	return sh
}
