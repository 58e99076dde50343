package cli

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
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
	list, err := listenAll("127.0.0.1", []forward{{job: 80, local: port}}, nil)
	require.NoError(t, err)
	require.Greater(t, list[0].listener.Addr().(*net.TCPAddr).Port, port, "the next one that is free")
	closeAll(list)
	_, err = listenAll("127.0.0.1", []forward{{job: 80, local: port, exact: true}}, nil)
	require.ErrorContains(t, err, "Port is taken")
	have := []sharedPort{{Job: 80, Host: "127.0.0.1", Local: port}, {Job: 90, Host: "0.0.0.0", Local: port}}
	list, err = listenAll("127.0.0.1", []forward{{job: 80, local: 80}, {job: 80, local: port, exact: true}}, have)
	require.NoError(t, err, "it is taken by another attach to the same job, for the same port")
	for _, l := range list {
		require.Nil(t, l.listener)
		require.Equal(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), l.address)
	}
	_, err = listenAll("127.0.0.1", []forward{{job: 90, local: port, exact: true}}, have)
	require.ErrorContains(t, err, "Port is taken", "by another attach, elsewhere")
	_, err = listenAll("203.0.113.1", []forward{{job: 80, local: port}}, nil)
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

// What a job says is shown with the addresses that lead to it from here, however it arrives.
func TestLinks(t *testing.T) {
	for name, tc := range map[string]struct{ said, want string }{
		"a port that is forwarded":          {"on http://localhost:8000/lab?a=b\n", "on http://127.0.0.1:9000/lab?a=b\n"},
		"every address":                     {"http://0.0.0.0:8000, https://[::]:8000 http://127.0.0.1:8000", "http://127.0.0.1:9000, https://127.0.0.1:9000 http://127.0.0.1:9000"},
		"the names of its machine":          {"http://node-1.lab:8000/ http://10.0.0.7:8000/", "http://127.0.0.1:9000/ http://127.0.0.1:9000/"},
		"a port in color":                   {"http://localhost:\x1b[1m8000\x1b[22m/", "http://127.0.0.1:\x1b[1m9000\x1b[22m/"},
		"over IPv6":                         {"http://localhost:80", "http://[::1]:8080"},
		"another port":                      {"http://localhost:80001 http://localhost:800 http://localhost/", "http://localhost:80001 http://localhost:800 http://localhost/"},
		"another machine":                   {"http://example.com:8000 http://notlocalhost:8000", "http://example.com:8000 http://notlocalhost:8000"},
		"what only begins like an address":  {"oh ht http https:// http:/ http://localhost: h", "oh ht http https:// http:/ http://localhost: h"},
		"no UTF-8, and no name of any host": {"http://\xff\xfe:8000 http://[zz]:8000", "http://\xff\xfe:8000 http://[zz]:8000"},
	} {
		t.Run(name, func(t *testing.T) {
			list := []listening{{forward{job: 8000}, nil, "127.0.0.1:9000"}, {forward{job: 80}, nil, "[::1]:8080"}}
			for _, piece := range []int{len(tc.said), 1, 2, 3, 5, 7} {
				l := linksOf(list, "node-1.lab", "10.0.0.7", "")
				var got []byte
				for text := []byte(tc.said); len(text) > 0; {
					n := min(piece, len(text))
					got = append(got, l.rewrite(text[:n])...)
					text = text[n:]
				}
				require.Equal(t, tc.want, string(append(got, l.rest()...)), "in pieces of %d", piece)
			}
		})
	}
	l := linksOf(nil)
	require.Equal(t, "a prompt> ", string(l.rewrite([]byte("a prompt> "))), "nothing waits that is no address")
	endless := strings.Repeat("http://"+strings.Repeat("x", 4*longestLink), 2)
	require.Equal(t, endless, string(append(l.rewrite([]byte(endless)), l.rest()...)))
}

// aDoor is the way into a job of an app that has a terminal on which something is answered.
func aDoor(t *testing.T, answers string) (*door, *bytes.Buffer) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	var said bytes.Buffer
	a := &app{in: strings.NewReader(answers), out: &said, err: &said, home: filepath.Join(home, "dstack"), program: "/bin/dstack", log: slog.New(slog.DiscardHandler)}
	a.screen.questions = &said
	return &door{app: a, job: api.Job{ID: "7f"}, name: "work", alias: "dstack.l.work", files: a.sshFiles()}, &said
}

func TestSSHIsToldOnceOfOurFile(t *testing.T) {
	const question = "Shall a line for that be put on top of it?"
	for name, tc := range map[string]struct {
		answer   string
		with     func(t *testing.T, d *door, at *attaching)
		asks     bool
		included bool
		says     string
	}{
		"yes":                              {answer: "yes\n", asks: true, included: true},
		"no":                               {answer: "no\n", asks: true},
		"nobody answers":                   {asks: true},
		"--no-ssh-config":                  {answer: "yes\n", with: func(_ *testing.T, _ *door, at *attaching) { at.noConfig = true }},
		"no terminal":                      {with: func(_ *testing.T, d *door, _ *attaching) { d.app.screen.questions = nil }},
		"it is there":                      {answer: "no\n", included: true, with: func(t *testing.T, d *door, _ *attaching) { require.NoError(t, d.files.Include(ownConfig(t))) }},
		"~/.ssh is no folder":              {answer: "yes\n", asks: true, says: "cannot be changed", with: func(t *testing.T, _ *door, _ *attaching) { write(t, filepath.Dir(ownConfig(t)), "") }},
		"~/.ssh/config is a folder":        {answer: "yes\n", asks: true, says: "cannot be changed", with: func(t *testing.T, _ *door, _ *attaching) { require.NoError(t, os.MkdirAll(ownConfig(t), 0o700)) }},
		"~/.ssh/config has lines of yours": {answer: "yes\n", asks: true, included: true, with: func(t *testing.T, _ *door, _ *attaching) { write(t, ownConfig(t), "Host mine\n") }},
	} {
		t.Run(name, func(t *testing.T) {
			d, said := aDoor(t, tc.answer)
			at := attaching{}
			if tc.with != nil {
				tc.with(t, d, &at)
			}
			for range 2 {
				require.NoError(t, d.configure(&run{Name: "work"}, &runJob{}, at))
			}
			asked := 0
			if tc.asks {
				asked = 1
			}
			require.Equal(t, asked, strings.Count(said.String(), question), "it is asked once at most: %s", said)
			require.Contains(t, said.String(), tc.says)
			require.Equal(t, tc.included, d.files.Included(ownConfig(t)))
			if text, err := os.ReadFile(ownConfig(t)); err == nil && strings.Contains(name, "of yours") {
				require.True(t, strings.HasSuffix(string(text), "Host mine\n"))
			}
			require.FileExists(t, d.files.Config(), "ssh -F has it")
		})
	}
}

func ownConfig(t *testing.T) string {
	home, err := os.UserHomeDir()
	require.NoError(t, err)
	return filepath.Join(home, ".ssh", "config")
}

func write(t *testing.T, path, text string) {
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// Only a second Ctrl-C asks, and only a yes stops.
func TestASecondCtrlCAsks(t *testing.T) {
	over, never := make(chan time.Time), make(chan time.Time)
	close(over)
	for name, tc := range map[string]struct {
		again  bool
		answer string
		want   bool
	}{
		"none: the run goes on":         {false, "yes\n", false},
		"one, and yes: it stops":        {true, "yes\n", true},
		"one, and no: it goes on":       {true, "n\n", false},
		"one, and nobody: it goes on":   {true, "", false},
		"one, and nonsense: it goes on": {true, "yes please\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			d, said := aDoor(t, tc.answer)
			signals := make(chan os.Signal, 1)
			d.app.signals = signals
			until := over
			if tc.again {
				until = never
				signals <- os.Interrupt
			}
			got, err := d.app.shallStop(&run{Name: "work"}, until)
			require.Equal(t, tc.want, got)
			require.Equal(t, tc.again, strings.Contains(said.String(), "Shall work stop?"))
			require.Equal(t, tc.again && !tc.want, err != nil)
		})
	}
}

// The ports of an attach are those of the next one to the same job, which keeps them when the first has ended.
func TestAttachesShareTheirPorts(t *testing.T) {
	d, said := aDoor(t, "")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	wanted := []forward{{job: 80, local: taken.Addr().(*net.TCPAddr).Port}}
	first, err := d.tunnel("127.0.0.1", wanted)
	require.NoError(t, err)
	second, err := d.tunnel("127.0.0.1", append(wanted, forward{job: 81, local: wanted[0].local}))
	require.NoError(t, err)
	defer second.close()
	require.False(t, first.shared())
	require.True(t, second.shared())
	require.Equal(t, first.list[0].address, second.list[0].address)
	require.NotEqual(t, first.list[0].address, second.list[1].address, "a port of its own")
	require.Empty(t, second.succeed(), "while the first one goes on")

	other := &door{app: d.app, job: api.Job{ID: "80"}, alias: d.alias, files: d.files}
	third, err := other.tunnel("127.0.0.1", wanted)
	require.NoError(t, err)
	require.False(t, third.shared(), "another job")
	third.close()

	first.close()
	require.Len(t, second.succeed(), 1)
	conn, err := net.Dial("tcp", first.list[0].address)
	require.NoError(t, err)
	conn.Close()
	fourth, err := d.tunnel("127.0.0.1", wanted)
	require.NoError(t, err)
	defer fourth.close()
	require.Equal(t, first.list[0].address, fourth.list[0].address)
	require.Equal(t, "The other attach has ended; its ports go on here.\n", said.String())

	require.NoError(t, forgetTurns(d.files, "dstack.l.", func(string) bool { return false }))
	left, err := os.ReadDir(turns(d.files))
	require.NoError(t, err)
	require.Empty(t, left)
}

// A port that somebody else takes in the moment between two attaches is said to be lost.
func TestAPortThatIsLostBetweenAttaches(t *testing.T) {
	d, said := aDoor(t, "")
	first, err := d.tunnel("127.0.0.1", []forward{{job: 80, local: 20080}})
	require.NoError(t, err)
	second, err := d.tunnel("127.0.0.1", []forward{{job: 80, local: 20080}})
	require.NoError(t, err)
	defer second.close()
	address := first.list[0].address
	first.close()
	if l, err := net.Listen("tcp", address); err == nil { // else it has been taken already
		defer l.Close()
	}
	require.Empty(t, second.succeed())
	require.Contains(t, said.String(), "not all of its ports could be taken over")
	require.False(t, second.shared(), "it is not tried for ever")
}
