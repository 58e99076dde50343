package render

import "strings"

// wrap breaks text at blanks so that each line takes at most width columns. A word that is wider has a line of its own and
// is not cut. Blanks inside a line stay as they are, so that columns in it survive.
func wrap(text string, width int) []string {
	if displayWidth(text) <= width {
		return []string{text}
	}
	var lines []string
	line, used := "", 0
	open := "" // the colour that is on
	for text != "" {
		blanks := len(text) - len(strings.TrimLeft(text, " "))
		word := text[blanks:]
		if end := strings.IndexByte(word, ' '); end >= 0 {
			word = word[:end]
		}
		text = text[blanks+len(word):]
		w := displayWidth(word)
		if used > 0 && used+blanks+w > width {
			if open != "" {
				line += reset
			}
			lines = append(lines, line)
			line, used, blanks = open, 0, 0
		}
		line += strings.Repeat(" ", blanks) + word
		used += blanks + w
		open = colorAfter(open, word)
	}
	return append(lines, line)
}

// colorAfter is what is on after word was printed.
func colorAfter(open, word string) string {
	for {
		_, after, found := strings.Cut(word, "\x1b")
		if !found {
			return open
		}
		params, rest, _ := strings.Cut(after, "m")
		if params == "[0" {
			open = ""
		} else {
			open += "\x1b" + params + "m"
		}
		word = rest
	}
}

// indent wraps text and puts prefix before the first line and as many blanks before the others.
func indent(b *strings.Builder, prefix, text string, width int) {
	hang(b, prefix, text, width, displayWidth(prefix))
}

// hang is indent with n blanks before the lines after the first, so that none of them can be taken for the beginning of
// something else.
func hang(b *strings.Builder, prefix, text string, width, n int) {
	for i, line := range wrap(text, max(width-n, narrowText)) {
		if i == 0 {
			b.WriteString(strings.TrimRight(prefix+line, " "))
		} else {
			b.WriteString(strings.TrimRight(strings.Repeat(" ", n)+line, " "))
		}
		b.WriteByte('\n')
	}
}

// pad fills text with blanks to a width.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-displayWidth(s)))
}

// padLeft puts blanks before text to a width.
func padLeft(s string, width int) string {
	return strings.Repeat(" ", max(0, width-displayWidth(s))) + s
}
