package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/examples"
	"github.com/dstackai/dstack-planner/internal/golden"
)

// thisMachine is a line of the plan that differs from machine to machine.
var thisMachine = regexp.MustCompile(`(?m)^( +)(\d+ x [^,\n]+, )*\d+ CPU, [\d.]+[MGT]B$`)

func TestExamplesPlanAsTheirGoldenFilesSay(t *testing.T) {
	for _, name := range examples.Names() {
		t.Run(name, func(t *testing.T) {
			files, ok := examples.Files(name)
			require.True(t, ok)
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, files))
			_, err := fs.Stat(files, "README.md")
			require.NoError(t, err, "an example says what it shows")
			cmd := exec.Command(filepath.Join(bin, "dstack"), "plan")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "DSTACK_HOME="+filepath.Join(t.TempDir(), "home"))
			out, err := cmd.Output()
			require.NoError(t, err)
			golden.Assert(t, filepath.Join("..", "..", "examples", name, "plan.golden"), thisMachine.ReplaceAllString(string(out), "${1}what this machine has"))
		})
	}
}
