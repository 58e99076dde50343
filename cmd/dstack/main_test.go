package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dstackai/dstack-planner/internal/jsonschema"
)

// bin is the folder of the programs as make build leaves them, with the fake provider beside them.
var bin string

func TestMain(m *testing.M) {
	if len(os.Args) > 4 && os.Args[1] == ownTerminal {
		os.Exit(giveTerminal(os.Args[2:]))
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "dstack-bin-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		build := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "../...", "../../providers/fake/cmd/...")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the programs: %v\n%s", err, out)
			return 1
		}
		bin = dir
		return m.Run()
	}())
}

// TestScripts runs each script of testdata/script against the real programs, with a HOME and a DSTACK_HOME of its own.
func TestScripts(t *testing.T) { testscript.Run(t, scripts(t, "testdata/script")) }

// scripts says how the scripts of a folder are run.
func scripts(t *testing.T, dir string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		WorkdirRoot:         workRoot(t),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, ".home")
			env.Setenv("HOME", home)
			env.Setenv("DSTACK_HOME", filepath.Join(home, "dstack"))
			env.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			env.Setenv("BIN", bin)
			env.Setenv("DSTACK_FAKE_WORLD", filepath.Join(home, "world.json"))
			env.Setenv("EXAMPLES", filepath.Join(mustGetwd(), "..", "..", "examples"))
			env.Values[spawnedKey{}] = map[string]*spawned{}
			env.Values[gitKey{}] = &gitServer{}
			env.Values[pullKey{}] = &pullServer{}
			env.Defer(func() { leftBehind(t, env) })
			return os.MkdirAll(home, 0o700)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":    exits,
			"typed":    typed,
			"screen":   screen,
			"spawn":    spawn,
			"signal":   signalSpawned,
			"await":    await,
			"until":    until,
			"freeport": freeport,
			"capture":  capture,
			"httpget":  httpget,
			"replace":  replace,
			"holds":    holds,
			"pkill":    killProvider,
			"gitserve": gitServe,
			"pullhost": pullHost,
			"comments": pullComments,
			"trouble":  pullTrouble,
			"commit":   gitCommit,
			"escapes":  escapes,
			"grow":     grow,
			"conforms": conforms,
		},
	}
}

// workRoot makes the folder that the working folders of a test's scripts lie in. Its name is always as long, so that the
// lines that name a path are broken at the same places in each run.
func workRoot(t *testing.T) string {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("scripts-%010d", rand.Int64N(1e10)))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func mustGetwd() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return dir
}

// exits CODE PROGRAM ARGS... runs a program and checks its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if e := (*exec.ExitError)(nil); errors.As(err, &e) {
		code = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if want := args[0]; strconv.Itoa(code) != want {
		ts.Fatalf("%s exits %d, want %s\n%s%s", strings.Join(args[1:], " "), code, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

type spawnedKey struct{}

// spawned is a program in the background. What it prints is in the files NAME.out and NAME.err.
type spawned struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// spawn NAME PROGRAM ARGS... starts a program.
func spawn(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: spawn NAME PROGRAM ARGS...")
	}
	path := filepath.Join(bin, args[1])
	cmd := exec.Command(path, args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOME", "DSTACK_HOME", "PATH", "DOCKER_HOST", "DSTACK_FAKE_WORLD", "DSTACK_FAKE_FAULTS"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	out, err := os.Create(ts.MkAbs(args[0] + ".out"))
	ts.Check(err)
	errs, err := os.Create(ts.MkAbs(args[0] + ".err"))
	ts.Check(err)
	cmd.Stdout, cmd.Stderr = out, errs
	ts.Check(cmd.Start())
	s := &spawned{cmd: cmd, done: make(chan struct{})}
	go func() {
		s.err = cmd.Wait()
		out.Close()
		errs.Close()
		close(s.done)
	}()
	ts.Value(spawnedKey{}).(map[string]*spawned)[args[0]] = s
	ts.Defer(func() {
		_ = cmd.Process.Kill() // it has ended, unless the script failed
		<-s.done
	})
}

func background(ts *testscript.TestScript, name string) *spawned {
	s := ts.Value(spawnedKey{}).(map[string]*spawned)[name]
	if s == nil {
		ts.Fatalf("nothing was spawned under the name %s", name)
	}
	return s
}

// signal NAME INT|TERM|KILL sends a signal to a spawned program.
func signalSpawned(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "KILL": os.Kill}
	if neg || len(args) != 2 || signals[args[1]] == nil {
		ts.Fatalf("usage: signal NAME INT|TERM|KILL")
	}
	ts.Check(background(ts, args[0]).cmd.Process.Signal(signals[args[1]]))
}

// await NAME CODE waits for the end of a spawned program.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await NAME CODE")
	}
	s := background(ts, args[0])
	select {
	case <-s.done:
	case <-time.After(60 * time.Second):
		ts.Fatalf("%s has not ended in a minute\n%s%s", args[0], ts.ReadFile(args[0]+".out"), ts.ReadFile(args[0]+".err"))
	}
	if code := s.cmd.ProcessState.ExitCode(); strconv.Itoa(code) != args[1] {
		ts.Fatalf("%s exits %d, want %s\n%s%s", args[0], code, args[1], ts.ReadFile(args[0]+".out"), ts.ReadFile(args[0]+".err"))
	}
}

// until FILE REGEXP waits until a file has a line that matches.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: until FILE REGEXP")
	}
	want := regexp.MustCompile("(?m)" + args[1])
	deadline := time.Now().Add(30 * time.Second)
	for {
		data, _ := os.ReadFile(ts.MkAbs(args[0])) // it may not be there yet
		if want.Match(data) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s has no %s after 30 s:\n%s", args[0], args[1], data)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// freeport NAME sets a variable to a port that is free.
func freeport(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: freeport NAME")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	ts.Check(l.Close())
}

// capture NAME FILE REGEXP sets a variable to what the group of a regular expression is in a file, or on stdout.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: capture NAME FILE REGEXP")
	}
	found := regexp.MustCompile("(?m)" + args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if len(found) != 2 {
		ts.Fatalf("%s has no %s:\n%s", args[1], args[2], ts.ReadFile(args[1]))
	}
	ts.Setenv(args[0], found[1])
}

// httpget FILE [PATH [TOKEN [BODY]]] writes what the address in the file answers to stdout, with its status on the first line:
// below a path, to somebody with a token, and to a body. Names below localhost are this machine.
func httpget(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 4 {
		ts.Fatalf("usage: httpget FILE [PATH [TOKEN [BODY]]]")
	}
	args = append(args, "", "", "")
	method := http.MethodGet
	if args[3] != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequest(method, strings.TrimSpace(ts.ReadFile(args[0]))+args[1], strings.NewReader(args[3]))
	ts.Check(err)
	if args[2] != "" {
		req.Header.Set("Authorization", "Bearer "+args[2])
	}
	req.Host = req.URL.Host
	req.URL.Host = "127.0.0.1:" + req.URL.Port()
	client := &http.Client{Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	_, err = fmt.Fprintf(ts.Stdout(), "%s\n%s", resp.Status, body)
	ts.Check(err)
}

// replace FILE OLD NEW replaces text, which must be there.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(text, args[1], args[2])), 0o600))
}

// escapes FILE replaces \xNN in a file by the byte that it stands for, which a script itself cannot hold.
func escapes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: escapes FILE")
	}
	text := regexp.MustCompile(`\\x[0-9a-f]{2}`).ReplaceAllStringFunc(ts.ReadFile(args[0]), func(s string) string {
		n, err := strconv.ParseUint(s[2:], 16, 8)
		ts.Check(err)
		return string([]byte{byte(n)})
	})
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// grow FILE MB makes a file that large.
func grow(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: grow FILE MB")
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n<<20))
}

// conforms SCHEMA FILE holds a file against a schema of docs; of events, each of its lines.
func conforms(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: conforms plan|events FILE")
	}
	schema, err := os.ReadFile(filepath.Join(mustGetwd(), "..", "..", "docs", args[0]+".schema.json"))
	ts.Check(err)
	checker, err := jsonschema.Closed(schema)
	ts.Check(err)
	documents := []string{ts.ReadFile(args[1])}
	if args[0] == "events" {
		documents = strings.Split(strings.TrimSuffix(documents[0], "\n"), "\n")
	}
	for _, one := range documents {
		if err := checker.Check([]byte(one)); err != nil {
			ts.Fatalf("%v\n%s", err, one)
		}
	}
}

// [!] holds TEXT PATH... checks whether any file at or below the paths holds a text.
func holds(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: holds TEXT PATH...")
	}
	var found []string
	for _, root := range args[1:] {
		ts.Check(filepath.WalkDir(ts.MkAbs(root), func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			if bytes.Contains(data, []byte(args[0])) || bytes.Contains(unpacked(data), []byte(args[0])) {
				found = append(found, path)
			}
			return err
		}))
	}
	if neg && len(found) > 0 {
		ts.Fatalf("%q is in %s", args[0], strings.Join(found, ", "))
	}
	if !neg && len(found) == 0 {
		ts.Fatalf("%q is nowhere below %s", args[0], strings.Join(args[1:], ", "))
	}
}

// unpacked is what is compressed in a file, as in a saved plan.
func unpacked(data []byte) []byte {
	at := bytes.Index(data, []byte{0x1f, 0x8b, 8})
	if at < 0 {
		return nil
	}
	z, err := gzip.NewReader(bytes.NewReader(data[at:]))
	if err != nil {
		return nil
	}
	text, _ := io.ReadAll(z) // as far as it can be read
	return text
}

// pkill TEXT kills this script's processes whose program has that text in its name.
func killProvider(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: pkill TEXT")
	}
	killed := 0
	for _, p := range processes(ts.Getenv("DSTACK_HOME")) {
		if strings.Contains(filepath.Base(strings.Fields(p.command)[0]), args[0]) {
			ts.Check(syscall.Kill(p.pid, syscall.SIGKILL))
			killed++
		}
	}
	if killed == 0 {
		ts.Fatalf("no process %s", args[0])
	}
}

// process is one that belongs to a script.
type process struct {
	pid     int
	command string
}

// processes lists those that have the home in their environment or their arguments. It knows Linux only; elsewhere the
// list is empty.
func processes(home string) []process {
	if runtime.GOOS != "linux" {
		return nil
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	var out []process
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() {
			continue
		}
		cmd, _ := os.ReadFile(filepath.Join(dir, "cmdline")) // it may have ended meanwhile
		env, _ := os.ReadFile(filepath.Join(dir, "environ"))
		command := strings.TrimSpace(strings.ReplaceAll(string(cmd), "\x00", " "))
		if command == "" {
			continue // a zombie
		}
		if strings.Contains(command, home) || strings.Contains("\x00"+string(env)+"\x00", "\x00DSTACK_HOME="+home+"\x00") {
			out = append(out, process{pid, command})
		}
	}
	return out
}

// leftBehind fails a script that leaves processes, after it has ended them.
func leftBehind(t *testing.T, env *testscript.Env) {
	home := env.Getenv("DSTACK_HOME")
	deadline := time.Now().Add(5 * time.Second)
	left := processes(home)
	for len(left) > 0 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
		left = processes(home)
	}
	for _, p := range left {
		t.Errorf("%s left a process behind: %d %s", filepath.Base(env.WorkDir), p.pid, p.command)
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
}
