package agent_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// BLK-07: what a running job has taken is still taken when the agent starts again.
func TestBlocksStayLentWhenTheAgentStartsAgain(t *testing.T) {
	m := start(t)
	marker := filepath.Join(filepath.Dir(m.dir), "go")
	m.run("a", "while ! test -e "+marker+"; do sleep 0.01; done")
	m.run2(t)
	m.kill()
	m.up()
	m.run2(t)
	require.NoError(t, os.WriteFile(marker, nil, 0o600))
	m.finished("a")
	m.run("b", "true")
	m.finished("b")
}
