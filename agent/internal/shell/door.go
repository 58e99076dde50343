package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/dstackai/dstack-planner/agent/internal/inside"
	"github.com/dstackai/dstack-planner/agent/internal/mux"
)

// greetTime bounds how long somebody may take to say who they are.
const greetTime = time.Minute

// exitNobody is what ssh itself gives when it does not get to the command.
const exitNobody = 255

// Door is the SSH server of one job.
type Door struct {
	// HostKey is by what the job is known.
	HostKey ssh.Signer
	// May tells who may come in. It is asked for each connection.
	May func(ssh.PublicKey) bool
	// Enter starts the helper in the job. It ends when what is returned is closed.
	Enter    func(context.Context) (io.ReadWriteCloser, error)
	Presence *Presence
	Logger   *slog.Logger
}

// Serve serves one connection until it ends, and closes it. A person's counts as presence, one of our own does not. That the
// other side goes away is no error.
func (d *Door) Serve(ctx context.Context, conn net.Conn, person bool) error {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	leave := func() {}
	defer func() { leave() }()
	config := &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-dstack",
		MaxAuthTries:  32, // an ssh-agent offers all that it has
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if !d.May(key) {
				return nil, fmt.Errorf("key %s may not enter", ssh.FingerprintSHA256(key))
			}
			return nil, nil
		},
		// Called before whoever came hears that they are in, so that nobody is in and not counted.
		AuthLogCallback: func(_ ssh.ConnMetadata, _ string, err error) {
			if err == nil && person {
				leave = d.Presence.Enter()
			}
		},
	}
	config.AddHostKey(d.HostKey)
	if err := conn.SetDeadline(time.Now().Add(greetTime)); err != nil {
		return err
	}
	peer, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			return nil
		}
		return err
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() { keepAlive(ctx, peer) })
	defer all.Wait()
	defer cancel()
	// Closed first: whoever has to wait for the rest does it with nobody on the line.
	defer peer.Close()

	pipes, err := d.Enter(ctx)
	if err != nil {
		d.Logger.Warn("nobody can enter the job", "error", err)
		go ssh.DiscardRequests(requests)
		turnAway(channels, err)
		return nil
	}
	helper := mux.Dial(pipes)
	defer helper.Close()
	all.Go(func() {
		if err := helper.Err(); err != nil {
			d.Logger.Warn("helper in the job does not work", "error", err)
		}
		peer.Close() // the job has ended, or the helper was killed
	})
	all.Go(func() {
		for r := range helper.Requests() {
			r.Reply(false, nil)
		}
	})
	b := &bridge{peer, helper}
	all.Go(func() { b.questions(requests) })
	all.Go(b.outwards)
	for c := range channels {
		all.Go(func() { b.inwards(c) })
	}
	return nil
}

// turnAway tells everybody who comes why there is no way in.
func turnAway(channels <-chan ssh.NewChannel, why error) {
	message := "dstack: nobody can enter the job: " + why.Error()
	var all sync.WaitGroup
	defer all.Wait()
	for c := range channels {
		if c.ChannelType() != inside.ChannelSession {
			c.Reject(ssh.ConnectionFailed, message)
			continue
		}
		ch, requests, err := c.Accept()
		if err != nil {
			continue
		}
		all.Go(func() {
			for r := range requests {
				runs := r.Type == "shell" || r.Type == "exec" || r.Type == "subsystem"
				r.Reply(runs || r.Type == "pty-req" || r.Type == "env", nil)
				if runs {
					io.WriteString(ch.Stderr(), message+"\r\n")
					ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{exitNobody}))
					ch.Close()
				}
			}
		})
	}
}
