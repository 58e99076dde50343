package gitrepo

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"golang.org/x/crypto/ssh"
)

// patience is how long a server may say nothing.
const patience = 2 * time.Minute

// session is one conversation with a server: it says what it has, and is asked for some of it.
type session struct {
	remote Remote
	ctx    context.Context // of this conversation: it ends when the server says nothing for too long
	end    context.CancelCauseFunc
	quiet  *time.Timer
	has    *packp.AdvRefs
	pull   func(*packp.UploadPackRequest) (*packp.UploadPackResponse, error)
	close  func()
	said   func() string // what the server wrote beside its answers
}

// open begins a conversation.
func (r Remote) open(ctx context.Context) (*session, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	a, err := parse(r.URL)
	if err != nil {
		return nil, err
	}
	s := &session{remote: r, close: func() {}, said: func() string { return "" }}
	s.ctx, s.end = context.WithCancelCause(ctx)
	s.quiet = time.AfterFunc(patience, func() { s.end(errStalled) })
	begin := s.overHTTP
	if a.scheme == "ssh" {
		begin = s.overSSH
	}
	if err := begin(a); err != nil {
		err = s.explain(err)
		s.Close()
		return nil, err
	}
	transport.FilterUnsupportedCapabilities(s.has.Capabilities)
	return s, nil
}

// Close ends the conversation, wherever it is.
func (s *session) Close() {
	s.quiet.Stop()
	s.end(context.Canceled)
	s.close()
}

func (s *session) explain(err error) error { return s.remote.explain(s.ctx, err, s.said()) }

// heard is a reader that notes that the server has said something.
type heard struct {
	io.Reader
	s *session
}

func (h heard) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if n > 0 {
		h.s.quiet.Reset(patience)
	}
	return n, err
}

// basic is what says a token to an HTTP server.
func (r Remote) basic() string {
	if r.Token == "" {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(r.user() + ":" + r.Token))
}

func (r Remote) user() string {
	if r.Username == "" {
		return DefaultUsername
	}
	return r.Username
}

func (s *session) overHTTP(address) error {
	at, err := transport.NewEndpoint(s.remote.URL)
	if err != nil {
		return err
	}
	var auth transport.AuthMethod
	if s.remote.Token != "" {
		auth = &githttp.BasicAuth{Username: s.remote.user(), Password: s.remote.Token}
	}
	own := http.DefaultTransport.(*http.Transport).Clone()
	up, err := githttp.NewClient(&http.Client{Transport: own}).NewUploadPackSession(at, auth)
	if err != nil {
		return err
	}
	s.close = own.CloseIdleConnections
	s.pull = func(req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
		return up.UploadPack(s.ctx, req)
	}
	s.has, err = up.AdvertisedReferencesContext(s.ctx)
	return err
}

func (s *session) overSSH(a address) error {
	signer, err := ssh.ParsePrivateKey([]byte(s.remote.PrivateKey))
	if err != nil {
		return err
	}
	known, err := s.remote.knownKeys(a)
	if err != nil {
		return err
	}
	user, port := a.user, a.port
	if user == "" {
		user = DefaultUsername
	}
	if port == "" {
		port = "22"
	}
	var refused *Error // the SSH package wraps what the callback said as text only
	conn, err := (&net.Dialer{}).DialContext(s.ctx, "tcp", net.JoinHostPort(a.host, port))
	if err != nil {
		return err
	}
	stop := context.AfterFunc(s.ctx, func() { conn.Close() })
	s.close = func() {
		stop()
		conn.Close()
	}
	c, chans, reqs, err := ssh.NewClientConn(conn, a.host, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyAlgorithms: algorithms(known),
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			err := s.remote.checkKey(known, key)
			refused, _ = errors.AsType[*Error](err)
			return err
		},
	})
	if refused != nil {
		return refused
	}
	if err != nil {
		return err
	}
	client := ssh.NewClient(c, chans, reqs)
	s.close = func() {
		stop()
		client.Close()
	}
	run, err := client.NewSession()
	if err != nil {
		return err
	}
	in, err := run.StdinPipe()
	if err != nil {
		return err
	}
	out, err := run.StdoutPipe()
	if err != nil {
		return err
	}
	complaints := &limited{most: 4 << 10}
	run.Stderr = complaints
	s.said = complaints.String
	if err := run.Start("git-upload-pack '" + strings.NewReplacer(`'`, `'\''`, `!`, `'\!'`).Replace(a.path) + "'"); err != nil {
		return err
	}
	from := heard{out, s}
	s.has = packp.NewAdvRefs()
	if err := s.has.Decode(from); err != nil {
		if errors.Is(err, packp.ErrEmptyAdvRefs) {
			return transport.ErrEmptyRemoteRepository
		}
		run.Wait() // what it complained of is there then
		return err
	}
	if s.has.IsEmpty() {
		return transport.ErrEmptyRemoteRepository
	}
	s.pull = func(req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
		if err := req.UploadRequest.Encode(in); err != nil {
			return nil, err
		}
		if err := pktline.NewEncoder(in).EncodeString("done\n"); err != nil {
			return nil, err
		}
		in.Close()
		res := packp.NewUploadPackResponse(req)
		return res, res.Decode(io.NopCloser(from))
	}
	return nil
}

// limited keeps the beginning of what is written to it.
type limited struct {
	mu   sync.Mutex
	most int
	buf  bytes.Buffer
}

func (l *limited) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Write(p[:min(len(p), l.most-l.buf.Len())])
	return len(p), nil
}

func (l *limited) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
