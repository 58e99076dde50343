// Package golden answers: is this text still what it was?
//
// A golden file holds what a test is to produce. `go test ./path/... -update` writes the files anew; the reader of the
// change then reads what the feature looks like.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files anew")

// Updating tells whether -update was given, for a test that keeps its golden files by itself.
func Updating() bool { return *update }

// Assert compares got with the file at path, relative to the test's folder. With -update it writes the file.
func Assert(t testing.TB, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v\nTo write it: go test -update\ngot:\n%s", err, got)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s\ngot:\n%s", path, d, got)
	}
}
