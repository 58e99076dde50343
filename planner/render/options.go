package render

import "time"

// Options say for whom to render. The zero value is a pipe: 80 columns, no colour.
type Options struct {
	Width   int       // of the terminal; 80 when it is 0
	Color   bool      // colour repeats what symbols and words say
	Verbose bool      // support objects and all attributes of what is created are listed
	Now     time.Time // what ages count to; the plan's own time when it is zero
	Saved   string    // the file that the plan was saved to
	Asking  bool      // a question follows: no tally and no next command

	// document is for what is read at another time and folded: times are absolute, values stand before and after on a
	// line each, support objects are listed.
	document bool
}

// narrowest is the width below which lines become longer than the terminal rather than shorter than words.
const narrowest = 40

func (o Options) width() int {
	if o.Width <= 0 {
		return 80
	}
	return max(o.Width, narrowest)
}

// style is an SGR parameter of a terminal.
type style string

const (
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
)

const reset = "\x1b[0m"

// paint gives text a style where colours are wanted.
func (o Options) paint(text string, styles ...style) string {
	if !o.Color || text == "" {
		return text
	}
	out := ""
	for _, s := range styles {
		out += "\x1b[" + string(s) + "m"
	}
	return out + text + reset
}
