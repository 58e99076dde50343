package render

import (
	"encoding/json"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/plan"
)

// shownFiles is how many single files of a job are named.
const shownFiles = 3

// code says what a job starts with: its folder and its single files, how large they are, and what they are known by.
func (v *changeView) code(c *plan.Change, s shown) []field {
	if c.Kind != addr.KindJob || s != showCreate && !c.Action.IsReplace() {
		return nil
	}
	var job struct {
		Repo *struct {
			Path   string `json:"path"`
			URL    string `json:"url"`
			Branch string `json:"branch"`
			Commit string `json:"commit"`
			Digest string `json:"digest"`
			Files  int    `json:"file_count"`
			Bytes  int64  `json:"bytes"`
		} `json:"repo"`
		Files []struct {
			Local  string `json:"local"`
			Path   string `json:"path"`
			Digest string `json:"digest"`
			Bytes  int64  `json:"bytes"`
		} `json:"files"`
	}
	if json.Unmarshal(c.After, &job) != nil {
		return nil
	}
	var lines []string
	if r := job.Repo; r != nil && r.URL != "" {
		at := "commit " + clean(r.Commit[:min(12, len(r.Commit))])
		if r.Branch != "" {
			at += " of branch " + clean(r.Branch)
		}
		lines = append(lines, clean(r.URL), at)
		switch {
		case r.Digest != "":
			lines = append(lines, join(", ", "changes in "+clean(r.Path), Count(r.Files, "file"), Bytes(r.Bytes), shortDigest(r.Digest)))
		case r.Path != "":
			lines = append(lines, "no changes in "+clean(r.Path))
		}
	} else if r != nil {
		lines = append(lines, join(", ", clean(r.Path), Count(r.Files, "file"), Bytes(r.Bytes), shortDigest(r.Digest)))
	}
	var rest int64
	for i, f := range job.Files {
		if i >= shownFiles {
			rest += f.Bytes
			continue
		}
		name := clean(f.Local)
		if f.Path != f.Local {
			name += " to " + clean(f.Path)
		}
		lines = append(lines, join(", ", name, Bytes(f.Bytes), shortDigest(f.Digest)))
	}
	if more := len(job.Files) - shownFiles; more > 0 {
		lines = append(lines, "and "+Count(more, "more file")+", "+Bytes(rest))
	}
	if len(lines) == 0 {
		return nil
	}
	return []field{{label: "code", lines: lines}}
}

// shortDigest is as much of a digest as tells two apart.
func shortDigest(digest string) string {
	kind, text, ok := strings.Cut(digest, ":")
	if !ok {
		return clean(digest)
	}
	return clean(kind + ":" + text[:min(12, len(text))])
}
