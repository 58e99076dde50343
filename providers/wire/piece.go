package wire

import (
	"sync"

	"google.golang.org/protobuf/proto"
)

const (
	maxMessage = 64 << 20  // the largest single message
	maxPiece   = 256 << 10 // the size at which a list goes on in the next message
)

// cutter sends a list in pieces of about maxPiece bytes, at least one item each.
type cutter[T proto.Message] struct {
	send  func([]T) error
	items []T
	size  int
}

func (c *cutter[T]) add(item T) error {
	n := proto.Size(item)
	if len(c.items) > 0 && c.size+n > maxPiece {
		if err := c.flush(); err != nil {
			return err
		}
	}
	c.items, c.size = append(c.items, item), c.size+n
	return nil
}

func (c *cutter[T]) flush() error {
	if len(c.items) == 0 {
		return nil
	}
	err := c.send(c.items)
	c.items, c.size = nil, 0
	return err
}

// gatherer sends what is produced one by one: an item at once when the line is free, and in one message all that came
// while the message before it was sent. Whoever adds waits while more than a piece is unsent.
type gatherer[T proto.Message] struct {
	send func([]T) error

	mu     sync.Mutex
	turn   sync.Cond
	items  []T
	size   int
	closed bool
	err    error
	done   chan struct{}
}

func newGatherer[T proto.Message](send func([]T) error) *gatherer[T] {
	g := &gatherer[T]{send: send, done: make(chan struct{})}
	g.turn.L = &g.mu
	go g.run()
	return g
}

func (g *gatherer[T]) run() {
	defer close(g.done)
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		for len(g.items) == 0 && !g.closed {
			g.turn.Wait()
		}
		if len(g.items) == 0 || g.err != nil {
			return
		}
		items := g.items
		g.items, g.size = nil, 0
		g.turn.Broadcast()
		g.mu.Unlock()
		err := g.send(items)
		g.mu.Lock()
		if err != nil {
			g.err = err
			g.turn.Broadcast()
			return
		}
	}
}

// add queues an item. Its error is that of an earlier send; nothing more will be sent then.
func (g *gatherer[T]) add(item T) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.size > maxPiece && g.err == nil && !g.closed {
		g.turn.Wait()
	}
	if g.err != nil {
		return g.err
	}
	if g.closed {
		return errEnded
	}
	g.items, g.size = append(g.items, item), g.size+proto.Size(item)
	g.turn.Broadcast()
	return nil
}

// fail makes an error the answer of this and every later add.
func (g *gatherer[T]) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil {
		g.err = err
	}
	g.turn.Broadcast()
}

// close sends the rest, waits for it and returns the first error.
func (g *gatherer[T]) close() error {
	g.mu.Lock()
	g.closed = true
	g.turn.Broadcast()
	g.mu.Unlock()
	<-g.done
	return g.err
}
