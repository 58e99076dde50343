// Package cgroup answers one question: which part of the machine may a job use, and who counts as the job?
//
// A job gets a control group of its own wherever one can be made, also without a limit, because the group knows every process
// that the job ever started. Both versions of the interface are spoken. Limits hold where cpu and memory controllers can be
// used; Probe finds out by trying. Elsewhere, as on macOS, groups are empty values that do nothing.
package cgroup

// Versions that Probe tells apart.
const (
	V1   = "v1"
	V2   = "v2"
	None = "none"
)

// Limits is what a group may use; zero values do not limit.
type Limits struct {
	// CPU is a number of cores.
	CPU float64
	// Memory is a number of bytes.
	Memory int64
}

// Group is a control group of one job. The zero value is no group.
type Group struct {
	// Paths are its folders: one for version 2, one for each controller for version 1. The first one knows all processes.
	Paths []string `json:"paths,omitempty"`
	// Limited is true when limits are kept.
	Limited bool `json:"limited,omitempty"`
}
