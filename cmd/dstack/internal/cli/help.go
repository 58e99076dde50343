package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mitchellh/go-wordwrap"
	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
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
	head := b.Name
	if b.Label {
		head += ` "NAME"`
	}
	fmt.Fprintf(&out, "%s { ... }\n\n%s\n", head, wordwrap.WrapString(b.Doc, uint(width)))
	grammars := map[string]bool{}
	if b.Open {
		out.WriteString("\nIts attributes are your own names.\n")
	}
	writeAttributes(&out, b.Object, "", width, grammars)
	if b.Repeat {
		out.WriteString("\nLike every block that makes resources it also takes:\n")
		writeAttributes(&out, schema.Of[schema.Meta](), "", width, grammars)
	}
	first := true
	for _, k := range value.All() {
		if !grammars[grammarName(k)] {
			continue
		}
		if first {
			out.WriteString("\nHow values are written\n")
			first = false
		}
		fmt.Fprintf(&out, "\n  %s: %s\n", k.Grammar.Name, indented(k.Grammar.Summary, "    ", width, len(k.Grammar.Name)+4))
		longest := 0
		for _, f := range k.Grammar.Forms {
			longest = max(longest, len(f.Example))
		}
		for _, f := range k.Grammar.Forms {
			fmt.Fprintf(&out, "    %-*s  %s\n", longest, f.Example, f.Meaning)
		}
	}
	return out.String()
}

func writeAttributes(out *strings.Builder, o *schema.Object, indent string, width int, grammars map[string]bool) {
	for _, at := range o.Attrs {
		if at.Label {
			continue
		}
		if at.Grammar != "" {
			grammars[at.Grammar] = true
		}
		head := at.Name + " = " + typeText(at)
		if at.Block {
			head = at.Name + " { ... }"
			if label := labelOf(at.Elem); label != "" {
				head = at.Name + " \"" + strings.ToUpper(label) + "\" { ... }"
			}
		}
		var notes []string
		if at.Required {
			notes = append(notes, "required")
		}
		if at.Block && at.Many {
			notes = append(notes, "can be repeated")
		}
		if at.Default != "" {
			notes = append(notes, "default "+at.Default)
		}
		if at.Rule != "" {
			notes = append(notes, at.Rule)
		}
		if at.Sensitive {
			notes = append(notes, "sensitive")
		}
		if at.PerJob {
			notes = append(notes, "may use node.rank and replica.index")
		}
		doc := at.Doc
		if len(notes) > 0 {
			doc += " (" + strings.Join(notes, "; ") + ")"
		}
		fmt.Fprintf(out, "\n%s  %s\n%s      %s\n", indent, head, indent, indented(doc, indent+"      ", width, 6+len(indent)))
		if at.Elem != nil {
			writeAttributes(out, at.Elem, indent+"    ", width, grammars)
		}
	}
}

func labelOf(o *schema.Object) string {
	if o == nil {
		return ""
	}
	if i := slices.IndexFunc(o.Attrs, func(a *schema.Attribute) bool { return a.Label }); i >= 0 {
		return o.Attrs[i].Name
	}
	return ""
}

// indented wraps text whose first line begins at column used.
func indented(text, indent string, width, used int) string {
	room := max(width-used, 30)
	return strings.ReplaceAll(wordwrap.WrapString(text, uint(room)), "\n", "\n"+indent)
}

// typeText is the type of an attribute in the language's own words.
func typeText(at *schema.Attribute) string {
	switch {
	case at.Ref:
		return "reference"
	case at.Env:
		return "map or list of NAME=VALUE"
	case at.Grammar != "" && at.Type.IsListType():
		return "list of " + at.Grammar
	case at.Grammar != "":
		return at.Grammar
	}
	return ctyText(at.Type)
}

func ctyText(t cty.Type) string {
	switch {
	case t == cty.DynamicPseudoType:
		return "any"
	case t.IsListType():
		return "list of " + ctyText(t.ElementType())
	case t.IsMapType():
		return "map of " + ctyText(t.ElementType())
	case t.IsObjectType():
		return "object"
	}
	return t.FriendlyName()
}
