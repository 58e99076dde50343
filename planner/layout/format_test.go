package layout

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestFormat(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"arguments in a row are aligned": {
			"fleet \"a\" {\nnodes=1\nplacement   = \"cluster\" # all\nblocks = 2 # two\n}\n",
			"fleet \"a\" {\n  nodes     = 1\n  placement = \"cluster\" # all\n  blocks    = 2         # two\n}\n",
		},
		"an empty file stays empty":                 {"", ""},
		"a file of blank lines becomes empty":       {"\n\n  \n", ""},
		"the last line ends":                        {"a = 1", "a = 1\n"},
		"labels get quotes":                         {"volume data {\n}\n", "volume \"data\" {\n}\n"},
		"a comment between labels stays":            {"volume /* the */ data {\n}\n", "volume /* the */ \"data\" {\n}\n"},
		"a template around one value goes":          {"a = \"${var.x}\"\n", "a = var.x\n"},
		"a template around one call goes":           {"a = \"${max(1, \"${2}\")}\"\n", "a = max(1, \"${2}\")\n"},
		"a template with strip marks goes":          {"a = \"${~ var.x ~}\"\n", "a = var.x\n"},
		"a template around several lines":           {"a = \"${\n  var.x\n  + 1\n}\"\n", "a = (var.x\n+ 1)\n"},
		"a template around lines in brackets":       {"a = \"${[\n  1,\n]}\"\n", "a = [\n  1,\n]\n"},
		"a template with a comment inside":          {"a = \"${var.x /* why */}\"\n", "a = var.x /* why */\n"},
		"a template with text stays":                {"a = \"${var.x}-\"\n", "a = \"${var.x}-\"\n"},
		"two interpolations stay":                   {"a = \"${var.x}${var.y}\"\n", "a = \"${var.x}${var.y}\"\n"},
		"a directive stays":                         {"a = \"%{if true}1%{endif}\"\n", "a = \"%{if true}1%{endif}\"\n"},
		"a key of an object stays":                  {"a = { \"${var.x}\" = 1 }\n", "a = { \"${var.x}\" = 1 }\n"},
		"an element of a list stays":                {"a = [\"${var.x}\"]\n", "a = [\"${var.x}\"]\n"},
		"a type in quotes stays":                    {"variable \"x\" {\n  type = \"string\"\n}\n", "variable \"x\" {\n  type = \"string\"\n}\n"},
		"blank lines: one is enough":                {"a = 1\n\n \t\n\nb = 2\n\n# c\n\n\n# d\n", "a = 1\n\nb = 2\n\n# c\n\n# d\n"},
		"blank lines: none at the ends of a block":  {"fleet \"a\" {\n\n\n  nodes = 1\n\n}\n", "fleet \"a\" {\n  nodes = 1\n}\n"},
		"blank lines: none at the ends of a list":   {"a = [\n\n  1,\n\n  2,\n\n]\n", "a = [\n  1,\n\n  2,\n]\n"},
		"blank lines: none at the ends of the file": {"\n\na = 1\n\n\n", "a = 1\n"},
		"blank lines: one before a comment stays":   {"fleet \"a\" {\n  # first\n\n  # second\n}\n", "fleet \"a\" {\n  # first\n\n  # second\n}\n"},
		"blank lines in a heredoc are text":         {"a = <<EOT\n\n\n x\n\n\nEOT\n", "a = <<EOT\n\n\n x\n\n\nEOT\n"},
		"a heredoc with its indent removed":         {"task \"a\" {\ncommands = [<<-EOT\n      one\n        two\n    EOT\n]\n}\n", "task \"a\" {\n  commands = [<<-EOT\n      one\n        two\n    EOT\n  ]\n}\n"},
		"line feeds of Windows stay":                {"a=1\r\n\r\n\r\nbb = 2 # c\r\n", "a = 1\r\n\r\nbb = 2 # c\r\n"},
		"a last line without the feed of Windows":   {"a=1\r\nb=2", "a = 1\r\nb = 2\r\n"},
		"text that is no ASCII is aligned by sight": {"größe = 1\na = \"ü\" # c\nbcdef = \"u\" # d\n", "größe = 1\na     = \"ü\" # c\nbcdef = \"u\" # d\n"},
		"a comment before everything":               {"\n// first\n\na=1\n", "// first\n\na = 1\n"},
		"a comment with stars over several lines":   {"/*\n  a\n*/\na=1\n", "/*\n  a\n*/\na = 1\n"},
		"a comment alone, without an end of line":   {"# c", "# c\n"},
		"a mark of byte order goes":                 {"\ufeffa = \"${var.x}\"\nb c {\n}\n", "a = var.x\nb \"c\" {\n}\n"},
		"a minus before a name":                     {"a = -var.x\nb = 1-2\n", "a = -var.x\nb = 1 - 2\n"},
		"a for expression":                          {"a = {for k,v in var.m: k=>v if v!=\"\"}\n", "a = { for k, v in var.m : k => v if v != \"\" }\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, list := Format("main.dstack.hcl", []byte(tc.text))
			require.NoError(t, list.Err())
			require.Empty(t, cmp.Diff(tc.want, string(got)))
			again, _ := Format("main.dstack.hcl", got)
			require.Equal(t, string(got), string(again))
		})
	}
}

func TestWrongTextsStay(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"no quotes":            {"volume \"data\" {\n  size = 500GB\n}\n", "Quotes are missing"},
		"an open block":        {"volume \"data\" {\n", "main.dstack.hcl:"},
		"two arguments":        {"volume \"data\" { size = \"1GB\", region = \"local\" }\n", "Two arguments"},
		"no text":              {"a = \"\xff\"\n", "main.dstack.hcl:1"},
		"brackets without end": {"a = " + strings.Repeat("[", 2000) + "\n", "too deep"},
		"the ${{ }} of dstack": {"task \"a\" {\n  commands = [\"${{ run.args }}\"]\n}\n", "${{ }}"},
	} {
		t.Run(name, func(t *testing.T) {
			got, list := Format("main.dstack.hcl", []byte(tc.text))
			require.ErrorContains(t, list.Err(), tc.want)
			require.Equal(t, tc.text, string(got))
			require.NotNil(t, list[0].Snippet)
		})
	}
}

// everyFile are the files of the language in the repository.
func everyFile(t testing.TB) map[string][]byte {
	out := map[string][]byte{}
	require.NoError(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2:
			return fs.SkipDir
		case d.Type().IsRegular() && (Formats(path) || strings.HasSuffix(path, ".txtar")):
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			if Formats(path) {
				out[path] = text
				return nil
			}
			for name, part := range partsOf(text) {
				out[path+"/"+name] = part
			}
		}
		return nil
	}))
	return out
}

// partsOf are the files of the language in a script.
func partsOf(text []byte) map[string][]byte {
	out := map[string][]byte{}
	name := ""
	for line := range strings.Lines(string(text)) {
		if head, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok && strings.HasSuffix(head, " --") {
			name = strings.TrimSuffix(head, " --")
			if !strings.HasSuffix(name, ".hcl") && !Formats(name) {
				name = ""
			}
			continue
		}
		if name != "" {
			out[name] = append(out[name], line...)
		}
	}
	return out
}

func TestEveryFileOfTheRepositoryCanBeLaidOut(t *testing.T) {
	files := everyFile(t)
	require.Greater(t, len(files), 20)
	for name, text := range files {
		lawful(t, name, text)
	}
}

func TestExamplesAndPagesAreLaidOut(t *testing.T) {
	seen := 0
	laidOut := func(name string, text []byte) {
		seen++
		got, list := Format(name, text)
		require.NoError(t, list.Err())
		require.Equal(t, string(got), string(text), name)
	}
	for name, text := range everyFile(t) {
		if strings.HasPrefix(name, "../../examples/") {
			laidOut(name, text)
		}
	}
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile("(?ms)^```hcl\n(.*?)^```").FindAllSubmatch(text, -1) {
			laidOut(page, m[1])
		}
	}
	require.Greater(t, seen, 5)
}

// lawful holds of every text: what is laid out says the same, and stays.
func lawful(t *testing.T, name string, text []byte) {
	t.Helper()
	got, list := Format(name, text)
	if list.HasErrors() {
		require.Equal(t, string(text), string(got))
		require.NotEqualf(t, "File is left as it is", list[0].Summary, "%s\n%s", name, text)
		return
	}
	require.Truef(t, same(name, text, got), "%s says something else:\n%s", name, got)
	again, list := Format(name, got)
	require.NoError(t, list.Err())
	require.Equal(t, string(got), string(again), name)
}

// TestDifferencesAreSeen proves that the comparison would notice.
func TestDifferencesAreSeen(t *testing.T) {
	text := "# c\nfleet \"a\" {\n  nodes = 1 + 2\n  env = { a = \"x\" }\n}\n"
	for name, change := range map[string][2]string{
		"another value":       {"1 +", "3 +"},
		"another operator":    {"1 +", "1 -"},
		"another name":        {"nodes", "node"},
		"another label":       {`"a"`, `"b"`},
		"a comment that left": {"# c\n", ""},
		"another comment":     {"# c", "# d"},
		"no text any more":    {`"x"`, "x"},
		"another key":         {"a =", "b ="},
		"another block":       {"fleet", "task"},
		"syntax":              {"{", ""},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(text, change[0], change[1], 1)
			require.NotEqual(t, text, changed)
			require.False(t, same("a", []byte(text), []byte(changed)))
			require.False(t, same("a", []byte(changed), []byte(text)))
		})
	}
	require.True(t, same("a", []byte(text), []byte(strings.ReplaceAll(text, "  ", "    "))))
}

func FuzzFormat(f *testing.F) {
	for _, text := range everyFile(f) {
		f.Add(text)
	}
	f.Add([]byte("a = \"${\n  [1, # one\n 2]\n}\" // x\r\n\r\n\r\nb c {\n d = <<-E\n  x\n E\n}"))
	f.Fuzz(func(t *testing.T, text []byte) { lawful(t, "main.dstack.hcl", text) })
}
