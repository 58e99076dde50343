package plan

import "encoding/json"

// Inside is what differs inside of two texts that are both JSON, or both YAML.
type Inside struct {
	Format InsideFormat `json:"format"`
	Diff   []InsideDiff `json:"diff,omitempty"` // by path; none where the two mean the same
	More   int          `json:"more,omitempty"` // differences beside those in diff
	// Layout says that how they are written differs as well, or alone: blanks, comments, quotes or the order of keys.
	Layout bool `json:"layout,omitempty"`
}

// InsideFormat is what a text is written in.
type InsideFormat string

// Formats of texts.
const (
	InsideJSON InsideFormat = "json"
	InsideYAML InsideFormat = "yaml"
)

// InsideDiff is one place in a text: spec.replicas, items[2]["a/b"]. In a list the index of what goes is its old one, of any
// other its new one. Values are JSON; nil stands for absent.
type InsideDiff struct {
	Path   string          `json:"path"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}
