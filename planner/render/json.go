package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// JSON writes a value as indented JSON that is safe to print: what is not printable is written as an escape, which any
// reader reads as what it was, and so is what the log of a CI system would take for a command.
func JSON(v any) ([]byte, error) {
	line, err := JSONLine(v)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, line, "", "  "); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// JSONLine is JSON on one line.
func JSONLine(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return printableJSON(b.Bytes()), nil
}

// printableJSON escapes what is not printable in texts; outside of them all JSON is.
func printableJSON(in []byte) []byte {
	if isClean(string(bytes.TrimSuffix(in, []byte("\n")))) {
		return in
	}
	out := make([]byte, 0, len(in)+len(in)/8)
	for i := 0; i < len(in); {
		r, n := utf8.DecodeRune(in[i:])
		switch {
		case n == 1 && r == utf8.RuneError:
			out = append(out, `\ufffd`...)
		case r == '\n':
			out = append(out, '\n')
		case r == '#' && loggingCommand(string(in[i:min(len(in), i+maxCommand)])):
			out = append(out, `\u0023`...)
		case printable(r):
			out = append(out, in[i:i+n]...)
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += n
	}
	return out
}
