package planner

import (
	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// inherit lets what is replaced come before its old one goes where something stands on it that does so too: else the old one of
// that would stand on nothing until its new one is there. What cannot come first, as far as is known, stays as it is, and so do
// jobs and support objects: their places and their owners decide about them.
func (w *walk) inherit() {
	var queue []*item
	for _, it := range w.order {
		it.newFirstFor = ""
		if it.action == plan.CreateThenDelete && inherits(it) {
			queue = append(queue, it)
		}
	}
	if len(queue) == 0 {
		return
	}
	s := w.newSteps()
	seen := map[string]bool{}
	for len(queue) > 0 {
		it := queue[0]
		queue = queue[1:]
		for _, need := range it.needs {
			if seen[need] {
				continue
			}
			seen[need] = true
			for _, other := range s.items(need) {
				if other == it || other.action != plan.DeleteThenCreate || !inherits(other) || w.oldFirst[other.addr] {
					continue
				}
				other.action, other.newFirstFor = plan.CreateThenDelete, it.name
				queue = append(queue, other)
			}
		}
	}
}

func inherits(it *item) bool { return it.kind != addr.KindJob && it.kind != addr.KindSupport }
