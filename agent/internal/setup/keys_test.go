package setup_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/setup"
)

const otherKey = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY= you@desk"

func bare(key string) string {
	f := strings.Fields(key)
	return f[0] + " " + f[1]
}

func TestKeys(t *testing.T) {
	mark := " (dstack l a[0]"
	for name, tc := range map[string]struct {
		before string // "-" is no folder, "" no file
		keys   []string
		after  string
	}{
		"a login without keys":                       {"-", []string{key}, bare(key) + mark + "; with the folder)\n"},
		"a folder without the file":                  {"", []string{key}, bare(key) + mark + "; with the file)\n"},
		"a file with a line":                         {"ssh-rsa AAAAB x\n", []string{key}, "ssh-rsa AAAAB x\n" + bare(key) + mark + ")\n"},
		"a file whose last line does not end":        {"ssh-rsa AAAAB x", []string{key}, "ssh-rsa AAAAB x\n" + bare(key) + mark + "; with a line end)\n"},
		"several keys":                               {"-", []string{key, otherKey}, bare(key) + mark + "; with the folder)\n" + bare(otherKey) + mark + ")\n"},
		"one that is there is not ours":              {"from=\"10.0.0.0/8\" " + key + "\n", []string{key}, "from=\"10.0.0.0/8\" " + key + "\n"},
		"the same twice":                             {"-", []string{key, key}, bare(key) + mark + "; with the folder)\n"},
		"options are not taken over":                 {"", []string{"no-pty " + key}, bare(key) + mark + "; with the file)\n"},
		"a line of another owner stays":              {key + " (dstack l b)\n", []string{otherKey}, key + " (dstack l b)\n" + bare(otherKey) + mark + ")\n"},
		"comments and empty lines stay as they were": {"# mine\n\n\tssh-rsa AAAAB x\r\n", []string{key}, "# mine\n\n\tssh-rsa AAAAB x\r\n" + bare(key) + mark + ")\n"},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			path := filepath.Join(home, ".ssh", "authorized_keys")
			if tc.before != "-" {
				require.NoError(t, os.Mkdir(filepath.Join(home, ".ssh"), 0o700))
			}
			if tc.before != "-" && tc.before != "" {
				require.NoError(t, os.WriteFile(path, []byte(tc.before), 0o640))
			}
			e := setup.KeyEdit{Home: home, Owner: api.Owner{Lineage: "l", Address: "a[0]"}, Keys: tc.keys}
			preview := e
			preview.Preview = true
			would := preview.Apply()
			did := e.Apply()
			require.Empty(t, did.Error)
			require.Equal(t, would, did)
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(tc.after, string(text)))
			require.Empty(t, e.Apply().Did, "again changes nothing")

			e.Keys = nil
			require.Empty(t, e.Apply().Error)
			switch tc.before {
			case "-":
				require.NoDirExists(t, filepath.Join(home, ".ssh"))
			case "":
				require.NoFileExists(t, path)
			default:
				text, err := os.ReadFile(path)
				require.NoError(t, err)
				require.Empty(t, cmp.Diff(tc.before, string(text)))
				info, err := os.Stat(path)
				require.NoError(t, err)
				require.EqualValues(t, 0o640, info.Mode().Perm())
			}
		})
	}
}

// Keys come and go one by one; in the end all is as it was.
func TestKeysChange(t *testing.T) {
	for _, before := range []string{"-", "ssh-rsa AAAAB x"} {
		home := t.TempDir()
		path := filepath.Join(home, ".ssh", "authorized_keys")
		if before != "-" {
			require.NoError(t, os.Mkdir(filepath.Join(home, ".ssh"), 0o700))
			require.NoError(t, os.WriteFile(path, []byte(before), 0o600))
		}
		for _, keys := range [][]string{{key}, {key, otherKey}, {otherKey}, {key}, {otherKey, key}, nil} {
			a := setup.KeyEdit{Home: home, Owner: api.Owner{Lineage: "l", Address: "a[0]"}, Keys: keys}.Apply()
			require.Empty(t, a.Error)
			text, _ := os.ReadFile(path)
			for _, k := range []string{key, otherKey} {
				want := 0
				for _, w := range keys {
					if w == k {
						want = 1
					}
				}
				require.Equal(t, want, strings.Count(string(text), bare(k)+" "), "%v: %s", keys, text)
			}
		}
		if before == "-" {
			require.NoDirExists(t, filepath.Join(home, ".ssh"))
		} else {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, before, string(text))
		}
	}
}

func TestKeysOfAnotherPlace(t *testing.T) {
	home, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(elsewhere, []byte("ssh-rsa AAAAB x\n"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(home, ".ssh"), 0o700))
	path := filepath.Join(home, ".ssh", "authorized_keys")
	require.NoError(t, os.Symlink(elsewhere, path))
	owner := api.Owner{Lineage: "l", Address: "a[0]"}
	for _, keys := range [][]string{{key}, {otherKey}, nil} {
		require.Empty(t, setup.KeyEdit{Home: home, Owner: owner, Keys: keys}.Apply().Error)
		target, err := os.Readlink(path)
		require.NoError(t, err)
		require.Equal(t, elsewhere, target)
	}
	text, err := os.ReadFile(elsewhere)
	require.NoError(t, err)
	require.Equal(t, "ssh-rsa AAAAB x\n", string(text))
	a := setup.KeyEdit{Home: home, Owner: owner, Keys: []string{"nonsense"}}.Apply()
	require.Equal(t, `"nonsense" is no public key`, a.Error)
}
