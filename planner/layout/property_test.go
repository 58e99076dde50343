package layout

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dstackai/dstack-planner/internal/law"
)

// sloppy draws files that are HCL and stand as badly as HCL allows.
type sloppy struct{ t *rapid.T }

func (s sloppy) pick(label string, of ...string) string {
	return rapid.SampledFrom(of).Draw(s.t, label)
}

// gap is what may stand between two tokens of a line.
func (s sloppy) gap() string { return s.pick("gap", "", " ", "  ", "\t", " /* c */ ") }

// sep is a gap between words.
func (s sloppy) sep() string { return s.pick("sep", " ", "   ", "\t", " /* c */ ") }

// end is the end of a line, and what follows it.
func (s sloppy) end() string {
	return s.pick("end", "\n", "\n", " \n", "\n\n", "\n \n\n\n", "# c\n", "  // c\n", "\n# c\n\n", "\n  /* c\n  c */\n")
}

// feed is the end of a line between brackets.
func (s sloppy) feed() string { return s.pick("feed", "", "", "\n", "\n\n\n", " # c\n", "\n\n# c\n") }

func (s sloppy) name() string {
	return s.pick("name", "a", "nodes", "größe", "for_each", "x-y", "depends_on")
}

func (s sloppy) list(n int, item func() string, sep string) string {
	var out []string
	for range rapid.IntRange(0, n).Draw(s.t, "items") {
		out = append(out, s.feed()+item()+s.gap())
	}
	return strings.Join(out, sep)
}

func (s sloppy) expr(depth int) string {
	g := s.gap
	sub := func() string { return s.expr(depth - 1) }
	forms := []func() string{
		func() string {
			return s.pick("plain", "1", "-1", "0.5e3", "true", "null", `"x"`, `""`, `"$${X} %%{"`, "var.x", "task.a[0].b", "a.b[*].c", `"é\n\"q\""`)
		},
		func() string {
			return "<<EOT\n" + s.pick("heredoc", "", "  a\n\n\n b\n", "${var.x}\n", "%{ if true }\n x\n%{ endif }\n") + "EOT\n"
		},
		func() string { return "<<-EOT\n" + s.pick("heredoc", "    a\n\n      b\n", "\t${var.x}\n") + "  EOT\n" },
	}
	if depth > 0 {
		forms = append(
			forms,
			func() string { return "(" + s.feed() + sub() + s.feed() + ")" },
			func() string { return "[" + s.list(3, sub, ",") + s.feed() + "]" },
			func() string {
				return "{" + s.feed() + s.list(3, func() string {
					return s.pick("key", "a", `"b"`, "(var.k)", `"${var.k}"`) + g() + s.pick("is", "=", ":") + g() + s.flat(depth-1)
				}, ",") + s.feed() + "}"
			},
			func() string {
				return s.flat(depth-1) + g() + s.pick("op", "+", "-", "*", "/", "&&", "==", "<=") + g() + s.flat(depth-1)
			},
			func() string { return "!" + g() + s.flat(depth-1) },
			func() string {
				return s.flat(depth-1) + g() + "?" + g() + s.flat(depth-1) + g() + ":" + g() + s.flat(depth-1)
			},
			func() string { return "max(" + s.list(3, sub, ",") + ")" },
			func() string {
				return "[" + g() + "for" + s.sep() + "k" + g() + "," + g() + "v in" + s.sep() + s.flat(depth-1) + g() + ":" + g() + sub() + "]"
			},
			func() string { return `"${` + s.pick("strip", "", "~") + s.feed() + s.flat(depth-1) + s.feed() + `}"` },
			func() string { return `"a ${` + g() + s.flat(depth-1) + g() + `} b"` },
			func() string { return s.flat(depth - 1) },
		)
	}
	return rapid.SampledFrom(forms).Draw(s.t, "form")()
}

// flat is an expression without heredocs, which end their line.
func (s sloppy) flat(depth int) string {
	if e := s.expr(depth); !strings.Contains(e, "<<") {
		return e
	}
	return "var.flat"
}

func (s sloppy) body(depth int) string {
	var b strings.Builder
	for i := range rapid.IntRange(0, 4).Draw(s.t, "lines") {
		switch {
		case depth > 0 && rapid.Bool().Draw(s.t, "block"):
			label := s.pick("label", "", " \"a\"", "   b", " /* c */ a", "\t\"c\"")
			fmt.Fprintf(&b, "%s%s%s{%s%s}%s", s.gap(), s.name(), label+s.gap(), s.end(), s.body(depth-1), s.end())
		default:
			e := s.expr(3)
			if !strings.HasSuffix(e, "\n") {
				e += s.end()
			}
			fmt.Fprintf(&b, "%s%s%d%s=%s%s", s.gap(), s.name(), i, s.gap(), s.gap(), e)
		}
	}
	return b.String()
}

func TestSloppyFilesAreLaidOutOnceForAll(t *testing.T) {
	right := 0
	law.Check(t, 100, func(rt *rapid.T) {
		text := []byte(sloppy{rt}.body(2))
		if rapid.Bool().Draw(rt, "windows") {
			text = []byte(strings.ReplaceAll(string(text), "\n", "\r\n"))
		}
		got, list := Format("main.dstack.hcl", text)
		if list.HasErrors() {
			if list[0].Summary == "File is left as it is" {
				rt.Fatalf("refused:\n%s", text)
			}
			return // it was no HCL after all
		}
		right++
		if !same("main.dstack.hcl", text, got) {
			rt.Fatalf("something else is said by\n%s\nthan by\n%s", got, text)
		}
		if again, _ := Format("main.dstack.hcl", got); string(again) != string(got) {
			rt.Fatalf("\n%s\nbecomes\n%s", got, again)
		}
	})
	if right < 20 {
		t.Errorf("only %d files were HCL", right)
	}
}
