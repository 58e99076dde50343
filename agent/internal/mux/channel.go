package mux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Channel is one conversation. Read and Write are its data; Stderr is the second stream.
type Channel struct {
	conn     *Conn
	id       uint32
	opened   chan error
	requests chan *Request
	ended    chan struct{}

	asking  sync.Mutex
	answers chan answer

	mu       sync.Mutex
	changed  *sync.Cond
	in, errs queue
	unread   int // bytes that the other side may still send
	owed     int // bytes that were read and not yet given back
	window   int // bytes that may be sent
	sentEOF  bool
	closed   bool // by this side
	over     bool // by the other side, or with the connection
}

// queue is what has come and was not read.
type queue struct {
	parts [][]byte
	eof   bool
}

func newChannel(c *Conn, id uint32) *Channel {
	ch := &Channel{conn: c, id: id, opened: make(chan error, 1), requests: make(chan *Request, maxQueue), ended: make(chan struct{}),
		answers: make(chan answer, 1), unread: windowSize, window: windowSize}
	ch.changed = sync.NewCond(&ch.mu)
	return ch
}

// Requests are the other side's questions about the channel; it is closed when the other side has closed the channel. They have
// to be taken.
func (ch *Channel) Requests() <-chan *Request { return ch.requests }

// Done is closed when the other side has closed the channel.
func (ch *Channel) Done() <-chan struct{} { return ch.ended }

// Read reads what the other side has written.
func (ch *Channel) Read(p []byte) (int, error) { return ch.read(&ch.in, p) }

// Write sends bytes, as fast as the other side reads them.
func (ch *Channel) Write(p []byte) (int, error) { return ch.send(frameData, p) }

// Stderr is the second stream of the channel. It ends with the first.
func (ch *Channel) Stderr() io.ReadWriter { return second{ch} }

type second struct{ ch *Channel }

func (s second) Read(p []byte) (int, error)  { return s.ch.read(&s.ch.errs, p) }
func (s second) Write(p []byte) (int, error) { return s.ch.send(frameErrorData, p) }

func (ch *Channel) read(q *queue, p []byte) (int, error) {
	ch.mu.Lock()
	for len(q.parts) == 0 && !q.eof {
		ch.changed.Wait()
	}
	if len(q.parts) == 0 {
		ch.mu.Unlock()
		return 0, io.EOF
	}
	n := copy(p, q.parts[0])
	if q.parts[0] = q.parts[0][n:]; len(q.parts[0]) == 0 {
		q.parts = q.parts[1:]
	}
	give := 0
	if ch.owed += n; ch.owed >= windowSize/2 && !ch.over {
		give, ch.owed = ch.owed, 0
		ch.unread += give
	}
	ch.mu.Unlock()
	if give > 0 {
		// That the connection is closed is seen by the next read.
		_ = ch.conn.write(frameCredit, ch.id, binary.BigEndian.AppendUint32(nil, uint32(give)))
	}
	return n, nil
}

func (ch *Channel) send(kind byte, p []byte) (sent int, err error) {
	for len(p) > 0 {
		ch.mu.Lock()
		for ch.window == 0 && !ch.over && !ch.closed && !ch.sentEOF {
			ch.changed.Wait()
		}
		if ch.over || ch.closed || ch.sentEOF {
			ch.mu.Unlock()
			return sent, ErrClosed
		}
		n := min(len(p), ch.window, dataSize)
		ch.window -= n
		ch.mu.Unlock()
		if err := ch.conn.write(kind, ch.id, p[:n]); err != nil {
			return sent, err
		}
		sent, p = sent+n, p[n:]
	}
	return sent, nil
}

// CloseWrite says that nothing more will be written; what the other side writes is still read.
func (ch *Channel) CloseWrite() error {
	ch.mu.Lock()
	if ch.sentEOF || ch.closed || ch.over {
		ch.mu.Unlock()
		return nil
	}
	ch.sentEOF = true
	ch.changed.Broadcast()
	ch.mu.Unlock()
	return ch.conn.write(frameEOF, ch.id)
}

// Close ends the channel. Closing twice is no error.
func (ch *Channel) Close() error {
	ch.mu.Lock()
	if ch.closed {
		ch.mu.Unlock()
		return nil
	}
	ch.closed = true
	over := ch.over
	ch.changed.Broadcast()
	ch.mu.Unlock()
	err := ch.conn.write(frameClose, ch.id)
	if over {
		ch.conn.forget(ch.id)
	}
	return err
}

// SendRequest asks the other side something about the channel.
func (ch *Channel) SendRequest(name string, wantReply bool, payload []byte) (bool, error) {
	if wantReply {
		ch.asking.Lock()
		defer ch.asking.Unlock()
	}
	if err := ch.conn.writeRequest(ch.id, name, wantReply, payload); err != nil || !wantReply {
		return false, err
	}
	select {
	case a := <-ch.answers:
		return a.ok, nil
	case <-ch.ended:
	}
	// The answer may have come just before the end.
	select {
	case a := <-ch.answers:
		return a.ok, nil
	default:
		return false, ErrClosed
	}
}

// take handles one frame about the channel. It is called by the connection's reader only.
func (ch *Channel) take(kind byte, payload []byte) error {
	switch kind {
	case frameOpened:
		return ch.answerOpen(nil)
	case frameRefused:
		if len(payload) < 4 {
			return io.ErrUnexpectedEOF
		}
		return ch.answerOpen(&Refused{binary.BigEndian.Uint32(payload), string(payload[4:])})
	case frameData:
		return ch.arrived(&ch.in, payload)
	case frameErrorData:
		return ch.arrived(&ch.errs, payload)
	case frameCredit:
		if len(payload) != 4 {
			return io.ErrUnexpectedEOF
		}
		ch.mu.Lock()
		defer ch.mu.Unlock()
		ch.window = min(ch.window+int(binary.BigEndian.Uint32(payload)), windowSize)
		ch.changed.Broadcast()
	case frameEOF:
		ch.mu.Lock()
		defer ch.mu.Unlock()
		ch.in.eof, ch.errs.eof = true, true
		ch.changed.Broadcast()
	case frameRequest:
		r, err := readRequest(payload)
		if err != nil {
			return err
		}
		r.reply = func(ok bool, _ []byte) error { return ch.conn.writeReply(ch.id, ok, nil) }
		if ch.isOver() {
			return errors.New("the other side asked about a channel that it has closed")
		}
		select {
		case ch.requests <- r:
		case <-ch.conn.done:
		}
	case frameSuccess, frameFailure:
		select {
		case ch.answers <- answer{ok: kind == frameSuccess}:
		default:
			return errors.New("the other side answered what nobody asked")
		}
	case frameClose:
		ch.end()
		ch.mu.Lock()
		closed := ch.closed
		ch.mu.Unlock()
		if closed {
			ch.conn.forget(ch.id)
		}
	default:
		return fmt.Errorf("the other side sent a frame of type %d about a channel", kind)
	}
	return nil
}

func (ch *Channel) answerOpen(err error) error {
	select {
	case ch.opened <- err:
		return nil
	default:
		return errors.New("the other side answered twice whether it opens a channel")
	}
}

func (ch *Channel) arrived(q *queue, payload []byte) error {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.closed || q.eof {
		return nil // nobody reads it
	}
	if len(payload) > ch.unread {
		return errors.New("the other side sent more than it was allowed to")
	}
	if len(payload) == 0 {
		return nil
	}
	ch.unread -= len(payload)
	q.parts = append(q.parts, payload)
	ch.changed.Broadcast()
	return nil
}

func (ch *Channel) isOver() bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.over
}

// end takes the other side's end of the channel, once.
func (ch *Channel) end() {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.over {
		return
	}
	ch.over, ch.in.eof, ch.errs.eof = true, true, true
	close(ch.ended)
	close(ch.requests)
	ch.changed.Broadcast()
}
