package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/stretchr/testify/require"
)

// terraformPath finds a Terraform of the version that the table was recorded with; "" if there is none.
func terraformPath(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("terraform")
	if err != nil {
		return ""
	}
	out, err := terraform(t, path, t.TempDir(), "", "version", "-json")
	var version struct {
		Terraform string `json:"terraform_version"`
	}
	if err != nil || json.Unmarshal([]byte(out), &version) != nil || !strings.HasPrefix(version.Terraform, "1.11.") {
		t.Logf("%s is version %q, and the table is of 1.11", path, version.Terraform)
		return ""
	}
	return path
}

// terraform runs a command of Terraform, which must not look for anything outside of its folder.
func terraform(t *testing.T, path, dir, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = []string{"CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE=" + os.DevNull, "TF_IN_AUTOMATION=1", "HOME=" + os.Getenv("HOME"), "PATH=" + os.Getenv("PATH")}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, stderr.String())
	}
	return stdout.String(), err
}

// terraformDir makes a folder in which Terraform's console knows what the expressions mention.
func terraformDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(tableDir)))
	require.NoError(t, os.Remove(filepath.Join(dir, "common.hcl")))
	text := tableText(t, "resource \"terraform_data\" \"unknown\" {}\nlocals {\n  unknown = terraform_data.unknown.id\n}\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.tf"), text, 0o600))
	return dir
}

// terraformAnswers asks the console of Terraform for all rows. It answers one expression in a run, so rows are asked for
// in lists, by what is expected of them: those that have a value together, and those with an error within can(...), which is
// then false. What does not parse, or takes down the console with an error that can(...) does not catch, is asked for
// alone.
func terraformAnswers(t *testing.T, path string, rows []*row) []worth {
	t.Helper()
	out := make([]worth, len(rows))
	evaluate := evaluator(t)
	var good, bad, alone []int
	for i, r := range rows {
		expected := r.own
		if r.theirs != nil {
			expected = *r.theirs
		}
		_, ds := hclsyntax.ParseExpression([]byte(r.text+"\n"), "", hcl.InitialPos)
		switch {
		case ds.HasErrors() || strings.HasPrefix(r.text, "type("):
			alone = append(alone, i)
		case !expected.failed:
			good = append(good, i)
		case evaluate("can(" + r.text + ")").failed:
			alone = append(alone, i)
		default:
			bad = append(bad, i)
		}
	}
	lanes := make(chan string, 2) // folders, of which the console locks the one that it runs in
	lanes <- terraformDir(t)
	lanes <- terraformDir(t)
	var wait sync.WaitGroup
	start := func(f func(dir string)) {
		dir := <-lanes
		wait.Go(func() {
			defer func() { lanes <- dir }()
			f(dir)
		})
	}
	start(func(dir string) { askTogether(t, path, dir, rows, good, false, out) })
	start(func(dir string) { askTogether(t, path, dir, rows, bad, true, out) })
	for _, i := range alone {
		start(func(dir string) { out[i] = askAlone(t, path, dir, rows[i].text) })
	}
	wait.Wait()
	return out
}

// askTogether asks for many rows of which all have a value, or none. Where that is not so it halves them.
func askTogether(t *testing.T, path, dir string, rows []*row, which []int, failing bool, out []worth) {
	t.Helper()
	if len(which) < 2 {
		for _, i := range which {
			out[i] = askAlone(t, path, dir, rows[i].text)
		}
		return
	}
	var list strings.Builder // between two answers stands a text that is none
	for n, i := range which {
		if failing {
			fmt.Fprintf(&list, "    can(%s\n),\n", rows[i].text)
		} else {
			fmt.Fprintf(&list, "    %s\n,\n", rows[i].text)
		}
		fmt.Fprintf(&list, "    \"answer %d\",\n", n)
	}
	printed, err := askLocal(t, path, dir, "[\n"+list.String()+"]")
	if err != nil {
		half := len(which) / 2
		askTogether(t, path, dir, rows, which[:half], failing, out)
		askTogether(t, path, dir, rows, which[half:], failing, out)
		return
	}
	rest := strings.TrimPrefix(printed, "[\n")
	for n, i := range which {
		element, after, ok := strings.Cut(rest, fmt.Sprintf("  \"answer %d\",\n", n))
		if !ok {
			t.Errorf("terraform console lost its answer to %s", rows[i].text)
			return
		}
		rest = after
		switch text := unlisted(element); {
		case !failing:
			out[i] = worth{text: visible(text)}
		case text == "false":
			out[i] = worth{text: "some error", failed: true}
		default:
			out[i] = askAlone(t, path, dir, rows[i].text)
		}
	}
}

// unlisted is an element of a list as it looks when it stands by itself.
func unlisted(element string) string {
	lines := strings.Split(strings.TrimSuffix(element, ",\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "  ")
	}
	text := strings.Join(lines, "\n")
	if rest, ok := strings.CutPrefix(text, "<<-"); ok {
		return "<<" + rest
	}
	return text
}

// askAlone asks for one expression.
func askAlone(t *testing.T, path, dir, text string) worth {
	t.Helper()
	var printed string
	var err error
	if strings.Contains(text, "\n") {
		printed, err = askLocal(t, path, dir, text)
	} else {
		printed, err = terraform(t, path, dir, text+"\n", "console", "-no-color")
	}
	if err != nil {
		return worth{text: firstWords(err), failed: true}
	}
	return worth{text: visible(strings.TrimSuffix(printed, "\n"))}
}

// askLocal asks for an expression of several lines, which the console takes as a local alone.
func askLocal(t *testing.T, path, dir, text string) (string, error) {
	t.Helper()
	file := filepath.Join(dir, "asked.tf")
	require.NoError(t, os.WriteFile(file, []byte("locals {\n  asked = "+text+"\n}\n"), 0o600))
	printed, err := terraform(t, path, dir, "local.asked\n", "console", "-no-color")
	require.NoError(t, os.Remove(file))
	if err == nil && strings.Contains(printed, "Due to the problems above") { // it goes on without the local
		err = errors.New(printed)
	}
	return printed, err
}

var errorTitle = regexp.MustCompile(`(?m)^(?:│ )?Error: (.*)$`)

// firstWords is the title of an error of Terraform's.
func firstWords(err error) string {
	if m := errorTitle.FindStringSubmatch(err.Error()); m != nil {
		return strings.TrimSpace(m[1])
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// TestTerraformAgreesWithTheTable asks the real Terraform for every row.
func TestTerraformAgreesWithTheTable(t *testing.T) {
	path := terraformPath(t)
	if path == "" {
		t.Skip("there is no terraform 1.11 on the PATH; its recorded answers stand in the table")
	}
	rows := readTable(t)
	for i, got := range terraformAnswers(t, path, rows) {
		r := rows[i]
		want := r.own
		if r.theirs != nil {
			want = *r.theirs
		}
		if !want.agrees(got) {
			t.Errorf("%s: %s\ntable: %s\nterraform: %s", r.section, r.text, want, got)
		}
	}
}

// terraformFunctions are the functions of Terraform 1.11, as terraform metadata functions lists them.
const terraformFunctions = `abs abspath alltrue anytrue base64decode base64encode base64gzip base64sha256 base64sha512
	basename bcrypt can ceil chomp chunklist cidrhost cidrnetmask cidrsubnet cidrsubnets coalesce coalescelist compact concat
	contains csvdecode dirname distinct element endswith ephemeralasnull file filebase64 filebase64sha256 filebase64sha512
	fileexists filemd5 fileset filesha1 filesha256 filesha512 flatten floor format formatdate formatlist indent index
	issensitive join jsondecode jsonencode keys length log lookup lower matchkeys max md5 merge min nonsensitive one
	parseint pathexpand plantimestamp pow range regex regexall replace reverse rsadecrypt sensitive setintersection
	setproduct setsubtract setunion sha1 sha256 sha512 signum slice sort split startswith strcontains strrev substr sum
	templatefile templatestring textdecodebase64 textencodebase64 timeadd timecmp timestamp title tobool tolist tomap
	tonumber toset tostring transpose trim trimprefix trimspace trimsuffix try upper urlencode uuid uuidv5 values yamldecode
	yamlencode zipmap`

func TestEveryFunctionOfTerraformIsHere(t *testing.T) {
	want := strings.Fields(terraformFunctions)
	require.Len(t, want, 118)
	have := functions(".", nil)
	table := map[string]bool{}
	for _, r := range readTable(t) {
		for _, call := range calledFunction.FindAllStringSubmatch(r.text, -1) {
			table[call[1]] = true
		}
	}
	for _, name := range want {
		require.Contains(t, have, name)
		require.True(t, table[name], "no row of the table calls %s", name)
	}
	path := terraformPath(t)
	if path == "" {
		return
	}
	printed, err := terraform(t, path, t.TempDir(), "", "metadata", "functions", "-json")
	require.NoError(t, err)
	var signatures struct {
		Functions map[string]any `json:"function_signatures"`
	}
	require.NoError(t, json.Unmarshal([]byte(printed), &signatures))
	for name := range signatures.Functions {
		require.Contains(t, want, strings.TrimPrefix(name, corePrefix))
	}
}

var calledFunction = regexp.MustCompile(`\b([a-z0-9]+)\(`)
