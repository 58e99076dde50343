package cli

import (
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

func TestForwards(t *testing.T) {
	mapping := func(text string) value.PortMapping { return value.Must(value.ParsePortMapping(text)) }
	block := forwardsOf(schema.Job{Ports: []value.PortMapping{mapping("8000"), mapping("9000:80")}})
	command, err := parsePorts([]string{"7000:8000", "22"})
	require.NoError(t, err)
	want := []forward{{22, 22, false}, {80, 9000, true}, {8000, 7000, true}}
	require.Empty(t, cmp.Diff(want, merge(block, command), cmp.AllowUnexported(forward{})))
}

func TestListenAll(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	list, err := listenAll("127.0.0.1", []forward{{job: 80, local: port}})
	require.NoError(t, err)
	require.Greater(t, list[0].listener.Addr().(*net.TCPAddr).Port, port, "the next one that is free")
	closeAll(list)
	_, err = listenAll("127.0.0.1", []forward{{job: 80, local: port, exact: true}})
	require.ErrorContains(t, err, "Port is taken")
	_, err = listenAll("203.0.113.1", []forward{{job: 80, local: port}})
	require.ErrorContains(t, err, "Port cannot be forwarded")
}

func TestIDELink(t *testing.T) {
	for ide, want := range map[string]string{
		"vscode": "vscode://vscode-remote/ssh-remote+work-1/a%20b/c",
		"cursor": "cursor://vscode-remote/ssh-remote+work-1/a%20b/c",
		"":       "",
	} {
		require.Equal(t, want, ideLink(ide, "work-1", "/a b/c"), ide)
	}
}
