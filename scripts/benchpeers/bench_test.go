package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// actor is a program that behaves as a tool does to who only counts folders and looks at exit codes.
const actor = `#!/bin/sh
volumes="$DSTACK_HOME/local/volumes"
count() { cat ./*.dstack.hcl | grep -c '^volume'; }
case "$1" in
plan) [ -d "$volumes" ] && exit 0; exit 2 ;;
apply) i=0; while [ $i -lt $(count) ]; do mkdir -p "$volumes/$i"; i=$((i+1)); done ;;
destroy) WRECK rm -rf "$volumes" ;;
version) echo "actor 1" ;;
esac
`

// peer is a program that does nothing, slowly.
const peer = `#!/bin/sh
case "$1" in
plan) sleep 0.05; [ -f applied ] && exit 0; exit 2 ;;
apply) sleep 0.2; touch applied ;;
version) echo "peer 1" ;;
esac
`

func programs(t *testing.T, wreck string) (bin string) {
	t.Helper()
	bin = t.TempDir()
	for name, text := range map[string]string{"dstack": strings.ReplaceAll(actor, "WRECK", wreck), "dstack-provider-local": "", "terraform": peer} {
		require.NoError(t, os.WriteFile(filepath.Join(bin, name), []byte(text), 0o700))
	}
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	t.Setenv("TMPDIR", t.TempDir())
	return bin
}

func runIn(bin string, t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out, talk bytes.Buffer
	err := run(t.Context(), args, func(name string) string { return map[string]string{"BIN": bin}[name] }, &out, &talk)
	return out.String(), err
}

func TestRunMeasuresAllAndLeavesNothing(t *testing.T) {
	bin := programs(t, "")
	out, err := runIn(bin, t, "-sizes", "3,6", "-runs", "2", "-large", "0", "-linked", "0")
	require.NoError(t, err)
	for _, want := range []string{"actor 1", "peer 1", "independent, 3 resources", "apply of an update to each", "tofu       not on the PATH", "required", "apply of 6 (independent): times faster than terraform"} {
		require.Contains(t, out, want)
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestRunStopsWhenATool(t *testing.T) {
	for name, tc := range map[string]struct{ wreck, want string }{
		"fails":                        {"exit 7;", "dstack, destroy: dstack destroy --auto-approve --no-color: exit code 7 instead of 0"},
		"does not do what it says":     {"exit 0;", "dstack, destroy: 3 volumes are there afterwards instead of 0"},
		"takes longer than it may":     {"exec sleep 60;", "not finished after"},
		"writes something and fails":   {"echo the reason; exit 1;", "the reason"},
		"fails with an exit code of 2": {"exit 2;", "exit code 2 instead of 0"},
	} {
		t.Run(name, func(t *testing.T) {
			bin := programs(t, tc.wreck)
			_, err := runIn(bin, t, "-sizes", "3", "-runs", "1", "-large", "0", "-linked", "0", "-peers=false", "-limit", "2s")
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestRunRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"a size that is no number": {[]string{"-sizes", "1,x"}, `"x" is no number above 0`},
		"a size of nought":         {[]string{"-sizes", "0"}, "no number above 0"},
		"no runs":                  {[]string{"-runs", "0"}, "-runs must be above 0"},
		"words":                    {[]string{"fast"}, `not "fast"`},
		"a folder without dstack":  {nil, "build it with `make build`"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := runIn(t.TempDir(), t, tc.args...)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestTwoRunsDoNotOverlap(t *testing.T) {
	bin := programs(t, "")
	release, err := lock(bin)
	require.NoError(t, err)
	_, err = runIn(bin, t, "-sizes", "1")
	require.ErrorContains(t, err, "another run of benchpeers")
	release()
	release, err = lock(bin)
	require.NoError(t, err)
	release()
}

func TestStrictFailsBelowABar(t *testing.T) {
	bin := programs(t, "sleep 0.3;") // slower than the peer
	out, err := runIn(bin, t, "-sizes", "2", "-runs", "1", "-large", "0", "-linked", "0", "-strict")
	require.ErrorIs(t, err, errBelow)
	require.Contains(t, out, "FAIL  destroy of 2")
	_, err = runIn(bin, t, "-sizes", "2", "-runs", "1", "-large", "0", "-linked", "0")
	require.NoError(t, err)
}

func TestShapes(t *testing.T) {
	for name, tc := range map[string]struct {
		shape shape
		want  string
	}{
		"a chain refers to the one before": {chain, `resource "terraform_data" "v00000" {
  input = {
    name    = "v-00000"
    backend = "local"
    region  = "local"
    size    = "1GB"
  }
}

resource "terraform_data" "v00001" {
  input = {
    name    = "v-00001${substr(terraform_data.v00000.input.name, 0, 1)}"
    backend = "local"
    region  = "local"
    size    = "1GB"
  }
}
`},
		"pairs refer by index": {couples, `resource "terraform_data" "a" {
  count = 1
  input = {
    name    = "a-${count.index}"
    backend = "local"
    region  = "local"
    size    = "1GB"
  }
}

resource "terraform_data" "b" {
  count = 1
  input = {
    name    = "b-${count.index}${substr(terraform_data.a[count.index].input.name, 0, 1)}"
    backend = "local"
    region  = "local"
    size    = "1GB"
  }
}
`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, writePeers(dir, tc.shape, 2, "1GB"))
			names, err := filepath.Glob(filepath.Join(dir, "*.tf"))
			require.NoError(t, err)
			var got []string
			for _, n := range names {
				text, err := os.ReadFile(n)
				require.NoError(t, err)
				got = append(got, strings.TrimSpace(string(text)))
			}
			require.Empty(t, cmp.Diff(strings.TrimSpace(tc.want), strings.Join(got, "\n\n")))
			require.NoError(t, writeOurs(dir, tc.shape, 2, "1GB"))
			require.NoError(t, parseOnly(dir))
		})
	}
}

func TestMedian(t *testing.T) {
	at := measured{"dstack", flat, 1, "apply"}
	b := bench{took: map[measured][]taken{at: {{3 * time.Second, 5}, {time.Second, 9}, {2 * time.Second, 1}}}}
	got, ok := b.median(at)
	require.True(t, ok)
	require.Equal(t, taken{2 * time.Second, 9}, got)
	b.took[at] = append(b.took[at], taken{4 * time.Second, 0})
	got, _ = b.median(at)
	require.Equal(t, 2500*time.Millisecond, got.wall)
	_, ok = b.median(measured{})
	require.False(t, ok)
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 10_050: "10,050", 1_000_000: "1,000,000"} {
		require.Equal(t, want, thousands(n))
	}
}
