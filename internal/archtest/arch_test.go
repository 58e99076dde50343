package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/dstackai/dstack-planner/"

// pkg is what `go list -json` says about a package.
type pkg struct {
	ImportPath   string
	Doc          string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// law forbids imports to packages.
type law struct {
	reason string
	of     func(pkg string) bool
	not    func(imported, by string) bool
	tests  bool // the law holds for tests as well
}

// implementations are the providers that stand behind the contract.
var contract = []string{"providers", "providers/wire", "providers/wire/proto", "providers/launch", "providers/provtest", "providers/host", "providers/host/link", "providers/host/link/linktest", "providers/host/install"}

func isImplementation(p string) bool {
	return strings.HasPrefix(p, "providers/") && !slices.Contains(contract, p)
}

func under(root string) func(string) bool {
	return func(p string) bool { return p == root || strings.HasPrefix(p, root+"/") }
}

func among(names ...string) func(string) bool {
	return func(p string) bool { return slices.Contains(names, p) }
}

func imports(names ...string) func(string, string) bool {
	return func(imported, _ string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return imported == n || strings.HasPrefix(imported, n+"/") })
	}
}

func everywhereBut(roots ...string) func(string) bool {
	return func(p string) bool {
		return !slices.ContainsFunc(roots, func(r string) bool { return under(r)(p) })
	}
}

var laws = map[string]law{
	"planner knows the contract, never an implementation": {
		reason: "a third party's provider must be able to do everything that ours can",
		of:     under("planner"),
		not:    func(imported, _ string) bool { return isImplementation(imported) },
	},
	"planner does not start programs": {
		reason: "only the CLI meets launch and modfetch, so that the planner can be used and tested without processes",
		of:     under("planner"),
		not:    imports("providers/launch", "providers/wire", "modfetch", "gitrepo/checkout", "os/exec"),
	},
	"an implementation stands alone": {
		reason: "a provider is a separate program: what it needs of the rest must be in the contract",
		of:     isImplementation,
		not: func(imported, by string) bool {
			other := isImplementation(imported) && !strings.HasPrefix(imported+"/", room(by)+"/")
			return under("planner")(imported) || under("statefile")(imported) || other
		},
	},
	"a plan is readable by itself": {
		reason: "a saved plan is shown where there is neither a configuration nor a provider",
		of:     among("planner/plan"),
		not:    imports("planner/config", "providers", "statefile"),
	},
	"the deciding parts are pure": {
		reason: "what decides must give the same answer for the same input, and be tested without a world",
		of:     among("planner/desired", "planner/diff", "planner/move", "planner/offer", "planner/place", "planner/plan", "planner/render", "planner/graph", "planner/policy", "planner/chart", "planner/lint", "planner/draft", "planner/veil"),
		not: func(imported, by string) bool {
			if by == "planner/plan" && (imported == "os" || imported == "io/fs") {
				return false // file.go reads and writes saved plans
			}
			return slices.Contains([]string{"os", "os/exec", "io/ioutil", "net", "net/http", "log", "log/slog", "math/rand", "math/rand/v2", "crypto/rand"}, imported)
		},
	},
	"state knows nothing of the planner": {
		reason: "stores are written by other people, against storetest alone",
		of:     under("statefile"),
		not:    imports("planner", "providers", "schema", "github.com/zclconf/go-cty", "github.com/hashicorp/hcl"),
	},
	"the ground floor is the ground": {
		reason: "addr, diag and schema say what the system is; they know nothing above them",
		of: func(p string) bool {
			return under("addr")(p) || under("diag")(p) || under("schema")(p) || under("gitrepo")(p) || under("content")(p)
		},
		not: imports("planner", "providers", "statefile", "agent", "cmd"),
	},
	"the agent stands alone": {
		reason: "it runs on machines that know nothing of plans and providers, and its program must stay small",
		of:     func(p string) bool { return under("agent")(p) || under("cmd/dstack-agent")(p) },
		not:    imports("planner", "providers", "statefile", "github.com/hashicorp", "google.golang.org/grpc"),
	},
	"go-git is that of repositories": {
		reason: "how code comes from a server is decided in one place, for plans and jobs alike",
		of:     everywhereBut("gitrepo"),
		not:    imports("github.com/go-git"),
		tests:  true,
	},
	"Docker's client is the Docker runtime's": {
		reason: "a job's life is the same whatever runs it, and another engine is another package",
		of:     everywhereBut("agent/internal/runtime/docker"),
		not:    imports("github.com/moby", "github.com/docker", "github.com/containerd"),
		tests:  true,
	},
	"cobra is the command line's": {
		reason: "commands are a surface; what they do is elsewhere and can be used without them",
		of:     everywhereBut("cmd/dstack/internal/cli"),
		not:    imports("github.com/spf13/cobra", "github.com/spf13/pflag"),
		tests:  true,
	},
	"go-plugin is the wire's": {
		reason: "how a provider becomes a process is decided in one place",
		of:     everywhereBut("providers/wire", "providers/launch"),
		not:    imports("github.com/hashicorp/go-plugin"),
		tests:  true,
	},
	"clients of code hosts are those of pull requests": {
		reason: "how a comment gets to its pull request is decided in one place, and no plan depends on a host",
		of:     everywhereBut("pullrequest"),
		not:    imports("github.com/google/go-github", "gitlab.com/gitlab-org"),
		tests:  true,
	},
	"pull requests know nothing of plans": {
		reason: "what is written is the caller's, so that any text can be kept on a pull request",
		of:     under("pullrequest"),
		not:    imports("planner", "providers", "statefile", "agent", "schema", "cmd"),
		tests:  true,
	},
	"only the command line writes to pull requests": {
		reason: "what plans and applies must not depend on who talks about it",
		of:     everywhereBut("pullrequest", "cmd/dstack"),
		not:    imports("pullrequest"),
		tests:  true,
	},
	"a cloud's SDK is that cloud's": {
		reason: "SDKs are large; only the program that needs one carries it",
		of:     everywhereBut("providers/aws", "s3store"),
		not:    imports("github.com/aws"),
	},
}

// room is the folder of an implementation: providers/local for providers/local/x.
func room(p string) string {
	parts := strings.SplitN(p, "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/")
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Doc,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		all = append(all, p)
	}
	require.NotEmpty(t, all)
	return all
}

func TestLaws(t *testing.T) {
	all := packages(t)
	for name, l := range laws {
		t.Run(name, func(t *testing.T) {
			bound := 0
			for _, p := range all {
				by := strings.TrimPrefix(p.ImportPath, module)
				if !l.of(by) {
					continue
				}
				bound++
				list := p.Imports
				if l.tests {
					list = slices.Concat(p.Imports, p.TestImports, p.XTestImports)
				}
				for _, i := range list {
					imported := strings.TrimPrefix(i, module)
					if l.not(imported, by) {
						t.Errorf("%s imports %s.\nThe law: %s, because %s.", by, imported, name, l.reason)
					}
				}
			}
			require.NotZero(t, bound, "the law binds no package; is it still about something?")
		})
	}
}

// TestLawsCanBeBroken proves that each law would notice.
func TestLawsCanBeBroken(t *testing.T) {
	for name, tc := range map[string]struct{ by, imported string }{
		"planner knows the contract, never an implementation": {"planner/place", "providers/local"},
		"planner does not start programs":                     {"planner", "providers/launch"},
		"an implementation stands alone":                      {"providers/local", "providers/fake"},
		"a plan is readable by itself":                        {"planner/plan", "planner/config"},
		"the deciding parts are pure":                         {"planner/place", "net/http"},
		"state knows nothing of the planner":                  {"statefile", "schema"},
		"the ground floor is the ground":                      {"schema/value", "planner/plan"},
		"the agent stands alone":                              {"agent/client", "providers"},
		"go-git is that of repositories":                      {"planner/config", "github.com/go-git/go-git/v5"},
		"Docker's client is the Docker runtime's":             {"agent", "github.com/moby/moby/client"},
		"cobra is the command line's":                         {"cmd/dstack", "github.com/spf13/cobra"},
		"go-plugin is the wire's":                             {"planner", "github.com/hashicorp/go-plugin"},
		"clients of code hosts are those of pull requests":    {"planner/render", "github.com/google/go-github/v92/github"},
		"pull requests know nothing of plans":                 {"pullrequest", "planner/render"},
		"only the command line writes to pull requests":       {"planner", "pullrequest"},
		"a cloud's SDK is that cloud's":                       {"planner", "github.com/aws/aws-sdk-go-v2"},
	} {
		t.Run(name, func(t *testing.T) {
			l, ok := laws[name]
			require.True(t, ok)
			require.True(t, l.of(tc.by) && l.not(tc.imported, tc.by))
		})
	}
	require.False(t, laws["an implementation stands alone"].not("providers/local/inner", "providers/local"))
}

func TestEveryPackageSaysWhatItAnswers(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if path.Base(name) == "proto" || strings.HasPrefix(name, "cmd/") {
			continue
		}
		require.NotEmptyf(t, p.Doc, "%s has no package comment", name)
	}
}

func TestNoRoomIsCalledUtil(t *testing.T) {
	for _, p := range packages(t) {
		switch path.Base(p.ImportPath) {
		case "util", "utils", "common", "helper", "helpers", "manager", "misc":
			t.Errorf("%s: name a package after the question that it answers", p.ImportPath)
		}
	}
}
