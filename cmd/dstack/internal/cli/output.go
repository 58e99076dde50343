package cli

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

func outputCommand(a *app) *cobra.Command {
	var in inputs
	var raw bool
	cmd := &cobra.Command{
		Use: "output [NAME]", Short: "Print the outputs of the last apply, or one of them", Args: args(0, 1, "at most one name"),
		RunE: a.withState(&in, func(cmd *cobra.Command, args []string, st *statefile.State) error {
			all := st.Outputs()
			if raw && a.json {
				return usage(cmd, "--raw prints a text and --json prints JSON; use one of them.")
			}
			if len(args) == 0 {
				if raw {
					return usage(cmd, "--raw needs the name of an output.")
				}
				if a.json {
					return a.printJSON(outputsJSON(all))
				}
				if len(all) == 0 {
					a.say("No output is recorded. Outputs are recorded by dstack apply.")
				}
				a.printOutputs(all, "")
				return nil
			}
			o, ok := all[args[0]]
			if !ok {
				return fail(exitError, "There is no such output", "No output %q is recorded.%s Outputs are recorded by dstack apply.", args[0], schema.DidYouMean(args[0], slices.Sorted(maps.Keys(all))))
			}
			if o.Sensitive {
				return fail(exitError, "Output is not kept", "output.%s is sensitive, and this state is not encrypted, so only a digest of the value is recorded. Read it where it is made, or show it with nonsensitive(...) if it may be shown.", args[0])
			}
			switch {
			case a.json:
				return a.printJSON(o.Value)
			case raw:
				text, ok := scalar(o.Value)
				if !ok {
					return fail(exitError, "Output is no text", "output.%s is neither a text nor a number nor a bool; print it with:\n  dstack output --json %s", args[0], args[0])
				}
				a.printf("%s", text)
			default:
				a.printf("%s\n", valueText(o.Value, ""))
			}
			return nil
		}),
	}
	in.register(cmd)
	jsonFlag(a, cmd, "print the value, or all outputs, as JSON")
	cmd.Flags().BoolVar(&raw, "raw", false, "print a text as it is, without quotes and without a line end")
	return cmd
}

// outputsJSON is what output --json prints: by name, the value with whether it is sensitive.
func outputsJSON(all map[string]statefile.Output) map[string]any {
	out := map[string]any{}
	for name, o := range all {
		v := map[string]any{"sensitive": o.Sensitive, "value": o.Value}
		if len(o.Value) == 0 {
			v["value"] = nil
		}
		if len(o.Type) > 0 {
			v["type"] = o.Type
		}
		out[name] = v
	}
	return out
}

// printOutputs prints outputs as one would write them.
func (a *app) printOutputs(all map[string]statefile.Output, indent string) {
	width := 0
	for name := range all {
		width = max(width, len(name))
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		o := all[name]
		text := "(sensitive)"
		if !o.Sensitive {
			text = valueText(o.Value, indent)
		}
		a.printf("%s%s%s = %s\n", indent, name, strings.Repeat(" ", width-len(name)), text)
	}
}

// valueText is a JSON value over several lines where it is not simple.
func valueText(raw json.RawMessage, indent string) string {
	if len(raw) == 0 {
		return "null"
	}
	var b bytes.Buffer
	if _, simple := scalar(raw); simple || json.Indent(&b, raw, indent, "  ") != nil {
		return render.Clean(string(raw))
	}
	return b.String()
}

// scalar is a text, number or bool as it is.
func scalar(raw json.RawMessage) (string, bool) {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return "", false
	}
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		if v {
			return "true", true
		}
		return "false", true
	}
	return "", false
}
