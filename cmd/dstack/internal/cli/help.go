package cli

import (
	"fmt"
	"strings"

	"github.com/mitchellh/go-wordwrap"
	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/schema"
)

// helpCommand prints the help of a command, or the properties of a block of the language.
func helpCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "help [COMMAND | BLOCK]", Short: "Print the help of a command, or what can be written in a block",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return blockNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			if len(args) == 0 {
				return root.Help()
			}
			// fleet, volume and gateway are both: commands have --help, so help explains the block.
			if b, ok := schema.BlockTypeOf(strings.ReplaceAll(args[0], "-", "_")); ok && len(args) == 1 {
				a.printf("%s", blockHelp(b, a.width()))
				return nil
			}
			if found, rest, err := root.Find(args); err == nil && found != root && len(rest) == 0 {
				return found.Help()
			}
			known := blockNames()
			for _, c := range root.Commands() {
				known = append(known, c.Name())
			}
			return usage(cmd, "There is neither a command nor a block %q.%s The blocks are %s.", strings.Join(args, " "), schema.DidYouMean(args[0], known), strings.Join(blockNames(), ", "))
		},
	}
	return cmd
}

func blockNames() []string {
	var out []string
	for _, b := range schema.BlockTypes() {
		out = append(out, b.Name)
	}
	return out
}

// width is that of the terminal, or a width that reads well.
func (a *app) width() int {
	if a.screen.out {
		if w := a.screen.width(); w > 40 {
			return min(w, 120)
		}
	}
	return 80
}

// blockHelp is the page of one block.
func blockHelp(b schema.BlockType, width int) string {
	var out strings.Builder
	s := b.Describe()
	fmt.Fprintf(&out, "%s { ... }\n\n%s\n", s.Head, wordwrap.WrapString(s.Doc, uint(width)))
	if s.Open {
		out.WriteString("\nIts attributes are your own names.\n")
	}
	writeSection(&out, s, "", width)
	all := schema.Section{Sections: []schema.Section{s}}
	if s.Repeat {
		meta := schema.DescribeMeta()
		out.WriteString("\nLike every block that makes resources it also takes:\n")
		writeSection(&out, meta, "", width)
		all.Sections = append(all.Sections, meta)
	}
	for i, g := range all.Grammars() {
		if i == 0 {
			out.WriteString("\nHow values are written\n")
		}
		fmt.Fprintf(&out, "\n  %s: %s\n", g.Name, indented(g.Summary, "    ", width, len(g.Name)+4))
		longest := 0
		for _, f := range g.Forms {
			longest = max(longest, len(f.Example))
		}
		for _, f := range g.Forms {
			fmt.Fprintf(&out, "    %-*s  %s\n", longest, f.Example, f.Meaning)
		}
	}
	return out.String()
}

// writeSection writes the rows of a section, and below each what is nested in it.
func writeSection(out *strings.Builder, s schema.Section, indent string, width int) {
	nested := s.Sections
	for _, r := range s.Rows {
		var inner *schema.Section
		if r.Nested {
			inner, nested = &nested[0], nested[1:]
		}
		if r.Type == "label" {
			continue // it stands in the head
		}
		head := r.Name + " = " + r.Type
		if r.Block {
			head = inner.Head + " { ... }"
		}
		fmt.Fprintf(out, "\n%s  %s\n%s      %s\n", indent, head, indent, indented(r.Doc+remarks(r), indent+"      ", width, 6+len(indent)))
		if inner != nil {
			writeSection(out, *inner, indent+"    ", width)
		}
	}
}

// remarks is what more there is to say about a row, in parentheses.
func remarks(r schema.Row) string {
	var notes []string
	if r.Required {
		notes = append(notes, "required")
	}
	if r.Many {
		notes = append(notes, "can be repeated")
	}
	if r.Default != "" {
		notes = append(notes, "default "+r.Default)
	}
	if r.Rule != "" {
		notes = append(notes, r.Rule)
	}
	if r.Sensitive {
		notes = append(notes, "sensitive")
	}
	if r.PerJob {
		notes = append(notes, "may use node.rank and replica.index")
	}
	if len(notes) == 0 {
		return ""
	}
	return " (" + strings.Join(notes, "; ") + ")"
}

// indented wraps text whose first line begins at column used.
func indented(text, indent string, width, used int) string {
	room := max(width-used, 30)
	return strings.ReplaceAll(wordwrap.WrapString(text, uint(room)), "\n", "\n"+indent)
}
