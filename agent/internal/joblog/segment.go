package joblog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// suffix ends the names of a log's files.
const suffix = ".log"

// segment is one file of a log.
type segment struct {
	start int64 // offset of its first byte
	lines int64 // that ended before it
}

func (s segment) path(dir string) string {
	return filepath.Join(dir, fmt.Sprintf("%020d-%d%s", s.start, s.lines, suffix))
}

// segments lists the files of a log in order. A log that is not there has none.
func segments(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list log: %w", err)
	}
	var found []segment
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		start, lines, _ := strings.Cut(name, "-")
		s := segment{}
		var serr, lerr error
		s.start, serr = strconv.ParseInt(start, 10, 64)
		s.lines, lerr = strconv.ParseInt(lines, 10, 64)
		if serr == nil && lerr == nil && s.start >= 0 && s.lines >= 0 {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b segment) int { return int(min(max(a.start-b.start, -1), 1)) })
	return found, nil
}
