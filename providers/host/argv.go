package host

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dstackai/dstack-planner/schema"
)

// typeDev is the type of a job that waits for somebody to work in it.
const typeDev = "dev-environment"

// Argv returns the program of a job and its arguments: the entrypoint, split as a shell would, with the commands as its
// arguments; else the commands chained by && in a shell. A dev environment runs its init commands and then waits.
func Argv(job schema.Job, shell string) ([]string, error) {
	commands := job.Commands
	if job.Type == typeDev {
		commands = append(append([]string(nil), job.Init...), "tail -f /dev/null")
	}
	if job.Entrypoint != "" {
		if job.Type == typeDev {
			return nil, errors.New("a dev environment has no commands, so it takes no entrypoint; leave entrypoint out")
		}
		argv, err := SplitWords(job.Entrypoint)
		if err != nil {
			return nil, fmt.Errorf("entrypoint %q cannot be split: %w", job.Entrypoint, err)
		}
		if len(argv) == 0 {
			return nil, errors.New("entrypoint is blank; name a program, or leave entrypoint out")
		}
		return append(argv, commands...), nil
	}
	line := Chain(commands)
	if line == "" {
		return nil, errors.New("it has no commands, and a process has no image to bring its own; write commands")
	}
	return []string{shell, "-c", line}, nil
}

// Chain joins commands so that each runs only if the one before succeeded. Blank ones are left out.
func Chain(commands []string) string {
	var out []string
	for _, c := range commands {
		c = strings.TrimSpace(c)
		switch {
		case c == "":
		case strings.ContainsAny(c, "\n#"):
			// What a line begins, a comment or a document within the script, has to end before the next command.
			out = append(out, "{ "+c+"\n}")
		case strings.HasSuffix(c, "&"):
			out = append(out, "{ "+c+" }")
		default:
			out = append(out, c)
		}
	}
	return strings.Join(out, " && ")
}

// SplitWords splits a line into words as a POSIX shell does, with quotes and backslashes and without any expansion.
func SplitWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	started := false
	var quote byte
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\' && quote != '\'':
			if i+1 == len(line) {
				return nil, errors.New("it ends with a backslash")
			}
			i++
			if quote == '"' && !strings.ContainsRune("$`\"\\\n", rune(line[i])) {
				word.WriteByte('\\')
			}
			if line[i] != '\n' {
				word.WriteByte(line[i])
			}
			started = true
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				word.WriteByte(c)
			}
		case c == '\'' || c == '"':
			quote, started = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if started {
				words = append(words, word.String())
				word.Reset()
				started = false
			}
		default:
			word.WriteByte(c)
			started = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("its quote %c is not closed", quote)
	}
	if started {
		words = append(words, word.String())
	}
	return words, nil
}
