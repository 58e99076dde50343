package cli

import (
	"fmt"
	"time"

	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/render"
)

// throttled tells why a plan takes long: a backend does not want to be asked as often as it is; and in the end that all of it was
// read nevertheless, or how much.
func (a *app) throttled(r planner.Reading) {
	text := readingText(r)
	if a.json && a.events != nil {
		a.events.reading(r, text)
		return
	}
	a.say("%s", text)
}

func readingText(r planner.Reading) string {
	done := fmt.Sprintf("%s of %s read", render.Number(r.Done), render.Count(r.Total, "object"))
	if r.Ended {
		text := fmt.Sprintf("Backend %s: %s. It refused %s, which %s made again.", r.Backend, done, render.Count(r.Refused, "call"), were(r.Refused))
		if r.Done < r.Total {
			text = fmt.Sprintf("Backend %s: %s, and then it was asked no more, because it had refused %s.", r.Backend, done, render.Count(r.Refused, "call"))
		}
		return text
	}
	return fmt.Sprintf("Backend %s is asked too often: %s at a time from now on, the next in %s; %s so far.", r.Backend, render.Count(r.AtOnce, "call"), render.Duration(r.Wait.Round(time.Millisecond)), done)
}

func were(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}
