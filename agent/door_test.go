package agent_test

import (
	"context"
	"crypto/ed25519"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
)

// key is one that a person has.
func key(t *testing.T) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	s, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return s
}

func line(k ssh.Signer) string { return string(ssh.MarshalAuthorizedKey(k.PublicKey())) }

// visit enters a job.
func (m *machine) visit(id string, as ssh.Signer) (*ssh.Client, error) {
	m.t.Helper()
	job, err := m.Job(m.t.Context(), id)
	require.NoError(m.t, err)
	conn, err := m.Enter(m.t.Context(), id, client.Person)
	if err != nil {
		return nil, err
	}
	host, _, _, _, err := ssh.ParseAuthorizedKey([]byte(job.HostKey))
	require.NoError(m.t, err)
	c, channels, requests, err := ssh.NewClientConn(conn, id, &ssh.ClientConfig{
		User: "me", Auth: []ssh.AuthMethod{ssh.PublicKeys(as)}, HostKeyCallback: ssh.FixedHostKey(host), Timeout: 20 * time.Second,
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}

// running waits until a job runs and has said so.
func (m *machine) running(id string) {
	m.t.Helper()
	m.said(id, "started")
	_, err := m.WaitReady(m.t.Context(), id)
	require.NoError(m.t, err)
}

// inside runs a command in a job.
func inside(t *testing.T, c *ssh.Client, command string) string {
	t.Helper()
	s, err := c.NewSession()
	require.NoError(t, err)
	defer s.Close()
	out, err := s.CombinedOutput(command)
	require.NoError(t, err, "%s", out)
	return strings.TrimSpace(string(out))
}

func TestEnterAJob(t *testing.T) {
	m := start(t)
	me := key(t)
	require.NoError(t, m.SetAccess(t.Context(), api.Access{AuthorizedKeys: []string{line(me)}}))
	info, err := m.Info(t.Context())
	require.NoError(t, err)
	vol := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(vol, "file"), []byte("of the volume"), 0o644))
	m.run("a", "echo started; sleep 1000", func(s *api.JobSpec) {
		s.Env = []string{"SECRET=value", "TEXT=a b"}
		if info.Mounts == api.MountsNamespace {
			s.Mounts = []api.Mount{{Source: vol, Path: "/only/here"}}
		}
	})
	m.running("a")
	job, err := m.Job(t.Context(), "a")
	require.NoError(t, err)
	c, err := m.visit("a", me)
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, "value a b", inside(t, c, `echo "$SECRET $TEXT"`))
	require.Equal(t, job.WorkingDir, inside(t, c, "pwd"))
	if info.Mounts == api.MountsNamespace {
		require.Equal(t, "of the volume", inside(t, c, "cat /only/here/file"))
		require.NoDirExists(t, "/only/here")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	conn, err := c.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	conn.Close()
}

func TestWhoEnters(t *testing.T) {
	m := start(t)
	me, other := key(t), key(t)
	m.run("a", "echo started; sleep 1000")
	m.running("a")
	_, err := m.visit("a", me)
	require.ErrorContains(t, err, "unable to authenticate", "nobody was named yet")
	require.NoError(t, m.SetAccess(t.Context(), api.Access{AuthorizedKeys: []string{line(me)}}))
	c, err := m.visit("a", me)
	require.NoError(t, err)
	c.Close()
	_, err = m.visit("a", other)
	require.ErrorContains(t, err, "unable to authenticate")

	before, err := m.Job(t.Context(), "a")
	require.NoError(t, err)
	m.kill()
	m.up()
	after, err := m.Job(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, before.HostKey, after.HostKey, "the key outlives the agent")
	c, err = m.visit("a", me)
	require.NoError(t, err, "and so does who may enter")
	c.Close()

	for text, want := range map[string]string{"ssh-rsa nonsense": "is no public key", `from="10.0.0.1" ` + line(me): "has options"} {
		err := m.SetAccess(t.Context(), api.Access{AuthorizedKeys: []string{text}})
		require.ErrorContains(t, err, want)
		require.Equal(t, api.KindInvalid, api.KindOf(err))
	}
	_, err = m.Enter(t.Context(), "b", client.Person)
	require.Equal(t, api.KindNotFound, api.KindOf(err), "%v", err)
	_, err = m.Stop(t.Context(), "a", api.StopRequest{Abort: true})
	require.NoError(t, err)
	m.finished("a")
	_, err = m.Enter(t.Context(), "a", client.Person)
	require.ErrorContains(t, err, "nobody can enter job a: it is aborted")
}

// TestEndOfAJobWithVisitors holds that nothing stays of what visitors started, and that they are told.
func TestEndOfAJobWithVisitors(t *testing.T) {
	m := start(t)
	me := key(t)
	require.NoError(t, m.SetAccess(t.Context(), api.Access{AuthorizedKeys: []string{line(me)}}))
	m.run("a", "echo started; read x < <(sleep 1000)")
	m.running("a")
	c, err := m.visit("a", me)
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, "going", inside(t, c, "setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo going"))
	_, err = m.Stop(t.Context(), "a", api.StopRequest{Abort: true})
	require.NoError(t, err)
	m.finished("a")
	gone := make(chan error, 1)
	go func() { gone <- c.Wait() }()
	select {
	case <-gone:
	case <-time.After(30 * time.Second):
		t.Fatal("the connection goes on without its job")
	}
	require.Eventually(t, func() bool { return len(m.processes()) <= 1 }, 20*time.Second, 10*time.Millisecond, "more than the agent is left: %v", m.processes())
}

func TestInactivity(t *testing.T) {
	m := start(t)
	me := key(t)
	require.NoError(t, m.SetAccess(t.Context(), api.Access{AuthorizedKeys: []string{line(me)}}))
	m.run("busy", "echo started; sleep 1000")
	m.running("busy")
	job := func() api.Job {
		t.Helper()
		j, err := m.Job(t.Context(), "busy")
		require.NoError(t, err)
		return j
	}
	require.Equal(t, job().StartedAt.Truncate(time.Millisecond), job().AloneSince.Truncate(time.Millisecond), "from the start")

	tunnel, err := m.Enter(t.Context(), "busy", client.Tunnel)
	require.NoError(t, err)
	defer tunnel.Close()
	require.False(t, job().AloneSince.IsZero(), "a connection of our own is nobody")

	c, err := m.visit("busy", me)
	require.NoError(t, err)
	require.True(t, job().AloneSince.IsZero(), "somebody is there")
	_, err = m.Limit(t.Context(), "busy", api.Limits{InactivityDuration: time.Millisecond})
	require.NoError(t, err)
	require.Equal(t, "still", inside(t, c, "echo still"), "whoever is there is not thrown out")
	left := time.Now()
	c.Close()
	end := m.finished("busy")
	require.Equal(t, api.StatusTerminated, end.Status)
	require.Equal(t, api.ReasonInactivityExceeded, end.Reason)
	require.Equal(t, "nobody was connected to it for its inactivity_duration of 1ms", end.Message)
	require.False(t, end.FinishedAt.Before(left.Truncate(time.Second)))

	// One that nobody ever came to.
	m.run("lonely", "sleep 1000", func(s *api.JobSpec) { s.InactivityDuration = 20 * time.Millisecond })
	require.Equal(t, api.ReasonInactivityExceeded, m.finished("lonely").Reason)
	_, err = m.Submit(t.Context(), spec("x", "true", func(s *api.JobSpec) { s.InactivityDuration = -1 }))
	require.ErrorContains(t, err, "inactivity_duration is negative")
}

// TestInactivityOutlivesTheAgent holds that time without an agent is time without anybody.
func TestInactivityOutlivesTheAgent(t *testing.T) {
	m := start(t)
	m.run("a", "echo started; sleep 1000")
	m.running("a")
	before, err := m.Job(t.Context(), "a")
	require.NoError(t, err)
	m.kill()
	m.up()
	require.Eventually(t, func() bool {
		after, err := m.Job(context.Background(), "a")
		return err == nil && after.AloneSince.Equal(before.AloneSince)
	}, 20*time.Second, 5*time.Millisecond, "counted anew after a restart")
}
