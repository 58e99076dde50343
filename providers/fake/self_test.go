package fake_test

import (
	"os"
	"os/exec"
	"testing"
)

// runSelf runs one test of this program in a process of its own and returns what it printed.
func runSelf(t *testing.T, test string, env ...string) (string, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+test, "-test.v")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
