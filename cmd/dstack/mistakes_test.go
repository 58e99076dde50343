package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/internal/golden"
)

// TestMistakes runs each mistake of testdata/mistakes: a configuration that is wrong in one way, and what a user reads.
func TestMistakes(t *testing.T) {
	p := scripts(t, "testdata/mistakes")
	p.UpdateScripts = golden.Updating()
	testscript.Run(t, p)
}

// placeless are the mistakes that have no line in a file to show.
var placeless = map[string]bool{
	"large_file": true, "no_files": true, "terraform_files": true, "yaml_files": true, // there is no line
	"var_file_missing": true, "var_not_declared": true, // it stands on the command line
}

var (
	place = regexp.MustCompile(`(?m)^  on \S+ line \d+`)
	mark  = regexp.MustCompile(`(?m)^ *\^+$`)
)

// TestMistakesSayWhereAndWhatToDo reads the golden files of the mistakes as a whole.
func TestMistakesSayWhereAndWhatToDo(t *testing.T) {
	paths, err := filepath.Glob("testdata/mistakes/*.txtar")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(paths), 80, "mistakes of every kind are there")
	said := map[string]string{}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		a := txtar.Parse(text)
		require.True(t, strings.HasPrefix(string(a.Comment), "# "), "%s says what the mistake is", name)
		i := len(a.Files) - 1
		require.Equal(t, "want.txt", a.Files[i].Name, name)
		want := string(a.Files[i].Data)
		require.True(t, strings.HasPrefix(want, "Error: ") || strings.HasPrefix(want, "Warning: "), name)
		require.Empty(t, said[want], "%s says the same as %s", name, said[want])
		said[want] = name
		if !placeless[name] {
			require.Regexp(t, place, want, name)
			require.Regexp(t, mark, want, name)
		}
	}
}
