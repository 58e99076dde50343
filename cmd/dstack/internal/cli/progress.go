package cli

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dstackai/dstack-planner/planner/apply"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render"
)

// progress shows an apply while it goes on: one block that is drawn over on a terminal, a line for each event elsewhere, or
// events.
type progress struct {
	app    *app
	live   *render.Live // nil where lines are printed
	ticker *time.Ticker
	done   chan struct{}
	wg     sync.WaitGroup

	mu      sync.Mutex
	drawn   []string // lines of the block that are on the screen
	drawnAt time.Time
	behind  bool              // something has happened since
	flying  map[string]string // what is under way: by step, in words
}

// drawEvery is the least time between two drawings, and clockEvery the time after which the clock in the block moves on.
const (
	drawEvery  = 50 * time.Millisecond
	clockEvery = time.Second
)

func newProgress(a *app, p *plan.Plan, title string, parallelism int) *progress {
	g := &progress{app: a, done: make(chan struct{}), flying: map[string]string{}}
	if title == "" {
		title = "the plan"
	}
	if a.screen.live && !a.json {
		g.live = render.NewLive(p, title, parallelism, a.now())
		g.ticker = time.NewTicker(drawEvery)
		g.wg.Go(func() {
			for {
				select {
				case <-g.ticker.C:
					g.mu.Lock()
					if g.behind || a.now().Sub(g.drawnAt) >= clockEvery {
						g.draw()
					}
					g.mu.Unlock()
				case <-g.done:
					return
				}
			}
		})
	}
	return g
}

// observe is told what happens, one event at a time.
func (g *progress) observe(e apply.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := e.Address + "\x00" + e.Deposed + "\x00" + string(e.Op)
	switch e.Type {
	case apply.EventStart:
		g.flying[key] = e.Address + " (" + string(e.Op) + ")"
	case apply.EventDone, apply.EventFailed, apply.EventSkipped:
		delete(g.flying, key)
	}
	message := e.Message
	if e.Error != "" {
		message = e.Error
	}
	shown := render.Event{Time: e.Time, Type: render.EventType(e.Type), Address: e.Address, Deposed: e.Deposed, Action: string(e.Op), Phase: e.Phase,
		Done: e.Done, Total: e.Total, Elapsed: e.Elapsed, Wait: e.Wait, Message: message}
	switch {
	case g.app.json:
		g.emit(e, shown)
	case g.live != nil:
		g.live.Add(shown)
		g.behind = true
		if g.app.now().Sub(g.drawnAt) >= drawEvery {
			g.draw()
		}
	default:
		g.app.printf("%s\n", shown.Line())
	}
}

// emit prints an event for programs.
func (g *progress) emit(e apply.Event, shown render.Event) {
	level := levelInfo
	switch e.Type {
	case apply.EventFailed:
		level = levelError
	case apply.EventRetry, apply.EventSkipped, apply.EventInterrupted:
		level = levelWarn
	}
	elapsed := e.Elapsed.Seconds()
	if e.Type == apply.EventStart {
		elapsed = 0 // it is the time between two lines of our own
	}
	// The line without its time is the sentence.
	_, message, _ := strings.Cut(shown.Line(), "  ")
	g.app.events.emit(event{Time: e.Time, Level: level, Type: eventType("apply_" + e.Type), Address: e.Address, Message: message, Op: e.Op,
		Phase: e.Phase, Done: e.Done, Total: e.Total, Elapsed: elapsed, Error: e.Error})
}

// interrupted says what is in flight.
func (g *progress) interrupted() {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []string
	for _, text := range g.flying {
		list = append(list, text)
	}
	slices.Sort(list)
	text := "Interrupted: nothing new is started. Nothing is under way; the end is being recorded."
	if len(list) > 0 {
		const most = 10
		shown := strings.Join(list[:min(len(list), most)], ", ")
		if len(list) > most {
			shown += fmt.Sprintf(" and %d more", len(list)-most)
		}
		text = "Interrupted: nothing new is started. Under way, and allowed to end: " + shown + ". Press Ctrl-C again to leave at once."
	}
	g.erase()
	if g.app.json {
		g.app.events.emit(event{Level: levelWarn, Type: eventInterrupt, Message: text})
		return
	}
	g.app.say("%s", render.Clean(text))
	g.draw()
}

// draw draws the block over the one before.
func (g *progress) draw() {
	if g.live == nil {
		return
	}
	g.erase()
	o := g.app.options()
	height := g.app.screen.height()
	if height <= 0 { // unknown
		height = 24
	}
	lines := g.live.Block(o, min(height-2, 20))
	fmt.Fprint(g.app.out, strings.Join(lines, "\n")+"\n")
	g.drawn, g.drawnAt, g.behind = lines, g.app.now(), false
}

func (g *progress) erase() {
	if len(g.drawn) > 0 {
		// Where the terminal was made narrower, it has broken the lines. It may have shown a ^C, so that the cursor is elsewhere.
		fmt.Fprintf(g.app.out, "\r\x1b[%dA\x1b[J", render.Rows(g.drawn, g.app.screen.width()))
		g.drawn = nil
	}
}

// close draws the last block, which stays.
func (g *progress) close() {
	if g.live == nil {
		return
	}
	g.ticker.Stop()
	close(g.done)
	g.wg.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.draw()
	fmt.Fprintln(g.app.out)
}
