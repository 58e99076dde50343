package chart

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner/config"
)

// Chain says by which expressions one thing comes to depend on another. Its fields are its JSON.
type Chain struct {
	FormatVersion string `json:"format_version"`
	From          string `json:"from"`
	To            string `json:"to"`
	Steps         []Step `json:"steps"` // the first is of From, the last leads to To
}

// Step is one expression that names the next thing.
type Step struct {
	From      string `json:"from"`
	To        string `json:"to"`
	Argument  string `json:"argument,omitempty"` // where of From it stands; "" in a local
	Traversal string `json:"traversal"`          // as written: volume.data[0].id
	DependsOn bool   `json:"depends_on,omitempty"`
	Place     string `json:"place"`  // main.dstack.hcl:4
	Source    string `json:"source"` // the line that it stands on, without the blanks around it
}

// Names lists what Why can be asked about, in order.
func Names(c *config.Config) []string {
	var out []string
	for _, t := range things(c) {
		out = append(out, t.name)
	}
	slices.SortFunc(out, compareNatural)
	return out
}

// Resolve finds what a person means by a name: something of the configuration, or the block that a resource comes from.
// ok is false where there is no such thing.
func Resolve(c *config.Config, name string) (thing string, ok bool) {
	if slices.Contains(Names(c), name) {
		return name, true
	}
	a, err := addr.ParseAny(name)
	if err != nil {
		return "", false
	}
	block := a.Block.Block
	if b := c.Block(block); b != nil {
		return b.Addr.String(), true
	}
	return "", false
}

// Why finds a shortest chain of expressions by which one thing depends on another; nil if it does not. Among chains of the
// same length it is the one that is written first.
func Why(c *config.Config, from, to string) *Chain {
	ways := map[string][]config.Mention{}
	for _, m := range c.Mentions() {
		ways[m.From] = append(ways[m.From], m)
	}
	came := map[string]config.Mention{}
	queue := []string{from}
	for len(queue) > 0 {
		here := queue[0]
		queue = queue[1:]
		for _, m := range ways[here] {
			if _, seen := came[m.To]; seen || m.To == from && from != to {
				continue
			}
			came[m.To] = m
			if m.To == to {
				return chain(c, came, from, to)
			}
			queue = append(queue, m.To)
		}
	}
	return nil
}

func chain(c *config.Config, came map[string]config.Mention, from, to string) *Chain {
	out := &Chain{FormatVersion: FormatVersion, From: from, To: to}
	texts := map[string]string{}
	for _, s := range c.Sources() {
		texts[s.Path] = string(s.Text)
	}
	for at := to; ; {
		m := came[at]
		out.Steps = append(out.Steps, Step{
			From: m.From, To: m.To, Argument: m.Argument, Traversal: m.Traversal, DependsOn: m.DependsOn,
			Place: placeOf(m.Range), Source: lineAt(texts[m.Range.Filename], m.Range.Start.Byte),
		})
		if at = m.From; at == from {
			break
		}
	}
	slices.Reverse(out.Steps)
	return out
}

// lineAt is the line of a text that holds a byte.
func lineAt(text string, at int) string {
	if at > len(text) {
		return ""
	}
	start := strings.LastIndexByte(text[:at], '\n') + 1
	line, _, _ := strings.Cut(text[start:], "\n")
	return strings.TrimSpace(line)
}

// Text writes the chain for people: each step with the line of the source that makes it.
func (c *Chain) Text(width int) string {
	var b strings.Builder
	for _, s := range c.Steps {
		how := "uses " + visible(s.Traversal)
		if strings.HasPrefix(s.Traversal, `"`) { // a backend that is named by a text
			how = "is " + visible(s.Traversal)
		}
		switch {
		case s.DependsOn:
			how = "has " + visible(s.Traversal) + " in depends_on"
		case s.Argument != "":
			how = visible(s.Argument) + " " + how
		}
		fmt.Fprintf(&b, "%s -> %s\n  %s: %s\n", visible(s.From), visible(s.To), visible(s.Place), how)
		source := visible(s.Source)
		if room := width - 4; room > 20 && len([]rune(source)) > room {
			source = string([]rune(source)[:room-3]) + "..."
		}
		fmt.Fprintf(&b, "    %s\n", source)
	}
	return b.String()
}
