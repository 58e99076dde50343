package inside

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "shell" {
		os.Exit(Script(os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func TestShellOf(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"zsh", "bash", "nologin"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o755))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes"), nil, 0o644))
	o := Options{Self: "/agent", SelfArgs: []string{"shell"}}
	path := []string{"PATH=/elsewhere", "PATH=" + dir}
	for name, tt := range map[string]struct {
		own  string
		want string
	}{
		"the user's own":                {filepath.Join(dir, "zsh"), filepath.Join(dir, "zsh")},
		"one that lets nobody log in":   {filepath.Join(dir, "nologin"), filepath.Join(dir, "bash")},
		"one that is not there":         {"/nowhere/fish", filepath.Join(dir, "bash")},
		"one that cannot be executed":   {filepath.Join(dir, "notes"), filepath.Join(dir, "bash")},
		"a user whom the job not knows": {"", filepath.Join(dir, "bash")},
	} {
		require.Equal(t, tt.want, o.shellOf(account{shell: tt.own}, path).path, name)
	}
}

func TestFindAccount(t *testing.T) {
	passwd := "root:x:0:0:root:/root:/bin/bash\nbroken\n\napp:x:1000:1000::/srv/app:\n"
	require.Equal(t, account{"root", "/root", "/bin/bash"}, findAccount(strings.NewReader(passwd), 0))
	require.Equal(t, account{"app", "/srv/app", ""}, findAccount(strings.NewReader(passwd), 1000))
	require.Equal(t, account{}, findAccount(strings.NewReader(passwd), 7))
}

// builtin runs the built-in shell in a folder without any programs.
func builtin(t *testing.T, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"shell"}, args...)...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/nowhere", "HOME=" + dir, "NAME=value"}
	return cmd
}

func TestScript(t *testing.T) {
	for name, tt := range map[string]struct {
		command string
		out     string
		code    int
	}{
		"a pipeline of what is built in":  {"echo a; for i in 1 2; do echo $((i*2)); done | cat", "a\n2\n4\n", 0},
		"an exit code":                    {"exit 9", "", 9},
		"a program that is not there":     {"python", "\"python\": executable file not found in $PATH\n", 127},
		"what cannot be read":             {"if", "shell: command:1:1: `if` must be followed by a statement list\n", 2},
		"files":                           {"mkdir -p a/b && echo hi >a/b/c && cp a/b/c a/d && mv a/d a/e && cat a/e && ls a && rm -r a && ls", "hi\nb\ne\n", 0},
		"the environment":                 {"env | while read l; do case $l in NAME=*) echo $l;; esac; done", "NAME=value\n", 0},
		"a folder is not removed so":      {"mkdir x; rm x", "rm: x is a folder; use rm -r\n", 1},
		"what is not there":               {"cat none || ls none", "cat: open DIR/none: no such file or directory\nls: stat DIR/none: no such file or directory\n", 1},
		"rm -f of what is not there":      {"rm -f none", "", 0},
		"options that it does not have":   {"ls -Z", "ls: -Z is not known here\n", 1},
		"a process is ended":              {"kill -KILL $$", "", -1},
		"a signal that there is not":      {"kill -NO 1", "kill: there is no signal NO\n", 1},
		"onto itself nothing is copied":   {"echo text >f; cp f f; cat f", "cp: the two are the same file\ntext\n", 0},
		"into a folder":                   {"mkdir d; echo text >f; mv f d; cat d/f", "text\n", 0},
		"help says what there is":         {"help | { read name rest; echo $name; }", "cat\n", 0},
		"processes have this one as well": {"ps | while read pid line; do case $pid in $$) echo me;; esac; done", "me\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cmd := builtin(t, dir, "-c", tt.command)
			out, _ := cmd.CombinedOutput()
			require.Empty(t, cmp.Diff(tt.out, strings.ReplaceAll(string(out), dir, "DIR")))
			require.Equal(t, tt.code, cmd.ProcessState.ExitCode())
		})
	}
}

func TestScriptOnATerminal(t *testing.T) {
	cmd := builtin(t, t.TempDir())
	file, err := pty.Start(cmd)
	require.NoError(t, err)
	defer file.Close()
	stuck := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	defer stuck.Stop()
	screen := ""
	reads := func(text string) {
		t.Helper()
		buf := make([]byte, 1024)
		for !strings.Contains(screen, text) {
			n, err := file.Read(buf)
			screen += string(buf[:n])
			require.NoError(t, err, "%q is not in %q", text, screen)
		}
		_, screen, _ = strings.Cut(screen, text)
	}
	reads("~ $ ")
	file.WriteString("X=1\n")
	reads("~ $ ")
	file.WriteString("for i in 1 2; do\n")
	reads("> ")
	file.WriteString("echo $X$i; done\n")
	reads("11\r\n12\r\n")
	reads("~ $ ")
	file.WriteString("echo wai\"\"ting; while :; do :; done\n")
	reads("waiting")
	file.WriteString("\x03")
	reads("~ $ ")
	file.WriteString("echo x$X\n")
	reads("\nx1\r\n")
	file.WriteString("exit 6\n")
	cmd.Wait()
	require.Equal(t, 6, cmd.ProcessState.ExitCode())
}

func TestModes(t *testing.T) {
	mode := func(n byte, value uint32) string {
		return string([]byte{n, byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)})
	}
	settings := &unix.Termios{Lflag: unix.ECHO | unix.ICANON}
	settings.Cc[unix.VERASE] = 127
	applyModes(settings, []byte(mode(53, 0)+mode(50, 1)+mode(36, 1)+mode(3, 8)+mode(10, 255)+mode(17, 9)+mode(0, 0)+mode(51, 0)))
	require.EqualValues(t, unix.ICANON|unix.ISIG, settings.Lflag, "what comes after the end is not read")
	require.EqualValues(t, unix.ICRNL, settings.Iflag)
	require.EqualValues(t, 8, settings.Cc[unix.VERASE])
	require.EqualValues(t, disabled, settings.Cc[unix.VSUSP])
	applyModes(settings, []byte("\x01"))
}
