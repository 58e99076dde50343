package modsource

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want Source
		key  string
	}{
		"a folder below":                        {"./modules/net", Source{Path: "./modules/net"}, ""},
		"a folder beside":                       {"../shared", Source{Path: "../shared"}, ""},
		"a folder is shortened":                 {"././a/../b//c/", Source{Path: "./b/c"}, ""},
		"the folder itself":                     {".", Source{Path: "."}, ""},
		"the folder above":                      {"..", Source{Path: ".."}, ""},
		"a folder that looks like a hidden one": {"./.hidden", Source{Path: "./.hidden"}, ""},
		"a known host": {"github.com/acme/gpu", Source{Repo: "https://github.com/acme/gpu.git"},
			"git::https://github.com/acme/gpu.git"},
		"a known host with folder and tag": {"github.com/acme/gpu//fleets/a100?ref=v1.2.0", Source{Repo: "https://github.com/acme/gpu.git", Ref: "v1.2.0", Dir: "fleets/a100"},
			"git::https://github.com/acme/gpu.git?ref=v1.2.0"},
		"the same, spelt out": {"git::https://GitHub.com/acme/gpu.git//fleets/a100/?ref=v1.2.0", Source{Repo: "https://github.com/acme/gpu.git", Ref: "v1.2.0", Dir: "fleets/a100"},
			"git::https://github.com/acme/gpu.git?ref=v1.2.0"},
		"the same, as a browser shows it": {"https://github.com/acme/gpu//fleets/a100?ref=v1.2.0", Source{Repo: "https://github.com/acme/gpu.git", Ref: "v1.2.0", Dir: "fleets/a100"},
			"git::https://github.com/acme/gpu.git?ref=v1.2.0"},
		"groups nest on gitlab": {"gitlab.com/acme/infra/gpu//x", Source{Repo: "https://gitlab.com/acme/infra/gpu.git", Dir: "x"},
			"git::https://gitlab.com/acme/infra/gpu.git"},
		"https with .git": {"https://git.example.com:8443/a/b.git?ref=main", Source{Repo: "https://git.example.com:8443/a/b.git", Ref: "main"},
			"git::https://git.example.com:8443/a/b.git?ref=main"},
		"https without .git, forced": {"git::https://git.example.com/a/b//dir", Source{Repo: "https://git.example.com/a/b", Dir: "dir"},
			"git::https://git.example.com/a/b"},
		"ssh": {"git::ssh://git@example.com/a/b.git//d?ref=release/1.x", Source{Repo: "ssh://git@example.com/a/b.git", Dir: "d", Ref: "release/1.x"},
			"git::ssh://git@example.com/a/b.git?ref=release/1.x"},
		"ssh without git::": {"ssh://git@example.com/a/b.git", Source{Repo: "ssh://git@example.com/a/b.git"}, "git::ssh://git@example.com/a/b.git"},
		"the short form of ssh": {"git@github.com:acme/gpu.git//dir?ref=v1", Source{Repo: "git@github.com:acme/gpu.git", Dir: "dir", Ref: "v1"},
			"git::git@github.com:acme/gpu.git?ref=v1"},
		"the short form, forced": {"git::git@github.com:acme/gpu.git", Source{Repo: "git@github.com:acme/gpu.git"}, "git::git@github.com:acme/gpu.git"},
		"a commit": {"github.com/acme/gpu?ref=0a4d55a8d778e5022fab701977c5d840bbc486d0", Source{Repo: "https://github.com/acme/gpu.git", Ref: "0a4d55a8d778e5022fab701977c5d840bbc486d0"},
			"git::https://github.com/acme/gpu.git?ref=0a4d55a8d778e5022fab701977c5d840bbc486d0"},
		"a version with a plus": {"github.com/acme/gpu?ref=v1.0.0+build.5", Source{Repo: "https://github.com/acme/gpu.git", Ref: "v1.0.0+build.5"},
			"git::https://github.com/acme/gpu.git?ref=v1.0.0+build.5"},
		"an escaped ref": {"github.com/acme/gpu?ref=release%2F1", Source{Repo: "https://github.com/acme/gpu.git", Ref: "release/1"},
			"git::https://github.com/acme/gpu.git?ref=release/1"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(tc.in)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(tc.want, got))
			require.Equal(t, tc.key, got.Key())
			again, err := Parse(got.String())
			require.NoError(t, err, "what a source prints, it reads")
			require.Equal(t, got, again)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"nothing":                             {"", "the source is empty"},
		"a folder without its dot":            {"modules/net", "  ./modules/net\n"},
		"an address of a registry":            {"terraform-aws-modules/vpc/aws", "There is no registry of modules"},
		"a single word":                       {"net", `"net" is neither a folder nor a repository`},
		"an absolute path":                    {"/srv/modules", "relative"},
		"a home folder":                       {"~/modules", "relative"},
		"a path of Windows":                   {`.\modules`, "backslashes"},
		"a space":                             {"./my modules", "spaces"},
		"an archive":                          {"https://example.com/m.zip", "git::https://example.com/m.zip"},
		"a bucket":                            {"s3::https://s3.amazonaws.com/b/m.zip", `"s3::" is no kind of source`},
		"a transport that runs programs":      {"git::ext::sh -c x", "spaces"},
		"a transport that runs programs, too": {"git::ext::sh", "no address of a repository"},
		"http":                                {"git::http://example.com/a.git", "everybody on the way"},
		"git's own protocol":                  {"git::git://example.com/a.git", "everybody on the way"},
		"a file":                              {"git::file:///srv/a.git", "begins with ./"},
		"a scheme that nobody knows":          {"gopher://example.com/a.git", "gopher://"},
		"an option for ssh as host":           {"git::ssh://-oProxyCommand=x/a.git", "cannot be read"},
		"an option for ssh as short host":     {"git@-oProxyCommand:x.git", "cannot be read"},
		"an option for git as path":           {"git@example.com:-x", "cannot be read"},
		"an option as ref":                    {"github.com/a/b?ref=--upload-pack=x", "can be no tag"},
		"a ref with a range":                  {"github.com/a/b?ref=a..b", "can be no tag"},
		"a ref with a glob":                   {"github.com/a/b?ref=v*", "can be no tag"},
		"an empty ref":                        {"github.com/a/b?ref=", "can be no tag"},
		"two refs":                            {"github.com/a/b?ref=a&ref=b", "twice"},
		"a bad escape":                        {"github.com/a/b?ref=%zz", "two hexadecimal digits"},
		"another parameter":                   {"github.com/a/b?depth=1", `"depth" is nothing`},
		"a fragment":                          {"github.com/a/b#v1", "?ref=v1.2.0"},
		"out of the repository":               {"github.com/a/b//../c", "no folder in the repository"},
		"into .git":                           {"github.com/a/b//.git/hooks", "no folder in the repository"},
		"a folder after one slash":            {"github.com/a/b/dir", "github.com/a/b//dir"},
		"a folder after one slash and .git":   {"https://example.com/b.git/dir", "b.git//dir"},
		"a group alone":                       {"github.com/acme", "github.com/ORG/REPO"},
		"a host alone":                        {"git::https://example.com/", "names no repository"},
		"a page of a host":                    {"https://github.com/a/b/tree/main", "two slashes"},
		"an address that climbs":              {"git::https://example.com/a/../b.git", "no .. in it"},
		"a template that was not evaluated":   {"github.com/a/${var.b}", "characters"},
		"too long":                            {"github.com/a/" + strings.Repeat("b", 2000), "characters"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(tc.in)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestParseRefusesSecretsAndDoesNotRepeatThem(t *testing.T) {
	const canary = "s3cr3t-c4n4ry"
	for name, in := range map[string]string{
		"a password":                    "git::https://me:" + canary + "@example.com/a/b.git//d?ref=v1",
		"a token for a user":            "https://" + canary + "@github.com/a/b.git",
		"a token for a known host":      canary + "@github.com/a/b.git",
		"a password for ssh":            "git::ssh://git:" + canary + "@example.com/a.git",
		"a password in the short form":  "git:" + canary + "@example.com:a.git",
		"a token as parameter":          "git::https://example.com/a.git?access_token=" + canary,
		"a token as query":              "git::https://example.com/a.git?" + canary,
		"a token as fragment":           "git::https://example.com/a.git#" + canary,
		"a token for an unknown scheme": "gopher://" + canary + "@example.com/a.git",
		"a token and a space":           "https://" + canary + "@example.com/a b.git",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(in)
			require.Error(t, err)
			require.NotContains(t, err.Error(), canary)
		})
	}
	_, err := Parse("https://me:" + canary + "@github.com/a/b.git")
	require.ErrorContains(t, err, "credential helper")
	require.ErrorContains(t, err, "git@github.com:a/b.git")
}

func TestName(t *testing.T) {
	for in, want := range map[string]string{
		"github.com/acme/gpu":                      "gpu",
		"git@example.com:gpu.git":                  "gpu",
		"git::https://example.com/x/%C3%BC%20.git": "-C3-BC-20",
		"git::https://example.com/a/.git":          "module",
	} {
		s, err := Parse(in)
		require.NoError(t, err)
		require.Equal(t, want, s.Name())
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"./a", "../b", "github.com/a/b//c?ref=v1", "git::ssh://git@h/a.git", "git@h:a.git//d", "https://h/a.git", "a::b", "://", "git::", "//", "?ref="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(s.String())
		require.NoError(t, err, "%q prints as %q", text, s)
		require.Equal(t, s, again)
		require.NotContains(t, "/"+s.Dir+"/", "/../")
	})
}
