package diff

import (
	"strings"

	"github.com/dstackai/dstack-planner/planner/plan"
)

// moved ties what goes from a map or a list to what comes with the same value: a key that was renamed, an element that
// moved. Where several go or come with one value, nobody can tell which became which, and nothing is tied. What is secret or
// not known yet equals nothing. diffs are those of the container at path.
func moved(diffs []plan.AttrDiff, path string) {
	type tie struct{ goes, comes, from, to int }
	ties := map[string]*tie{}
	for i, d := range diffs {
		goes := d.Before != nil && d.After == nil
		if goes == (d.Before == nil && d.After != nil) || d.Unknown || d.Sensitive || !isElement(d.Path, path) {
			continue
		}
		key := string(d.After)
		if goes {
			key = string(d.Before)
		}
		t := ties[key]
		if t == nil {
			t = &tie{}
			ties[key] = t
		}
		if goes {
			t.goes, t.from = t.goes+1, i
		} else {
			t.comes, t.to = t.comes+1, i
		}
	}
	for _, t := range ties {
		if t.goes == 1 && t.comes == 1 {
			diffs[t.from].MovedTo, diffs[t.to].MovedFrom = diffs[t.to].Path, diffs[t.from].Path
		}
	}
}

// isElement tells whether path is that of an element of a container, and not of something inside the element.
func isElement(path, container string) bool {
	rest := strings.TrimPrefix(path, container)
	return strings.HasPrefix(rest, `["`) && strings.HasSuffix(rest, `"]`) || strings.IndexByte(rest, ']') == len(rest)-1
}
