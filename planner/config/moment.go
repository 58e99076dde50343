package config

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"maps"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/dstackai/dstack-planner/addr"
)

// Moment is what functions that are not pure go by: timestamp and plantimestamp give its time, and the answers of uuid
// and bcrypt follow from its seed and from where they are called. The same Moment gives the same answers to the same
// configuration: so both walks of a plan agree, and an apply gives what its plan promised. The seed is a secret: whoever
// has it can compute every answer, those that ended in a sensitive place too.
type Moment struct {
	Time time.Time // to the second, in UTC
	Seed [SeedSize]byte
}

// SeedSize is the number of random bytes in the seed of a Moment.
const SeedSize = 32

// NewMoment makes the Moment of an evaluation that repeats no earlier one.
func NewMoment(now time.Time) *Moment {
	m := &Moment{Time: now.UTC().Truncate(time.Second)}
	rand.Read(m.Seed[:]) // it never fails: crypto/rand ends the program instead
	return m
}

// Moment returns what functions that are not pure went by; false if none was called so far, so that everything is the
// same at any time.
func (c *Config) Moment() (Moment, bool) { return *c.moment, c.asked.Load() }

// impureNames are the functions that are not pure, and those that evaluate a text, which may call them.
var impureNames = [...]string{"timestamp", "plantimestamp", "uuid", "bcrypt", "templatefile", "templatestring"}

// asksMoment tells whether a text may call a function of which prepare says where it is called. It is quick and finds too much rather than
// too little, which costs time only.
func asksMoment(text []byte) bool {
	for _, name := range impureNames {
		if bytes.Contains(text, []byte(name)) {
			return true
		}
	}
	return false
}

// calls gives functions that are not pure their answers in one evaluation: of an instance of a block, of one job of it,
// or of what belongs to no instance. An answer follows from the seed of the Moment, the function, which instance is
// evaluated, where in which file the call stands, and how often it was evaluated there before, which counts the elements
// of a for expression.
type calls struct {
	config *Config
	of     string // the instance or job: `each.key="a"`, `node.rank=1`

	mu     sync.Mutex
	counts map[string]uint64 // by function and place
}

// time is the Moment's.
func (c *calls) time() time.Time {
	c.config.asked.Store(true)
	return c.config.moment.Time
}

// random gives the bytes of one call.
func (c *calls) random(function, site string) [sha256.Size]byte {
	c.config.asked.Store(true)
	c.mu.Lock()
	if c.counts == nil {
		c.counts = map[string]uint64{}
	}
	n := c.counts[function+site]
	c.counts[function+site]++
	c.mu.Unlock()

	mac := hmac.New(sha256.New, c.config.moment.Seed[:])
	for _, part := range []string{function, c.of, site} {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	mac.Write(binary.BigEndian.AppendUint64(nil, n))
	return [sha256.Size]byte(mac.Sum(nil))
}

// bind gives a context functions of its own for one evaluation, if the configuration calls any that are not pure.
func (c *Config) bind(ctx *hcl.EvalContext, at *site, more extra) {
	if !c.impure {
		return
	}
	of := more.instance()
	if at.path != addr.Root {
		of = string(at.path) + " " + of
	}
	c.bindAs(ctx, of)
}

func (c *Config) bindAs(ctx *hcl.EvalContext, of string) {
	ctx.Functions = maps.Clone(ctx.Functions)
	maps.Copy(ctx.Functions, momentFunctions(&calls{config: c, of: of}))
	ctx.Functions["templatefile"] = templateFileFunc(c.Dir, ctx.Functions, c.files)
}

// instance tells the instances of a block, and the jobs of an instance, apart.
func (e extra) instance() string {
	var out string
	for _, name := range []struct{ root, attr string }{{"each", "key"}, {"count", "index"}, {"node", "rank"}, {"replica", "index"}} {
		v, ok := e[name.root]
		if !ok {
			continue
		}
		v = v.GetAttr(name.attr)
		text := "?"
		switch {
		case !v.IsKnown():
		case v.Type() == cty.Number:
			text = v.AsBigFloat().Text('f', -1)
		default:
			text = strconv.Quote(v.AsString())
		}
		out += name.root + "." + name.attr + "=" + text + " "
	}
	return out
}

// siteType is the type of the argument that says where a call stands. Nobody can write one.
var siteType = cty.Capsule("place of a call", reflect.TypeFor[string]())

func siteValue(site string) cty.Value { return cty.CapsuleVal(siteType, &site) }

// siteParam lets a function be called with its place as last argument.
var siteParam = &function.Parameter{Name: "more", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true}

// cutSite takes the places of the call off the arguments; "" if there is none among them. In a template that JSON renders
// there are two.
func cutSite(args []cty.Value) ([]cty.Value, string) {
	site := ""
	for len(args) > 0 && args[len(args)-1].Type().Equals(siteType) {
		site += *args[len(args)-1].EncapsulatedValue().(*string) + " "
		args = args[:len(args)-1]
	}
	return args, site
}

// noMore refuses arguments that a function does not take.
func noMore(args []cty.Value, most int, why string) error {
	if args, _ = cutSite(args); len(args) > most {
		return errors.New(why)
	}
	return nil
}
