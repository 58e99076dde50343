//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/mattn/go-runewidth"
	"github.com/stretchr/testify/require"
)

// sitting is somebody at a terminal who has started dstack, in a folder of their own.
type sitting struct {
	t      *testing.T
	cmd    *exec.Cmd
	keys   *os.File
	width  int
	gone   chan struct{} // closed when the terminal has shown all
	change chan struct{}

	mu  sync.Mutex
	raw strings.Builder
}

// patience is for a machine that is busy; nothing takes as long where all is well.
const patience = 2 * time.Minute

// sit starts dstack at a terminal of 100 by 40. What terminals do at any moment is turned off: they show a ^C between two
// bytes of what is drawn, and throw away at a Ctrl-C what has not been read yet.
func sit(t *testing.T, dir string, env []string, args ...string) *sitting {
	t.Helper()
	s := &sitting{t: t, cmd: exec.Command("sh", append([]string{"-c", `stty -echo noflsh && exec "$0" "$@"`, filepath.Join(bin, "dstack")}, args...)...), width: 100, gone: make(chan struct{}), change: make(chan struct{}, 1)}
	home := filepath.Join(dir, ".home")
	s.cmd.Dir = dir
	s.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "DSTACK_HOME=" + filepath.Join(home, "dstack"), "DSTACK_FAKE_WORLD=" + filepath.Join(home, "world.json"), "TERM=xterm"}, env...)
	require.NoError(t, os.MkdirAll(home, 0o700))
	var err error
	s.keys, err = pty.StartWithSize(s.cmd, &pty.Winsize{Rows: 40, Cols: uint16(s.width)})
	require.NoError(t, err)
	go func() {
		defer close(s.gone)
		b := make([]byte, 4096)
		for {
			n, err := s.keys.Read(b) // the end of the last who writes is an error
			s.mu.Lock()
			s.raw.Write(b[:n])
			s.mu.Unlock()
			select {
			case s.change <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
		}
		_ = s.keys.Close()
	})
	return s
}

func (s *sitting) shown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.raw.String()
}

// until waits until the screen shows something, and returns the screen as it was then.
func (s *sitting) until(pattern string) string {
	s.t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	deadline := time.After(patience)
	for {
		if screen := drawn(s.t, s.shown(), s.width); re.MatchString(screen) {
			return screen
		}
		select {
		case <-s.change:
		case <-s.gone:
			screen := drawn(s.t, s.shown(), s.width)
			require.Regexp(s.t, re, screen, "dstack has ended")
			return screen
		case <-deadline:
			require.Regexp(s.t, re, drawn(s.t, s.shown(), s.width), "waited %s", patience)
		}
	}
}

// types presses keys.
func (s *sitting) types(keys string) {
	s.t.Helper()
	_, err := s.keys.WriteString(keys)
	require.NoError(s.t, err)
}

// ends waits for the end and returns the last screen.
func (s *sitting) ends(code int) string {
	s.t.Helper()
	select {
	case <-s.gone:
	case <-time.After(patience):
		require.Fail(s.t, "dstack does not end", s.shown())
	}
	_ = s.cmd.Wait()
	require.Equal(s.t, code, s.cmd.ProcessState.ExitCode(), s.shown())
	return drawn(s.t, s.shown(), s.width)
}

var (
	sequence = regexp.MustCompile(`^\x1b\[([0-9]*)([A-Za-z])`)
	partial  = regexp.MustCompile(`^\x1b(\[[0-9]*)?$`)
)

// drawn is what a terminal of that width shows of an output: lines, with what was drawn over gone. It knows what dstack
// writes and nothing else, so that any other sequence is found.
func drawn(t *testing.T, output string, width int) string {
	t.Helper()
	rows := func(line string) int { return max(1, (runewidth.StringWidth(line)+width-1)/width) }
	var above []string
	line := ""
	left := false // the cursor was just sent to the left, wherever it was; a ^C that the terminal shows moves it
	for output != "" {
		if m := sequence.FindStringSubmatch(output); m != nil {
			output = output[len(m[0]):]
			switch n, _ := strconv.Atoi(m[1]); m[2] {
			case "A":
				require.True(t, left && line == "", "the cursor goes up from the beginning of a line, wherever it was")
				for n > 0 {
					require.NotEmpty(t, above, "the cursor goes up beyond what was drawn")
					last := len(above) - 1
					n -= rows(above[last])
					above = above[:last]
				}
				require.Zero(t, n, "the cursor goes up into the middle of a line")
				require.True(t, strings.HasPrefix(output, "\x1b[J") || strings.HasPrefix("\x1b[J", output), "what it goes over is erased")
			case "J", "m":
			default:
				require.Fail(t, "an unknown sequence", "%q", m[0])
			}
			continue
		}
		if output[0] == 0x1b && partial.MatchString(output) {
			break // the rest of it is still to come
		}
		require.NotEqual(t, byte(0x1b), output[0], "an unknown sequence: %.20q", output)
		left = output[0] == '\r'
		switch output[0] {
		case '\r':
			if strings.HasPrefix(output[1:], "\x1b[") { // what stands there is erased next
				line = ""
			}
		case '\n':
			above, line = append(above, line), ""
		default:
			line += output[:1]
		}
		output = output[1:]
	}
	return strings.Join(append(above, line), "\n")
}

// folder makes a folder with a configuration.
func folder(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.dstack.hcl"), []byte(text), 0o600))
	return dir
}

const three = `
backend "fake" {}
volume "aa" {
  region = "us-east-1"
  size   = "1GB"
}
volume "bb" {
  region = "us-east-1"
  size   = "1GB"
  name   = "with-${volume.aa.location == "" ? "x" : "y"}"
}
volume "cc" {
  region = "us-east-1"
  size   = "1GB"
}
`

// held is an environment in which the creation of volume.aa waits for a file, which go makes.
func held(t *testing.T) (env string, release func()) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "go")
	return fmt.Sprintf(`DSTACK_FAKE_FAULTS=[{"fault": "slow", "address": "volume.aa", "phases": ["formatting"], "until": %q}]`, file), func() {
		require.NoError(t, os.WriteFile(file, nil, 0o600))
	}
}

var times = regexp.MustCompile(`[0-9.]+ (ms|s|m)\b( [0-9.]+ s\b)?`)

// block is the table of an apply on a screen, without times.
func block(screen string) string {
	i := strings.LastIndex(screen, "Applying ")
	if i < 0 {
		return ""
	}
	text := times.ReplaceAllString(screen[i:], "T")
	return strings.TrimRight(regexp.MustCompile(` +T$`).ReplaceAllString(regexp.MustCompile(`(?m) +T$`).ReplaceAllString(text, "  T"), "  T"), "\n")
}

func TestApplyDrawsOneTable(t *testing.T) {
	t.Parallel()
	env, release := held(t)
	s := sit(t, folder(t, three), []string{env}, "apply", "--auto-approve")
	screen := s.until(`done +volume\.cc[^\n]*\n  running +volume\.aa +creating: formatting, 0 of 1(?s:.*)\n\[1/3\] 1 running, 1 waiting\n`)
	require.Equal(t, strings.Join([]string{
		"Applying the plan: 3 changes, 10 at a time  T",
		"  done      volume.cc created (T)",
		"  running   volume.aa  creating: formatting, 0 of 1  T",
		"  waiting   volume.bb  for volume.aa",
		"[1/3] 1 running, 1 waiting",
	}, "\n"), block(screen))
	require.Equal(t, 1, strings.Count(screen, "Applying "), "it is drawn over itself")
	release()
	screen = s.ends(0)
	require.Equal(t, 1, strings.Count(screen, "Applying "))
	require.Contains(t, screen, "\n[3/3] 0 running\n\nApply finished: 3 done in ")
	require.Contains(t, s.shown(), "\x1b[32mdone\x1b[0m", "in colour")
}

func TestApplyIsInterruptedAtTheTerminal(t *testing.T) {
	t.Parallel()
	env, release := held(t)
	s := sit(t, folder(t, three), []string{env}, "apply", "--auto-approve")
	s.until(`running +volume\.aa +creating: formatting`)
	s.types("\x03")
	screen := s.until(`^Interrupted: nothing new is started\. Under way, and allowed to end: [^\n]*volume\.aa \(create\)(?s:.*)^\[[0-9]/3\] [^\n]*\n`)
	require.Equal(t, 1, strings.Count(screen, "Applying "))
	release()
	screen = s.ends(130)
	require.Contains(t, screen, "\nApply interrupted: ")
	require.Contains(t, screen, "not started  volume.bb")
	require.Contains(t, screen, "To try the rest again:\n  dstack apply")
}

func TestTerminalsThatCannotDraw(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]string{"a dumb terminal": "TERM=dumb", "somebody who wants it plain": "DSTACK_PLAIN=1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sit(t, folder(t, three), []string{env}, "apply", "--auto-approve")
			screen := s.ends(0)
			require.NotContains(t, s.shown(), "\x1b", "no sequence at all")
			require.NotContains(t, screen, "Applying ")
			require.Regexp(t, `(?m)^\d\d:\d\d:\d\d  volume\.aa  create  started$`, screen)
			require.Regexp(t, `(?m)^\d\d:\d\d:\d\d  volume\.bb  create  done in `, screen)
			require.Contains(t, screen, "\nApply finished: 3 done in ")
		})
	}
}

func TestPickingIsInterrupted(t *testing.T) {
	t.Parallel()
	s := sit(t, folder(t, three), nil, "apply")
	s.until(`anything else leaves everything as it is: `)
	s.types("p\n")
	s.until(`nothing goes back: `)
	s.types("\x03")
	screen := s.ends(130)
	require.Contains(t, screen, "\nInterrupted.")
	require.NotContains(t, screen, "Applying ")
	list := exec.Command(filepath.Join(bin, "dstack"), "state", "list")
	list.Dir, list.Env = s.cmd.Dir, s.cmd.Env
	out, err := list.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, string(out))
}
