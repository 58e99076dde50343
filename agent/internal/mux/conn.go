package mux

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// Types of frames.
const (
	frameRequest   = iota // whether an answer is wanted (1 byte), the name's length (1 byte), the name, the payload
	frameSuccess          // payload of the answer
	frameFailure          // payload of the answer
	frameOpen             // the type's length (1 byte), the type, what goes with it
	frameOpened           // nothing
	frameRefused          // the reason (4 bytes), a message
	frameData             // bytes
	frameErrorData        // bytes of the second stream
	frameCredit           // how much more may be sent (4 bytes)
	frameEOF              // nothing
	frameClose            // nothing
	frameTypes
)

const (
	headerSize = 9
	// windowSize is how much of a stream may be on its way to a reader who has not read it.
	windowSize = 2 << 20
	// dataSize is how much one frame of data carries.
	dataSize = 32 << 10
	// maxPayload bounds what is taken from a peer in one piece.
	maxPayload = 1 << 20
	// maxQueue is how many requests or new channels may wait before the connection does.
	maxQueue = 16
)

// ErrClosed is the error of everything that is tried on a closed connection or channel.
var ErrClosed = errors.New("connection is closed")

// Refused is the error of a channel that the other side would not open.
type Refused struct {
	Reason  uint32 // as in RFC 4254 5.1
	Message string
}

func (r *Refused) Error() string { return r.Message }

// Conn is one side of a connection.
type Conn struct {
	rw       io.ReadWriteCloser
	requests chan *Request
	incoming chan *Incoming
	done     chan struct{}

	writing sync.Mutex
	out     []byte // of the frame that is being written

	asking  sync.Mutex // one question at a time, since answers carry no number
	answers chan answer

	mu       sync.Mutex
	channels map[uint32]*Channel
	next     uint32
	err      error
}

// answer is what the other side says to a request.
type answer struct {
	ok      bool
	payload []byte
}

// Request is a question of the other side.
type Request struct {
	Name      string
	WantReply bool
	Payload   []byte
	reply     func(ok bool, payload []byte) error
}

// Reply answers the request, if an answer is wanted. Requests are answered in the order in which they came.
func (r *Request) Reply(ok bool, payload []byte) error {
	if !r.WantReply {
		return nil
	}
	return r.reply(ok, payload)
}

// Dial makes the side of a connection that was the first to speak of it.
func Dial(rw io.ReadWriteCloser) *Conn { return newConn(rw, 1) }

// Serve makes the other side.
func Serve(rw io.ReadWriteCloser) *Conn { return newConn(rw, 2) }

func newConn(rw io.ReadWriteCloser, first uint32) *Conn {
	c := &Conn{
		rw: rw, next: first, channels: map[uint32]*Channel{}, done: make(chan struct{}), answers: make(chan answer, 1),
		requests: make(chan *Request, maxQueue), incoming: make(chan *Incoming, maxQueue),
	}
	go c.read()
	return c
}

// Requests are the questions about the whole connection; the channel is closed with the connection. They have to be taken.
func (c *Conn) Requests() <-chan *Request { return c.requests }

// Incoming are the channels that the other side wants to open; the channel is closed with the connection. They have to be
// taken.
func (c *Conn) Incoming() <-chan *Incoming { return c.incoming }

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err says why the connection ended; nil when one of its sides closed it.
func (c *Conn) Err() error {
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, closed := range []error{ErrClosed, io.EOF, io.ErrClosedPipe, net.ErrClosed, os.ErrClosed, syscall.EPIPE, syscall.ECONNRESET} {
		if errors.Is(c.err, closed) {
			return nil
		}
	}
	return c.err
}

// Close ends the connection and all of its channels.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	return nil
}

// fail ends the connection for a reason, once.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	close(c.done)
	c.mu.Unlock()
	c.rw.Close() // wakes the reader, which ends the channels
}

// Request asks the other side something about the whole connection.
func (c *Conn) Request(name string, wantReply bool, payload []byte) (ok bool, reply []byte, err error) {
	if wantReply {
		c.asking.Lock()
		defer c.asking.Unlock()
	}
	if err := c.writeRequest(0, name, wantReply, payload); err != nil || !wantReply {
		return false, nil, err
	}
	select {
	case a := <-c.answers:
		return a.ok, a.payload, nil
	case <-c.done:
		return false, nil, ErrClosed
	}
}

// Open asks the other side for a channel. The error is a *Refused if it said no.
func (c *Conn) Open(kind string, extra []byte) (*Channel, error) {
	if len(kind) > 255 {
		return nil, fmt.Errorf("type of channel %q is too long", kind)
	}
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return nil, ErrClosed
	}
	ch := newChannel(c, c.next)
	c.next += 2
	c.channels[ch.id] = ch
	c.mu.Unlock()
	if err := c.write(frameOpen, ch.id, []byte{byte(len(kind))}, []byte(kind), extra); err != nil {
		return nil, err
	}
	select {
	case err := <-ch.opened:
		if err != nil {
			c.forget(ch.id)
			return nil, err
		}
		return ch, nil
	case <-c.done:
		return nil, ErrClosed
	}
}

func (c *Conn) forget(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.channels, id)
}

func (c *Conn) writeRequest(channel uint32, name string, wantReply bool, payload []byte) error {
	if len(name) > 255 {
		return fmt.Errorf("name of request %q is too long", name)
	}
	head := []byte{0, byte(len(name))}
	if wantReply {
		head[0] = 1
	}
	return c.write(frameRequest, channel, head, []byte(name), payload)
}

func (c *Conn) writeReply(channel uint32, ok bool, payload []byte) error {
	if ok {
		return c.write(frameSuccess, channel, payload)
	}
	return c.write(frameFailure, channel, payload)
}

// write sends one frame.
func (c *Conn) write(kind byte, channel uint32, parts ...[]byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	select {
	case <-c.done:
		return ErrClosed
	default:
	}
	length := 0
	for _, p := range parts {
		length += len(p)
	}
	if length > maxPayload {
		return fmt.Errorf("a frame of %d bytes is too long", length)
	}
	c.out = append(c.out[:0], kind)
	c.out = binary.BigEndian.AppendUint32(c.out, channel)
	c.out = binary.BigEndian.AppendUint32(c.out, uint32(length))
	for _, p := range parts {
		c.out = append(c.out, p...)
	}
	if _, err := c.rw.Write(c.out); err != nil {
		c.fail(fmt.Errorf("write: %w", err))
		return ErrClosed
	}
	return nil
}

// read takes what the other side says until the connection ends.
func (c *Conn) read() {
	defer c.endAll()
	in := bufio.NewReaderSize(c.rw, 2*dataSize)
	var header [headerSize]byte
	for {
		if _, err := io.ReadFull(in, header[:]); err != nil {
			c.fail(err)
			return
		}
		kind, id, length := header[0], binary.BigEndian.Uint32(header[1:]), binary.BigEndian.Uint32(header[5:])
		if length > maxPayload || kind >= frameTypes {
			c.fail(fmt.Errorf("the other side sent what is no frame: type %d, %d bytes", kind, length))
			return
		}
		payload := make([]byte, length)
		if _, err := io.ReadFull(in, payload); err != nil {
			c.fail(io.ErrUnexpectedEOF)
			return
		}
		if err := c.take(kind, id, payload); err != nil {
			c.fail(err)
			return
		}
	}
}

// endAll ends all channels. Only the reader does, since it is who fills them.
func (c *Conn) endAll() {
	c.mu.Lock()
	open := c.channels
	c.channels = map[uint32]*Channel{}
	c.mu.Unlock()
	for _, ch := range open {
		ch.end()
	}
	close(c.requests)
	close(c.incoming)
}

// take handles one frame.
func (c *Conn) take(kind byte, id uint32, payload []byte) error {
	if id == 0 {
		return c.takeOwn(kind, payload)
	}
	if kind == frameOpen {
		return c.takeOpen(id, payload)
	}
	c.mu.Lock()
	ch := c.channels[id]
	c.mu.Unlock()
	if ch == nil {
		return nil // of a channel that was closed while this was on its way
	}
	return ch.take(kind, payload)
}

// takeOwn handles a frame about the whole connection.
func (c *Conn) takeOwn(kind byte, payload []byte) error {
	switch kind {
	case frameRequest:
		r, err := readRequest(payload)
		if err != nil {
			return err
		}
		r.reply = func(ok bool, payload []byte) error { return c.writeReply(0, ok, payload) }
		select {
		case c.requests <- r:
		case <-c.done:
		}
		return nil
	case frameSuccess, frameFailure:
		select {
		case c.answers <- answer{kind == frameSuccess, payload}:
			return nil
		default:
			return errors.New("the other side answered what nobody asked")
		}
	}
	return fmt.Errorf("the other side sent a frame of type %d about no channel", kind)
}

func (c *Conn) takeOpen(id uint32, payload []byte) error {
	if len(payload) == 0 || len(payload) < 1+int(payload[0]) {
		return io.ErrUnexpectedEOF
	}
	n := 1 + int(payload[0])
	ch := newChannel(c, id)
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return c.err
	}
	_, taken := c.channels[id]
	if !taken && id%2 != c.next%2 {
		c.channels[id] = ch
	}
	c.mu.Unlock()
	if taken || id%2 == c.next%2 {
		return fmt.Errorf("the other side opened channel %d, which is not its to open", id)
	}
	select {
	case c.incoming <- &Incoming{Kind: string(payload[1:n]), Extra: payload[n:], ch: ch}:
	case <-c.done:
	}
	return nil
}

func readRequest(payload []byte) (*Request, error) {
	if len(payload) < 2 || len(payload) < 2+int(payload[1]) {
		return nil, io.ErrUnexpectedEOF
	}
	n := 2 + int(payload[1])
	return &Request{Name: string(payload[2:n]), WantReply: payload[0] != 0, Payload: payload[n:]}, nil
}

// Incoming is a channel that the other side wants to open. It has to be accepted or refused.
type Incoming struct {
	Kind  string
	Extra []byte
	ch    *Channel
}

// Accept opens the channel.
func (i *Incoming) Accept() (*Channel, error) {
	return i.ch, i.ch.conn.write(frameOpened, i.ch.id)
}

// Refuse does not open the channel, for a reason of RFC 4254 5.1.
func (i *Incoming) Refuse(reason uint32, message string) error {
	i.ch.conn.forget(i.ch.id)
	return i.ch.conn.write(frameRefused, i.ch.id, binary.BigEndian.AppendUint32(nil, reason), []byte(message))
}
