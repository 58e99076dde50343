package process

import (
	"path/filepath"

	"github.com/dstackai/dstack-planner/agent/api"
)

// WorkingDir is where a job starts whose folder is dir.
func WorkingDir(dir string, spec api.JobSpec) string {
	if spec.WorkingDir != "" {
		return spec.WorkingDir
	}
	return filepath.Join(dir, workDir)
}
