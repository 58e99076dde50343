package config

import (
	"cmp"
	"fmt"
	"path"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/content"
)

// namedLarge is how many files an error names.
const namedLarge = 5

// together compares all that a job is sent with the limit. Each part by itself was compared when it was read.
func (d *decoder) together(out *Decoded, attrs map[string]cty.Value) {
	limit := d.c.contents.limit
	if limit <= 0 {
		return
	}
	var total int64
	var at string
	parts := 0
	var largest []content.Entry
	add := func(where string, part cty.Value, of *found) {
		n := bytesOf(part)
		if n == 0 {
			return
		}
		if total <= limit {
			at = where // in the end what goes above the limit
		}
		total += n
		parts++
		if of != nil {
			largest = append(largest, of.largest...)
		}
	}
	if v, ok := attrs["repo"]; ok {
		v, _ = v.Unmark()
		from := RepoContent(partText(v, "path"))
		if url := partText(v, "url"); url != "" {
			from = ChangesContent(from.Args[0], url, partText(v, "commit"))
		}
		add("repo", v, d.c.contents.of(from))
	}
	if v, ok := attrs["files"]; ok {
		v, _ = v.Unmark()
		if v.IsKnown() && !v.IsNull() {
			for i, item := range v.AsValueSlice() {
				item, _ = item.Unmark()
				local := partText(item, "local")
				add(pathAt("files", i), item, &found{largest: []content.Entry{{Path: local, Size: bytesOf(item)}}})
			}
		}
	}
	if total <= limit || parts < 2 {
		return
	}
	slices.SortStableFunc(largest, func(a, b content.Entry) int { return cmp.Compare(b.Size, a.Size) })
	them := ""
	for _, e := range largest[:min(namedLarge, len(largest))] {
		them += fmt.Sprintf("\n  %-8s %s", sizeText(e.Size), quoted(e.Path))
	}
	d.say(out, at, true, "Code is too large", "What a job gets through repo and files has %s together, and what is sent to a job may have %s. The largest files are:%s\nTake out what the job does not need, put data on a volume, or allow more:\n  export DSTACK_CODE_UPLOAD_LIMIT=%s",
		sizeText(total), sizeText(limit), them, roomFor(total))
}

// of is what was found under an answer's name, nil if nothing was looked for; paths are those from the configuration's folder.
func (cs *contents) of(a FileAnswer) *found {
	cs.mu.Lock()
	f := cs.found[a.Name()]
	cs.mu.Unlock()
	if f == nil {
		return nil
	}
	out := &found{}
	for _, e := range f.largest {
		e.Path = path.Join(a.Args[0], e.Path)
		out.largest = append(out.largest, e)
	}
	return out
}

// bytesOf is how large a part is as far as that is known.
func bytesOf(v cty.Value) int64 {
	if !v.IsKnown() || v.IsNull() {
		return 0
	}
	v, _ = v.GetAttr("bytes").Unmark()
	if !v.IsKnown() || v.IsNull() {
		return 0
	}
	n, _ := v.AsBigFloat().Int64()
	return n
}

// partText is an attribute of a part, "" where it is not known.
func partText(v cty.Value, name string) string {
	if !v.IsKnown() || v.IsNull() {
		return ""
	}
	v, _ = v.GetAttr(name).Unmark()
	if !v.IsKnown() || v.IsNull() {
		return ""
	}
	return v.AsString()
}
