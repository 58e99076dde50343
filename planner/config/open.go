package config

import (
	"slices"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/schema"
)

// Open is a value that is not known yet, by the reference that makes it so.
type Open struct {
	Reference string     // volume.data.id; "" if that cannot be said
	To        addr.Block // the block that it refers to, with the keys of its module
	By        string     // what it is referred to by: local.where, var.size of a module; "" if it stands there itself
}

// Open finds what makes arguments of the block unknown: those of the names given, or any.
func (d *Decoded) Open(names ...string) Open {
	var uses []use
	d.Block.eachAttribute(func(a *attribute, top *schema.Attribute) {
		if top != nil && (len(names) == 0 || slices.Contains(names, top.Name)) {
			uses = append(uses, a.uses...)
		}
	})
	return d.firstOpen(uses)
}

// OpenAt finds what makes what the block says at a path unknown, such as env["URL"] or resources.gpu.
func (d *Decoded) OpenAt(path string) Open {
	w, _ := d.written(path)
	return d.firstOpen(w.uses)
}

func (d *Decoded) firstOpen(uses []use) Open {
	f := follower{e: d.config.evaluate(d.scope), seen: map[nameKey]bool{}}
	return f.follow(d.inst.site(), d.inst.names(), uses)
}

// follower looks for what makes a value unknown, along locals, variables and outputs of modules.
type follower struct {
	e    *evaluation
	seen map[nameKey]bool // what was followed or is being followed: names may form a cycle
}

// follow finds the first of several references whose value is not known.
func (f *follower) follow(at *site, more extra, uses []use) Open {
	for _, u := range uses {
		ctx, _ := f.e.fill(at, more, []use{u})
		v, ds := u.traversal.TraverseAbs(ctx)
		if ds.HasErrors() {
			continue
		}
		if v, _ = v.UnmarkDeep(); v.IsWhollyKnown() {
			continue
		}
		key := nameKey{at.path, u.root, u.name}
		if f.seen[key] {
			continue
		}
		f.seen[key] = true
		if o := f.through(at, u); o.Reference != "" {
			o.By = at.module.label(u.short())
			return o
		}
		f.seen[key] = false
		return Open{Reference: traversalText(u.traversal), To: addr.Block{Module: at.path, Type: u.root, Name: u.name}}
	}
	return Open{}
}

// through follows what only hands a value on.
func (f *follower) through(at *site, u use) Open {
	switch u.root {
	case "local":
		if l := at.module.locals[u.name]; l != nil {
			return f.follow(at, nil, l.attr.uses)
		}
	case "var":
		if call := at.module.Call; call != nil && call.body.attr(u.name) != nil {
			return f.follow(at.up, at.call.names(), call.body.attr(u.name).uses)
		}
	case "profile":
		if b := f.e.c.byAddr[at.module.block(u)]; b != nil {
			return f.follow(at, nil, slices.Concat(b.uses()...))
		}
	case "module":
		m := at.module.children[u.name]
		if m == nil {
			return Open{}
		}
		found, _ := f.e.under(at, m)
		for _, s := range found.sites {
			for _, name := range f.e.c.wantedOutputs(m, [][]use{{u}}, u.name) {
				for _, us := range f.e.c.output(m, name).uses() {
					if o := f.follow(s, nil, us); o.Reference != "" {
						return o
					}
				}
			}
		}
	}
	return Open{}
}
