package fake

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/dstackai/dstack-planner/schema"
)

// KindDisk is the kind of what a world holds beside the five kinds of the contract: disks that somebody else made,
// which a volume with volume_id uses.
const KindDisk = "disk"

// World is what the cloud really holds. Any number of worlds, in any number of processes, may be open on one journal
// at a time; all of them see the same objects. Its methods may be called concurrently.
type World struct {
	mu      sync.Mutex
	journal *journal // nil: in memory only
	content *contents
}

// Object is one thing that exists in a world, with its tags.
type Object struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Account string `json:"account,omitempty"`
	Backend string `json:"backend,omitempty"`
	Lineage string `json:"lineage,omitempty"`
	Address string `json:"address,omitempty"`
	Key     string `json:"key,omitempty"`
	// Request is the digest of what was asked for under Key.
	Request string `json:"request,omitempty"`
	// Attributes is the value as schema.MarshalValue writes it. As in a cloud, what is secret in it is there.
	Attributes json.RawMessage `json:"attributes,omitempty"`
	// Zone is where the object is, also when its attributes do not say.
	Zone string `json:"zone,omitempty"`
	// On holds the ids of the objects that this one stands on: an attachment's instance and volume.
	On []string `json:"on,omitempty"`
	// Uses is what it takes of quotas and limits.
	Uses map[string]int `json:"uses,omitempty"`
	// Number is the place in the order of creation, from 1, and never used twice in a world.
	Number int       `json:"number"`
	Made   time.Time `json:"made"`
	// Ready tells that its creation was finished.
	Ready bool `json:"ready,omitempty"`
	// Unreachable makes a read of it fail.
	Unreachable bool `json:"unreachable,omitempty"`
	// Stopped is the status that a job was stopped with, and when.
	Stopped   string    `json:"stopped,omitempty"`
	StoppedAt time.Time `json:"stopped_at,omitzero"`

	decoded any // the value of Attributes, once it was asked for
}

// Memory makes an empty world that ends with its process.
func Memory() *World { return &World{content: newContents()} }

// Open opens the world whose journal is the file at path, and makes an empty one where there is none.
func Open(path string) (*World, error) {
	j, err := openJournal(path)
	if err != nil {
		return nil, err
	}
	w := &World{journal: j, content: newContents()}
	if err := w.view(func(*contents) error { return nil }); err != nil {
		j.close()
		return nil, err
	}
	return w, nil
}

// Close lets go of the journal. What the world holds stays in it.
func (w *World) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.journal.close()
}

// Objects returns the objects of the given kinds, or all, in the order in which they were made.
func (w *World) Objects(kinds ...string) ([]Object, error) {
	var out []Object
	err := w.view(func(c *contents) error {
		for _, o := range c.objects {
			if len(kinds) == 0 || slices.Contains(kinds, o.Kind) {
				out = append(out, *o)
			}
		}
		return nil
	})
	slices.SortFunc(out, func(a, b Object) int { return cmp.Compare(a.Number, b.Number) })
	return out, err
}

// Count returns how many objects of a kind there are, or of all kinds for "".
func (w *World) Count(kind string) (int, error) {
	n := 0
	err := w.view(func(c *contents) error {
		for _, o := range c.objects {
			if kind == "" || o.Kind == kind {
				n++
			}
		}
		return nil
	})
	return n, err
}

// Mutate changes the attributes of an object behind the back of whoever manages it. The keys are those of the kind's
// schema. The new attributes must still be of the kind's type.
func (w *World) Mutate(id string, change func(attributes map[string]any)) error {
	return w.changeOne(id, func(o *Object) error {
		attributes := map[string]any{}
		if err := json.Unmarshal(o.Attributes, &attributes); err != nil {
			return fmt.Errorf("read the attributes of %s: %w", id, err)
		}
		change(attributes)
		data, err := json.Marshal(attributes)
		if err != nil {
			return fmt.Errorf("write the attributes of %s: %w", id, err)
		}
		if o.Kind != KindDisk {
			if _, err := schema.UnmarshalValue(schema.KindObject(o.Kind), data); err != nil {
				return fmt.Errorf("change the attributes of %s: %w", id, err)
			}
		}
		o.Attributes, o.decoded = data, nil
		return nil
	})
}

// SetReachable makes an object answer to reads, or not.
func (w *World) SetReachable(id string, reachable bool) error {
	return w.changeOne(id, func(o *Object) error {
		o.Unreachable = !reachable
		return nil
	})
}

// Delete removes an object behind the back of whoever manages it, and what stands on it. It is an error if there is none.
func (w *World) Delete(id string) error {
	return w.change(func(c *contents) (*record, error) {
		if c.objects[id] == nil {
			return nil, fmt.Errorf("delete %s: no such object in this world", id)
		}
		return &record{Delete: c.withDependents(id)}, nil
	})
}

// Add puts an object into the world that no provider made, such as a disk, and returns its id. Without an id it gets one.
func (w *World) Add(o Object) (string, error) {
	err := w.change(func(c *contents) (*record, error) {
		o.Number, o.Made = c.last+1, time.Now()
		if o.ID == "" {
			o.ID = fmt.Sprintf("%s-%06d", o.Kind, o.Number)
		}
		if c.objects[o.ID] != nil {
			return nil, fmt.Errorf("add %s: the world has an object of this id", o.ID)
		}
		o.Ready = true
		return &record{Put: &o}, nil
	})
	return o.ID, err
}

func (w *World) changeOne(id string, change func(*Object) error) error {
	return w.change(func(c *contents) (*record, error) {
		o := c.objects[id]
		if o == nil {
			return nil, fmt.Errorf("change %s: no such object in this world", id)
		}
		changed := *o
		if err := change(&changed); err != nil {
			return nil, err
		}
		return &record{Put: &changed}, nil
	})
}

// view calls look with what the world holds now. look keeps nothing of it but copies.
func (w *World) view(look func(*contents) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.journal.catchUp(w.content); err != nil {
		return err
	}
	return look(w.content)
}

// change lets decide see what the world holds and records what it returns. No other change, of this process or another,
// comes between. decide changes nothing itself; nil changes nothing.
func (w *World) change(decide func(*contents) (*record, error)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.journal.lock(); err != nil {
		return err
	}
	defer w.journal.unlock()
	if err := w.journal.catchUp(w.content); err != nil {
		return err
	}
	r, err := decide(w.content)
	if err != nil || r == nil {
		return err
	}
	if err := w.journal.append(r); err != nil {
		return err
	}
	w.content.apply(r)
	return nil
}

// record is one change of a world: one line of its journal. Objects are deleted before one is put.
type record struct {
	Delete []string       `json:"delete,omitempty"`
	Put    *Object        `json:"put,omitempty"`
	Ready  string         `json:"ready,omitempty"` // the id of an object whose creation is finished
	Count  map[string]int `json:"count,omitempty"` // how often a rule of faults applied, as totals
}

// contents is what a world holds, with what is needed to find it.
type contents struct {
	objects map[string]*Object
	byKey   map[objectKey]string
	above   map[string]map[string]bool // id -> ids of what stands on it
	used    map[string]int
	counts  map[string]int
	last    int
}

type objectKey struct{ kind, key string }

func newContents() *contents {
	return &contents{
		objects: map[string]*Object{}, byKey: map[objectKey]string{}, above: map[string]map[string]bool{},
		used: map[string]int{}, counts: map[string]int{},
	}
}

func (c *contents) apply(r *record) {
	for _, id := range r.Delete {
		c.remove(id)
	}
	if r.Put != nil {
		c.remove(r.Put.ID)
		c.insert(r.Put)
	}
	if o := c.objects[r.Ready]; o != nil {
		ready := *o
		ready.Ready = true
		c.objects[o.ID] = &ready
	}
	maps.Copy(c.counts, r.Count)
}

func (c *contents) insert(o *Object) {
	c.objects[o.ID] = o
	c.last = max(c.last, o.Number)
	if o.Key != "" {
		c.byKey[objectKey{o.Kind, o.Key}] = o.ID
	}
	for _, id := range o.On {
		if c.above[id] == nil {
			c.above[id] = map[string]bool{}
		}
		c.above[id][o.ID] = true
	}
	for name, n := range o.Uses {
		c.used[name] += n
	}
}

func (c *contents) remove(id string) {
	o := c.objects[id]
	if o == nil {
		return
	}
	delete(c.objects, id)
	if o.Key != "" {
		delete(c.byKey, objectKey{o.Kind, o.Key})
	}
	for _, under := range o.On {
		delete(c.above[under], id)
		if len(c.above[under]) == 0 {
			delete(c.above, under)
		}
	}
	for name, n := range o.Uses {
		c.used[name] -= n
	}
}

// dependents returns what stands on an object, in the order in which it was made.
func (c *contents) dependents(id string) []*Object {
	var out []*Object
	for above := range c.above[id] {
		out = append(out, c.objects[above])
	}
	slices.SortFunc(out, func(a, b *Object) int { return cmp.Compare(a.Number, b.Number) })
	return out
}

// withDependents returns the ids of an object and of all that stands on it, what stands on top first.
func (c *contents) withDependents(id string) []string {
	var out []string
	for _, o := range c.dependents(id) {
		out = append(out, c.withDependents(o.ID)...)
	}
	return append(out, id)
}
