package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/examples"
	"github.com/dstackai/dstack-planner/internal/golden"
)

// thisMachine is a line of the plan that differs from machine to machine.
var thisMachine = regexp.MustCompile(`(?m)^( +)(\d+ x [^,\n]+, )*\d+ CPU, [\d.]+[MGT]B$`)

func TestExamplesPlanAsTheirGoldenFilesSay(t *testing.T) {
	for _, name := range examples.Names() {
		files, ok := examples.Files(name)
		require.True(t, ok)
		_, err := fs.Stat(files, "README.md")
		require.NoError(t, err, "an example says what it shows")
		variables, err := fs.Glob(files, "*.dstackvars")
		require.NoError(t, err)
		plans := map[string][]string{"plan.golden": {"plan"}}
		if len(variables) > 0 {
			plans = map[string][]string{}
		}
		for _, v := range variables {
			plans["plan."+strings.TrimSuffix(v, ".dstackvars")+".golden"] = []string{"plan", "--var-file", v}
		}
		for want, args := range plans {
			t.Run(path.Join(name, want), func(t *testing.T) {
				dir := t.TempDir()
				require.NoError(t, os.CopyFS(dir, files))
				cmd := exec.Command(filepath.Join(bin, "dstack"), args...)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "DSTACK_HOME="+filepath.Join(t.TempDir(), "home"))
				out, err := cmd.Output()
				require.NoError(t, err)
				golden.Assert(t, filepath.Join("..", "..", "examples", name, want), thisMachine.ReplaceAllString(string(out), "${1}what this machine has"))
			})
		}
	}
}
