package mux

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pair is a connection with an echo on the far side: what is written to a channel of type echo comes back, on the second stream
// in capitals too.
func pair(t *testing.T) (near, far *Conn) {
	t.Helper()
	a, b := net.Pipe()
	near, far = Dial(a), Serve(b)
	t.Cleanup(func() {
		near.Close()
		far.Close()
		<-near.Done()
		<-far.Done()
	})
	return near, far
}

// serve answers what comes until the connection ends.
func serve(far *Conn) {
	go func() {
		for r := range far.Requests() {
			r.Reply(r.Name == "yes", append([]byte("about "), r.Payload...))
		}
	}()
	for in := range far.Incoming() {
		if in.Kind != "echo" {
			in.Refuse(3, "there is no "+in.Kind+" "+string(in.Extra))
			continue
		}
		ch, err := in.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range ch.Requests() {
				r.Reply(r.Name == "yes", nil)
			}
		}()
		go func() {
			defer ch.Close()
			buf := make([]byte, 10_000)
			for {
				n, err := ch.Read(buf)
				if err != nil {
					ch.CloseWrite()
					return
				}
				ch.Write(buf[:n])
				for i, b := range buf[:n] {
					if 'a' <= b && b <= 'z' {
						buf[i] -= 'a' - 'A'
					}
				}
				ch.Stderr().Write(buf[:n])
			}
		}()
	}
}

func TestConversation(t *testing.T) {
	near, far := pair(t)
	go serve(far)
	ok, reply, err := near.Request("yes", true, []byte("this"))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "about this", string(reply))
	ok, _, err = near.Request("no", true, nil)
	require.NoError(t, err)
	require.False(t, ok)

	_, err = near.Open("magic", []byte("wand"))
	refused, is := errors.AsType[*Refused](err)
	require.True(t, is, "%v", err)
	require.Equal(t, Refused{3, "there is no magic wand"}, *refused)

	ch, err := near.Open("echo", nil)
	require.NoError(t, err)
	ok, err = ch.SendRequest("yes", true, nil)
	require.NoError(t, err)
	require.True(t, ok)
	ok, err = ch.SendRequest("no", true, nil)
	require.NoError(t, err)
	require.False(t, ok)
	_, err = io.WriteString(ch, "hello")
	require.NoError(t, err)
	require.NoError(t, ch.CloseWrite())
	_, err = io.WriteString(ch, "more")
	require.ErrorIs(t, err, ErrClosed, "after the end")
	out, err := io.ReadAll(ch)
	require.NoError(t, err)
	loud, err := io.ReadAll(ch.Stderr())
	require.NoError(t, err)
	require.Equal(t, "hello HELLO", string(out)+" "+string(loud))
	<-ch.Done()
	require.NoError(t, ch.Close())
	require.NoError(t, ch.Close())
	require.Empty(t, near.channels, "channels are kept")
}

// TestAnswerBeforeTheEnd holds that an answer counts that came just before the channel was closed.
func TestAnswerBeforeTheEnd(t *testing.T) {
	near, far := pair(t)
	go func() {
		for in := range far.Incoming() {
			ch, err := in.Accept()
			if err != nil {
				return
			}
			(<-ch.Requests()).Reply(true, nil)
			ch.Close()
		}
	}()
	for range 200 {
		ch, err := near.Open("brief", nil)
		require.NoError(t, err)
		ok, err := ch.SendRequest("x", true, nil)
		require.NoError(t, err)
		require.True(t, ok)
		require.NoError(t, ch.Close())
	}
}

// TestMuchAtOnce sends more than windows hold through many channels, in pieces of any size.
func TestMuchAtOnce(t *testing.T) {
	near, far := pair(t)
	go serve(far)
	var all sync.WaitGroup
	for seed := range uint64(5) {
		all.Go(func() {
			ch, err := near.Open("echo", nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer ch.Close()
			sent, got, loud := sha256.New(), sha256.New(), 0
			const total = 3 * windowSize / 2
			all.Go(func() {
				random := rand.New(rand.NewPCG(seed, seed))
				noise := make([]byte, 200_000)
				for i := range noise {
					noise[i] = byte(random.Uint32())
				}
				for left := total; left > 0; {
					n := min(left, 1+random.IntN(100_000))
					piece := noise[random.IntN(100_000):][:n]
					sent.Write(piece)
					if _, err := ch.Write(piece); err != nil {
						t.Error(err)
						return
					}
					left -= n
				}
				ch.CloseWrite()
			})
			done := make(chan struct{})
			go func() {
				defer close(done)
				n, _ := io.Copy(io.Discard, ch.Stderr())
				loud = int(n)
			}()
			n, err := io.Copy(got, ch)
			<-done
			if err != nil || n != total || loud != total || !bytes.Equal(got.Sum(nil), sent.Sum(nil)) {
				t.Errorf("channel %d: %d and %d bytes of %d came back, %v", ch.id, n, loud, total, err)
			}
		})
	}
	all.Wait()
}

// TestNobodyReads holds that a channel that nobody reads stops its writer and nobody else.
func TestNobodyReads(t *testing.T) {
	near, far := pair(t)
	stuck := make(chan *Channel, 1)
	go func() {
		for in := range far.Incoming() {
			ch, _ := in.Accept()
			if in.Kind == "stuck" {
				stuck <- ch
				continue
			}
			io.WriteString(ch, "alive")
			ch.Close()
		}
	}()
	ch, err := near.Open("stuck", nil)
	require.NoError(t, err)
	wrote := make(chan int, 1)
	go func() {
		n, _ := ch.Write(make([]byte, 2*windowSize))
		wrote <- n
	}()
	other, err := near.Open("other", nil)
	require.NoError(t, err)
	text, err := io.ReadAll(other)
	require.NoError(t, err)
	require.Equal(t, "alive", string(text))
	theirs := <-stuck
	require.Eventually(t, func() bool {
		theirs.mu.Lock()
		defer theirs.mu.Unlock()
		return theirs.unread == 0
	}, 20*time.Second, time.Millisecond)
	require.NoError(t, theirs.Close())
	require.Equal(t, windowSize, <-wrote, "no more than the window")
}

// TestEnd holds that the end of a connection ends everything that waits on it.
func TestEnd(t *testing.T) {
	near, far := pair(t)
	ready := make(chan *Channel)
	go func() {
		ch, _ := (<-far.Incoming()).Accept()
		ready <- ch
	}()
	ch, err := near.Open("x", nil)
	require.NoError(t, err)
	theirs := <-ready
	var all sync.WaitGroup
	for _, wait := range []func() error{
		func() error { _, err := io.ReadAll(ch); return err },
		func() error { _, err := io.ReadAll(ch.Stderr()); return err },
		func() error { _, err := ch.SendRequest("x", true, nil); return err },
		func() error { _, _, err := near.Request("x", true, nil); return err },
		func() error { _, err := near.Open("y", nil); return err },
		func() error { _, err := ch.Write(make([]byte, 3*windowSize)); return err },
		func() error { <-ch.Done(); return nil },
	} {
		all.Go(func() {
			if err := wait(); err != nil && !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		})
	}
	far.Close()
	all.Wait()
	require.NoError(t, near.Err())
	<-theirs.Done()
	_, err = near.Open("z", nil)
	require.ErrorIs(t, err, ErrClosed)
}

func TestNonsense(t *testing.T) {
	frame := func(kind byte, id byte, payload string) string {
		return string([]byte{kind, 0, 0, 0, id, 0, 0, 0, byte(len(payload))}) + payload
	}
	open := frame(frameOpen, 1, "\x01x")
	for name, tt := range map[string]struct{ sent, want string }{
		"no frame at all":           {"GET / HTTP/1.1\r\n\r\n", "what is no frame"},
		"a frame that is too long":  {"\x06\x00\x00\x00\x01\xff\xff\xff\xff", "what is no frame"},
		"a frame that is cut off":   {"\x06\x00\x00\x00\x01\x00\x00\x00\x09abc", "unexpected EOF"},
		"a channel of ours":         {frame(frameOpen, 2, "\x01x"), "not its to open"},
		"a channel opened twice":    {open + open, "not its to open"},
		"a type that is cut off":    {frame(frameOpen, 1, "\x09x"), "unexpected EOF"},
		"a request that is cut off": {frame(frameRequest, 0, "\x01\x09x"), "unexpected EOF"},
		"an answer to nothing":      {frame(frameSuccess, 0, "") + frame(frameSuccess, 0, ""), "what nobody asked"},
		"data of the connection":    {frame(frameData, 0, "x"), "about no channel"},
		"credit of three bytes":     {open + frame(frameCredit, 1, "abc"), "unexpected EOF"},
		"a request after the end":   {open + frame(frameClose, 1, "") + frame(frameRequest, 1, "\x00\x01x"), "that it has closed"},
		"opened twice":              {open + frame(frameOpened, 1, "") + frame(frameOpened, 1, ""), "answered twice"},
		"more than the window": {open + strings.Repeat(string([]byte{frameData, 0, 0, 0, 1, 0, 16, 0, 0})+strings.Repeat("x", maxPayload), 3),
			"more than it was allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			c := Serve(struct {
				io.Reader
				io.WriteCloser
			}{strings.NewReader(tt.sent), discard{}})
			require.ErrorContains(t, c.Err(), tt.want)
			for range c.Incoming() {
			}
		})
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close() error                { return nil }

func FuzzServe(f *testing.F) {
	f.Add([]byte("\x03\x00\x00\x00\x01\x00\x00\x00\x02\x01x\x06\x00\x00\x00\x01\x00\x00\x00\x01y\x0a\x00\x00\x00\x01\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		c := Serve(struct {
			io.Reader
			io.WriteCloser
		}{bytes.NewReader(sent), discard{}})
		go func() {
			for range c.Requests() {
			}
		}()
		for in := range c.Incoming() {
			ch, err := in.Accept()
			if err != nil {
				continue
			}
			go func() {
				for range ch.Requests() {
				}
			}()
			go io.Copy(io.Discard, ch)
		}
		<-c.Done()
	})
}

// BenchmarkThroughput sends through a Unix socket, as between agent and helper.
func BenchmarkThroughput(b *testing.B) {
	l, err := net.Listen("unix", b.TempDir()+"/s")
	require.NoError(b, err)
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		for in := range Serve(conn).Incoming() {
			ch, err := in.Accept()
			if err == nil {
				go io.Copy(io.Discard, ch)
			}
		}
	}()
	conn, err := net.Dial("unix", l.Addr().String())
	require.NoError(b, err)
	near := Dial(conn)
	defer near.Close()
	ch, err := near.Open("sink", nil)
	require.NoError(b, err)
	piece := make([]byte, dataSize)
	b.SetBytes(int64(len(piece)))
	for b.Loop() {
		if _, err := ch.Write(piece); err != nil {
			b.Fatal(err)
		}
	}
}
