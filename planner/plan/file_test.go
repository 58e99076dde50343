package plan_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/planner/plan"
)

func sample(at time.Time) *plan.Plan {
	return &plan.Plan{
		FormatVersion: plan.FormatVersion, DstackVersion: "1.2.3", ID: "0123456789abcdef", CreatedAt: at, Lineage: "l", Serial: 3, Head: "h", Store: "a folder",
		Complete: true, Summary: plan.Summary{Replace: 1}, Unchanged: 2,
		Changes: []*plan.Change{{
			Address: `fleet.lab["eu"].instance[0]`, Kind: "instance", Backend: "aws", Action: plan.DeleteThenCreate, Reason: "new block",
			Before: json.RawMessage(`{"a":"<&>","b":[1,2.50]}`), After: json.RawMessage(`null`), AfterUnknown: []string{"id"},
		}},
		Drift: []*plan.Drift{}, Outputs: map[string]*plan.Output{"url": {Action: plan.Create, After: json.RawMessage(`"http://x?a=1&b=2"`)}},
		Policies: []plan.Policy{}, Steps: []plan.Step{{Address: "a", Op: plan.OpCreate}, {Address: "b", Op: plan.OpDelete, Needs: []int{0}}},
		Sources: []plan.Source{{Path: "main.dstack.hcl", Text: "# <\u2028>\n", Digest: "sha256:00"}},
	}
}

var madeAt = time.Date(2026, 11, 23, 14, 2, 11, 250_000_000, time.UTC)

func TestASavedPlanIsReadAsItWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "night.plan")
	require.NoError(t, plan.Write(path, sample(madeAt)))
	got, err := plan.Read(path)
	require.NoError(t, err)
	want, err := json.Marshal(sample(madeAt))
	require.NoError(t, err)
	have, err := json.Marshal(got)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(want), string(have)))

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "a temporary file was left")
}

func TestTwoPlansOfTheSameInputsDifferInCreatedAtAlone(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "1.plan"), filepath.Join(dir, "2.plan")
	require.NoError(t, plan.Write(one, sample(madeAt)))
	require.NoError(t, plan.Write(two, sample(madeAt.Add(time.Hour))))
	a, b := read(t, one), read(t, two)
	var differ []string
	bs := strings.Split(string(b), "\n")
	for i, line := range strings.Split(string(a), "\n") {
		if line != bs[i] {
			differ = append(differ, line)
		}
	}
	require.Equal(t, []string{`"created_at": "2026-11-23T14:02:11.25Z",`}, differ)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

func TestFilesThatAreNoPlan(t *testing.T) {
	path := filepath.Join(t.TempDir(), "night.plan")
	require.NoError(t, plan.Write(path, sample(madeAt)))
	whole := read(t, path)
	sized := regexp.MustCompile(`"bytes": \d+`)
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"an empty file":                    {nil, "it is empty"},
		"text":                             {[]byte("volume \"data\" {}\n"), "not a file that dstack plan --out has written"},
		"what show --json prints":          {[]byte(`{"format_version": "1.0"}`), "not a file that dstack plan --out has written"},
		"cut off at the end":               {whole[:len(whole)-3], "it is not whole"},
		"cut off in the first line":        {whole[:18], "it is not whole"},
		"cut off behind its header":        {whole[:bytes.Index(whole, []byte("}\n"))+2], "it is not whole"},
		"cut off in its header":            {whole[:60], "it is not whole"},
		"one letter of a reason changed":   {repacked(t, whole, "new block", "old block"), "does not match its checksum"},
		"one byte changed":                 {flipped(whole, len(whole)-20), "does not match its checksum"},
		"it unpacks to more than it says":  {sized.ReplaceAll(whole, []byte(`"bytes": 5`)), "does not match its checksum"},
		"it says that it is huge":          {sized.ReplaceAll(whole, []byte(`"bytes": 9999999999999`)), "does not match its checksum"},
		"another time":                     {bytes.Replace(whole, []byte(`"created_at": "2026`), []byte(`"created_at": "x026`), 1), "it is not whole"},
		"a later envelope":                 {bytes.Replace(whole, []byte(`"dstack_plan": 1`), []byte(`"dstack_plan": 2`), 1), "its format is 2, and this dstack reads up to 1"},
		"a later envelope of another form": {[]byte("{\"dstack_plan\": 7,\nsealed"), "its format is 7"},
		"an envelope without a format":     {[]byte(`{"dstack_plan": 0}`), "not a file that dstack plan --out has written"},
		"two plans in one file":            {append(bytes.Clone(whole), whole...), "does not match its checksum"},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(path, tc.data, 0o600))
			_, err := plan.Read(path)
			var wrong *plan.FileError
			require.ErrorAs(t, err, &wrong)
			require.Contains(t, err.Error(), tc.want)
			require.Contains(t, err.Error(), path)
			require.NotEmpty(t, wrong.Fix)
		})
	}
}

// repacked is a saved plan with other content under the same header.
func repacked(t *testing.T, whole []byte, old, with string) []byte {
	t.Helper()
	at := bytes.Index(whole, []byte("}\n")) + 2
	z, err := gzip.NewReader(bytes.NewReader(whole[at:]))
	require.NoError(t, err)
	body, err := io.ReadAll(z)
	require.NoError(t, err)
	changed := bytes.Replace(body, []byte(old), []byte(with), 1)
	require.NotEqual(t, body, changed)
	out := bytes.NewBuffer(bytes.Clone(whole[:at]))
	w := gzip.NewWriter(out)
	_, err = w.Write(changed)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func flipped(data []byte, at int) []byte {
	out := bytes.Clone(data)
	out[at] ^= 1
	return out
}

func TestASavedPlanIsCompact(t *testing.T) {
	p := sample(madeAt)
	one := p.Changes[0]
	p.Changes = nil
	for i := range 1000 {
		c := *one
		c.Address = fmt.Sprintf("fleet.lab.instance[%d]", i)
		p.Changes = append(p.Changes, &c)
	}
	path := filepath.Join(t.TempDir(), "large.plan")
	require.NoError(t, plan.Write(path, p))
	text, err := json.Marshal(p)
	require.NoError(t, err)
	require.Less(t, len(read(t, path)), len(text)/10)
}

func TestAPlanOfALaterFormatIsNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "night.plan")
	p := sample(madeAt)
	p.FormatVersion = "2.0"
	require.NoError(t, plan.Write(path, p))
	_, err := plan.Read(path)
	require.ErrorContains(t, err, `its format is "2.0", and this dstack reads `+plan.FormatVersion)
	require.ErrorContains(t, err, "dstack 1.2.3")
}

func TestAPlanOfALaterMinorFormatIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "night.plan")
	p := sample(madeAt)
	p.FormatVersion = "1.9"
	require.NoError(t, plan.Write(path, p))
	_, err := plan.Read(path)
	require.NoError(t, err)
}

func TestAFileThatIsNotThere(t *testing.T) {
	_, err := plan.Read(filepath.Join(t.TempDir(), "no.plan"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func FuzzRead(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed.plan")
	require.NoError(f, plan.Write(path, sample(madeAt)))
	data, err := os.ReadFile(path)
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte(`{"dstack_plan": 1, "plan": {}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x.plan")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		if p, err := plan.Read(path); err == nil && p == nil {
			t.Fatal("neither a plan nor an error")
		}
	})
}
