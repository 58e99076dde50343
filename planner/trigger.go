package planner

import (
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// triggerPath stands for replace_triggered_by where paths that force a replacement are listed.
const triggerPath = "replace_triggered_by"

// triggerKey names what a trigger looks at.
type triggerKey struct {
	block addr.Block
	path  string
}

// triggered says why an item is replaced though it need not differ itself, "" if it is not. Of a run that is its jobs:
// instances that it brought are as good as before.
func (w *walk) triggered(it *item) string {
	if it.decl == nil || it.kind == addr.KindInstance && it.addr.Block.Type != "fleet" {
		return ""
	}
	for _, t := range it.decl.Meta.ReplaceTriggeredBy {
		changed := w.changedIn(triggerKey{config.Target(it.addr.Block.Block, t.Reference), t.Path})
		if t.Key.IsSet() && changed[t.Key] || !t.Key.IsSet() && len(changed) > 0 {
			return t.Traversal + " changes, and replace_triggered_by names it"
		}
	}
	return ""
}

// changedIn are the repetitions of a block in which what a trigger looks at does not stay as it is. What it refers to was
// settled before.
func (w *walk) changedIn(k triggerKey) map[addr.Key]bool {
	if known, ok := w.triggers[k]; ok {
		return known
	}
	out := map[addr.Key]bool{}
	for _, it := range w.itemsOf(k.block) {
		if changesAt(it, k.path) {
			out[it.addr.Block.Key] = true
		}
	}
	w.triggers[k] = out
	return out
}

// itemsOf are the resources of a block.
func (w *walk) itemsOf(b addr.Block) []*item {
	out := slices.Clone(w.selves[b])
	for _, f := range w.fleets[b] {
		out = append(out, f.items...)
	}
	for _, r := range w.runs[b] {
		out = append(out, r.jobs...)
		out = append(out, r.owned...)
	}
	return out
}

// changesAt tells whether something that exists is replaced or changed in place, at a path if there is one. The path begins
// with the part of the block that is meant: instance[0], job.
func changesAt(it *item, path string) bool {
	if part, rest, ok := cutPart(path); ok {
		if !it.isPart(part) {
			return false
		}
		path = rest
	}
	switch {
	case !it.exists():
		return false // what is new replaces nothing
	case it.action.IsReplace(), it.fresh && it.comes():
		if path == "" {
			return true
		}
	case it.action != plan.Update || it.recordOnly():
		return false
	case path == "":
		return true
	}
	for _, d := range it.after.Diffs {
		if diff.Under(d.Path, path) || diff.Under(path, d.Path) {
			return true
		}
	}
	v, ok := diff.Get(it.planned, path)
	if !ok {
		return false
	}
	v, _ = v.UnmarkDeep()
	return !v.IsWhollyKnown()
}

// cutPart takes instance[0] or job off the beginning of a path.
func cutPart(path string) (part, rest string, ok bool) {
	name := path
	if i := strings.IndexAny(path, ".["); i >= 0 {
		name = path[:i]
	}
	if name != addr.KindInstance && name != addr.KindJob {
		return "", path, false
	}
	end := len(name)
	if end < len(path) && path[end] == '[' {
		end += strings.IndexByte(path[end:], ']') + 1
		if strings.HasPrefix(path[len(name):], `["`) {
			end = len(name) + strings.Index(path[len(name):], `"]`) + 2
		}
	}
	return path[:end], strings.TrimPrefix(path[end:], "."), true
}

// isPart tells whether a part of a block means the item: job, job[1], instance["10.0.0.11"].
func (it *item) isPart(part string) bool {
	return part == it.kind || part == it.kind+it.addr.Key().String()
}
