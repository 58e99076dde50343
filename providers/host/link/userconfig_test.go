package link_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/providers/host/link"
)

func TestAliases(t *testing.T) {
	w := someone(t)
	head, worker := w.serve(t), w.serve(t)
	config := fmt.Sprintf(`
Host head
  HostName %s
  Port %d
  User gate
  IdentityFile ~/.ssh/lab

Host lab-*
  HostName 127.0.0.1
  Port %d
  User ubuntu
  IdentityFile %%d/.ssh/lab
  ProxyJump head

Host far
  ProxyJump a,b
Host odd
  Port many
Host deep
  HostName 127.0.0.1
  ProxyJump lab-1
`, head.Host, head.Port, worker.Port)
	require.NoError(t, os.WriteFile(filepath.Join(w.home, ".ssh", "config"), []byte(config), 0o600))
	l := w.links(t)

	c := open(t, l, link.Machine{Host: "lab-1"})
	require.Equal(t, fmt.Sprintf("ubuntu@127.0.0.1:%d through gate@127.0.0.1:%d", worker.Port, head.Port), c.Machine().String())
	require.EqualValues(t, 1, head.Connections.Load())

	c = open(t, l, link.Machine{Host: "lab-2", User: "root", Jump: &link.Machine{Host: "head", User: "me"}})
	require.Equal(t, fmt.Sprintf("root@127.0.0.1:%d through me@127.0.0.1:%d", worker.Port, head.Port), c.Machine().String(), "what is written wins")

	for host, want := range map[string]string{
		"far": "it goes through several nodes", "odd": "says Port many", "deep": "one node between is all that is supported",
	} {
		_, err := l.Open(t.Context(), link.Machine{Host: host})
		require.ErrorContains(t, err, want)
	}
}
