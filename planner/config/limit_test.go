package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/diag"
)

// doubled is n locals each of which is twice the one before.
func doubled(n int, first, twice string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "locals {\n  l0 = %s\n", first)
	for i := range n {
		fmt.Fprintf(&b, "  l%d = %s\n", i+1, strings.ReplaceAll(twice, "LAST", fmt.Sprintf("local.l%d", i)))
	}
	fmt.Fprintf(&b, "}\noutput \"all\" {\n  value = local.l%d\n}\n", n)
	return b.String()
}

// TestWhatNoMachineCanHoldIsRefused evaluates configurations of a few lines that would take for ever, or all memory.
func TestWhatNoMachineCanHoldIsRefused(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"texts that double":                    {doubled(60, `"0123456789"`, `"${LAST}${LAST}"`), "Value is too large"},
		"lists that double":                    {doubled(60, `[1]`, `[LAST, LAST]`), "Value is too large"},
		"lists that are put together":          {doubled(60, `[1]`, `concat(LAST, LAST)`), "Value is too large"},
		"texts that are joined":                {doubled(60, `"0123456789"`, `join("", [LAST, LAST])`), "Function failed"},
		"texts that join":                      {doubled(60, `"0123456789"`, `join(LAST, range(1000))`), "Function failed"},
		"texts that are encoded":               {doubled(60, `"0123456789"`, `jsonencode([LAST, LAST])`), "Value is too large"},
		"texts that are formatted":             {doubled(60, `"0123456789"`, `format("%s%s", LAST, LAST)`), "Function failed"},
		"texts that are formatted often":       {doubled(60, `"0123456789"`, `format("%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s", LAST)`), "Function failed"},
		"texts that are replaced":              {doubled(60, `"xxxx"`, `replace(LAST, "x", "xx")`), "Value is too large"},
		"texts that are replaced by a pattern": {doubled(60, `"xxxx"`, `replace(LAST, "/.+/", "$0$0$0$0")`), "Value is too large"},
		"letters that become texts":            {doubled(60, `"xxxx"`, `replace(LAST, "x", LAST)`), "Function failed"},
		"numbers that are squared":             {doubled(60, `999`, `LAST * LAST`), "Number is too large"},
		"a product of sets":                    {"locals {\n  r = range(1000)\n  x = setproduct(local.r, local.r, local.r)\n}\n", "Function failed"},
		"a wide number":                        {`locals { x = format("%1000000000d", 1) }`, "Invalid function argument"},
		"a deep indentation":                   {`locals { x = indent(1000000000, "a\nb") }`, "Function failed"},
		"a number with a long exponent":        {`output "x" { value = "${1e100000000}" }`, "Number is too large"},
		"a number with a small exponent":       {`output "x" { value = upper(-1e-100000000) }`, "Number is too large"},
		"a number in an index of a name":       {"locals { x = [1] }\noutput \"x\" {\n  value = local.x[1e100000000]\n}\n", "Number is too large"},
		"an infinite number":                   {`output "x" { value = upper(1e999999999) }`, "Number is too large"},
		"a number in an index":                 {`output "x" { value = { 1 = 2 }[1e100000000] }`, "Number is too large"},
		"a number that is read":                {`output "x" { value = upper(jsondecode("1e100000000")) }`, "Function failed"},
		"a number that is made of a text":      {`output "x" { value = "1e100000000" + 1 }`, "Number is too large"},
		"a variable":                           {"variable \"x\" {\n  type    = number\n  default = \"1e100000000\"\n}\n", "Number is too large"},
		"a costly hash":                        {`output "x" { value = bcrypt("x", 31) }`, "Invalid function argument"},
	} {
		t.Run(name, func(t *testing.T) {
			c, list := Load(t.Context(), LoadOptions{Sources: []Source{{Path: "main.dstack.hcl", Text: []byte(tt.text)}}})
			if !list.HasErrors() {
				list = append(list, c.Validate()...)
			}
			require.True(t, list.HasErrors())
			require.Contains(t, summaries(list), tt.want)
		})
	}
}

func summaries(list diag.List) []string {
	var out []string
	for _, d := range list.Errors() {
		out = append(out, d.Summary)
	}
	return out
}

func TestWhatIsLargeIsAllowed(t *testing.T) {
	c := load(t, `
locals {
  matrix = [for x in range(1000) : [for y in range(100) : x * y]]
  text   = join("\n", [for x in range(1000) : "line ${x} ${format("%200d", x)}"])
  pairs  = setproduct(range(200), range(200))
  object = { for x in range(1000) : "key-${x}" => { name = "name-${x}", list = range(10) } }
}
output "all" {
  value = [local.matrix[999][99], length(local.text), length(local.pairs), local.object["key-7"].name]
}`)
	require.Empty(t, rendered(c.Validate()))
}
