package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/console"
	"github.com/dstackai/dstack-planner/statefile"
)

func consoleCommand(a *app) *cobra.Command {
	var in inputs
	cmd := &cobra.Command{
		Use: "console", Short: "Try expressions out against the configuration and the state",
		Long: `Evaluates expressions: literals, functions, variables, locals, and blocks as they are recorded. It asks no cloud, takes no lock and changes nothing. What is not recorded is (known after apply); what is sensitive is not shown.

On a terminal an open bracket or heredoc goes on in the next line, Tab completes, Ctrl-C abandons what is typed, and exit or Ctrl-D ends.

From a pipe it reads one expression a line and prints each value; for one that fails it prints "Error: ..." in its place, with the whole error on stderr, and exits 1 in the end.`,
		Example: `  dstack console
  echo 'var.regions[0]' | dstack console --var-file prod.dstackvars`,
		Args: args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.interruptible(cmd.Context())
			defer cancel()
			s, done, err := a.newSession(ctx, in)
			if err != nil {
				return err
			}
			defer done()
			c := &conversation{app: a, session: s}
			if a.screen.questions != nil && !a.json {
				return c.talk(ctx)
			}
			c.piped = true
			return c.pipe(ctx)
		},
	}
	in.register(cmd)
	jsonFlag(a, cmd, "print one JSON object a line for each expression")
	return cmd
}

// newSession opens the configuration and what is recorded of it. Without a configuration there are functions still.
func (a *app) newSession(ctx context.Context, in inputs) (*console.Session, func(), error) {
	o := a.reading(in)
	o.Prompt = a.prompt()
	cfg, list := config.Load(ctx, o)
	if len(cfg.Sources()) == 0 && len(in.list) == 0 {
		if a.screen.questions != nil {
			a.say("There is no configuration here; literals and functions can be tried all the same.")
		}
		return console.New(cfg, nil), func() {}, nil
	}
	if list.HasErrors() {
		return nil, nil, failed(list)
	}
	a.complain(list.Warnings())
	f, err := a.newFolder(cfg, false)
	if err != nil {
		return nil, nil, err
	}
	st, err := f.store.Read(ctx)
	if errors.Is(err, statefile.ErrNotInitialised) {
		st, err = statefile.New("", nil), nil
	}
	if err != nil {
		f.close()
		return nil, nil, failedWith(err, "State cannot be read")
	}
	return console.New(cfg, f.planner().Scope(st)), f.close, nil
}

// conversation is one use of the console.
type conversation struct {
	app     *app
	session *console.Session
	piped   bool // nobody types
	failed  bool
}

// answer is what console --json prints for an expression.
type answer struct {
	Expression  string          `json:"expression"`
	Value       json.RawMessage `json:"value"` // null where a part is not known or sensitive
	Type        string          `json:"type,omitempty"`
	Unknown     bool            `json:"unknown,omitempty"`   // of a part at least
	Sensitive   bool            `json:"sensitive,omitempty"` // of a part at least
	Diagnostics diag.List       `json:"diagnostics,omitempty"`
}

// pipe answers one expression a line.
func (c *conversation) pipe(ctx context.Context) error {
	in := bufio.NewReader(c.app.in)
	for line := 1; ; line++ {
		text, err := in.ReadString('\n')
		if ctx.Err() != nil {
			return exit(exitInterrupted)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fail(exitError, "Stdin cannot be read", "%v.", err)
		}
		over := err != nil
		switch word := strings.TrimSpace(text); {
		case word == "exit":
			over = true
		case word == "help" && !c.app.json:
			c.app.printf("%s", console.Help)
		default:
			if err := c.answer(line, strings.TrimRight(text, "\r\n")); err != nil {
				return err
			}
		}
		if over {
			break
		}
	}
	if c.failed {
		return exit(exitError)
	}
	return nil
}

// answer prints the value of an expression, or what is wrong with it.
func (c *conversation) answer(line int, text string) error {
	if console.Blank(text) {
		return nil
	}
	a := c.app
	v, list := c.session.Evaluate(line, text)
	c.failed = c.failed || list.HasErrors()
	if a.json {
		enc := json.NewEncoder(a.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(answerOf(text, v, list))
	}
	if list.HasErrors() && c.piped && !a.screen.out {
		a.printf("Error: %s\n", list.Errors()[0].Summary) // so that every expression has its place in a file
	}
	a.complain(list)
	if !list.HasErrors() {
		a.printf("%s\n", console.Print(v))
	}
	return nil
}

func answerOf(text string, v cty.Value, list diag.List) answer {
	out := answer{Expression: text, Value: json.RawMessage("null"), Diagnostics: list}
	if list.HasErrors() {
		return out
	}
	plain, marks := v.UnmarkDeep()
	out.Sensitive, out.Unknown = len(marks) > 0, !plain.IsWhollyKnown()
	if plain.Type() == typeexpr.TypeConstraintType {
		out.Type = "type"
		out.Value, _ = json.Marshal(console.Print(v)) // a text can be marshalled
		return out
	}
	out.Type = typeexpr.TypeString(plain.Type())
	if !out.Sensitive && !out.Unknown {
		if raw, err := ctyjson.Marshal(plain, plain.Type()); err == nil {
			out.Value = raw
		}
	}
	return out
}

// Prompts of the terminal.
const (
	promptFirst = "> "
	promptMore  = "... "
)

// talk answers a person.
func (c *conversation) talk(ctx context.Context) error {
	a := c.app
	lines, err := a.newLines(c.session)
	if err != nil {
		return err
	}
	defer lines.close()
	var entry string
	first, at := 1, 0
	for {
		prompt := promptFirst
		if entry != "" {
			prompt = promptMore
		}
		text, pasted, err := lines.read(ctx, prompt, entry)
		at++
		switch {
		case errors.Is(err, errAbandoned):
			entry = ""
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return failedWith(err, "Terminal cannot be read")
		}
		if entry == "" {
			first = at
			switch strings.TrimSpace(text) {
			case "exit":
				return nil
			case "help":
				a.printf("%s", console.Help)
				continue
			}
		}
		// A line with nothing on it ends what a person has begun, so that a bracket too many is no trap.
		gaveUp := entry != "" && strings.TrimSpace(text) == "" && !pasted && !console.InHeredoc(entry)
		entry += text
		if !gaveUp && console.Continues(entry) {
			entry += "\n"
			continue
		}
		if err := c.answer(first, entry); err != nil {
			return err
		}
		entry = ""
	}
}
