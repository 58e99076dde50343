package process

import (
	"path/filepath"

	"github.com/dstackai/dstack-planner/agent/internal/runtime"
)

// WorkingDir is where a job starts.
func WorkingDir(t runtime.Task) string {
	if filepath.IsAbs(t.Spec.WorkingDir) {
		return t.Spec.WorkingDir
	}
	return filepath.Join(t.Own(), t.Spec.WorkingDir)
}
