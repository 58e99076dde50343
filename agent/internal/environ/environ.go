package environ

import (
	"os"
	"path/filepath"
	"strings"
)

// DefaultPath is the PATH of programs that have none.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// LastOfEach keeps the last value of each variable, at the place of its first.
func LastOfEach(env []string) []string {
	at := make(map[string]int)
	var out []string
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		if i, ok := at[name]; ok {
			out[i] = v
			continue
		}
		at[name] = len(out)
		out = append(out, v)
	}
	return out
}

// Lookup finds the program that a job names, in the PATH of its environment. Where that names no folder, it is looked for from
// workingDir on.
func Lookup(name, workingDir string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	path := ""
	for _, v := range env {
		if p, ok := strings.CutPrefix(v, "PATH="); ok {
			path = p
		}
	}
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(workingDir, dir)
		}
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && !info.IsDir() && info.Mode().Perm()&0o111 != 0 {
			return file, nil
		}
	}
	return "", &os.PathError{Op: "find in PATH", Path: name, Err: os.ErrNotExist}
}
