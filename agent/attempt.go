package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/dstackai/dstack-planner/agent/api"
)

// mostAttempts is how many tries that failed are remembered of a job.
const mostAttempts = 100

// logPath is the folder of the log of an attempt.
func logPath(dir string, attempt int) string {
	return filepath.Join(dir, logDir, strconv.Itoa(attempt))
}

// loggedAttempts lists the attempts of which a log is kept, in order.
func loggedAttempts(dir string) []int {
	entries, _ := os.ReadDir(filepath.Join(dir, logDir)) // none, if it cannot be read
	var out []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && e.IsDir() {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// dropLogs removes the logs of the oldest attempts until those that stay are no larger than a log may be.
func dropLogs(dir string, most int64) error {
	attempts := loggedAttempts(dir)
	sizes := make([]int64, len(attempts))
	total := int64(0)
	for i, n := range attempts {
		files, err := os.ReadDir(logPath(dir, n))
		if err != nil {
			return fmt.Errorf("measure the logs of earlier attempts: %w", err)
		}
		for _, f := range files {
			if info, err := f.Info(); err == nil {
				sizes[i] += info.Size()
			}
		}
		total += sizes[i]
	}
	for i, n := range attempts {
		if total <= most {
			break
		}
		if err := os.RemoveAll(logPath(dir, n)); err != nil {
			return fmt.Errorf("drop the log of an earlier attempt: %w", err)
		}
		total -= sizes[i]
	}
	return nil
}

// remember adds a try that has ended to those of a job.
func remember(list []api.Attempt, a api.Attempt) []api.Attempt {
	list = append(slices.Clone(list), a)
	return list[max(0, len(list)-mostAttempts):]
}
