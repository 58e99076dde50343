package shell

import (
	"errors"
	"io"
	"slices"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/dstackai/dstack-planner/agent/internal/inside"
	"github.com/dstackai/dstack-planner/agent/internal/mux"
)

// What is handed on. The helper is in the hands of whoever owns the job, so it gets to ask the client for nothing but what
// belongs to forwarding, and clients drop that where they did not ask for it.
var (
	inwardChannels  = []string{inside.ChannelSession, inside.ChannelTCP, inside.ChannelUnix}
	outwardChannels = []string{inside.ChannelForwardedTCP, inside.ChannelForwardedUnix, inside.ChannelAgent}
	globalRequests  = []string{
		"tcpip-forward", "cancel-tcpip-forward", "streamlocal-forward@openssh.com", "cancel-streamlocal-forward@openssh.com",
	}
	outwardRequests = []string{"exit-status", "exit-signal"}
)

// bridge hands on what is said between somebody who came in and the helper in the job. That one side cannot be told shows as the
// end of its channel.
type bridge struct {
	peer   ssh.Conn
	helper *mux.Conn
}

// questions hands on what the peer asks about the connection.
func (b *bridge) questions(requests <-chan *ssh.Request) {
	for r := range requests {
		if !slices.Contains(globalRequests, r.Type) {
			r.Reply(false, nil)
			continue
		}
		ok, reply, err := b.helper.Request(r.Type, r.WantReply, r.Payload)
		r.Reply(ok && err == nil, reply)
	}
}

// inwards hands on a channel that the peer opens.
func (b *bridge) inwards(c ssh.NewChannel) {
	if !slices.Contains(inwardChannels, c.ChannelType()) {
		c.Reject(ssh.UnknownChannelType, "channels of type "+c.ChannelType()+" are not known here")
		return
	}
	theirs, err := b.helper.Open(c.ChannelType(), c.ExtraData())
	if err != nil {
		reason := ssh.ConnectionFailed
		if refused, ok := errors.AsType[*mux.Refused](err); ok {
			reason = ssh.RejectionReason(refused.Reason)
		}
		c.Reject(reason, err.Error())
		return
	}
	ours, requests, err := c.Accept()
	if err != nil {
		theirs.Close()
		return
	}
	join(ours, requests, theirs)
}

// outwards hands on the channels that the helper opens.
func (b *bridge) outwards() {
	var all sync.WaitGroup
	defer all.Wait()
	for in := range b.helper.Incoming() {
		if !slices.Contains(outwardChannels, in.Kind) {
			in.Refuse(uint32(ssh.Prohibited), "the agent does not hand on channels of type "+in.Kind)
			continue
		}
		all.Go(func() {
			ours, requests, err := b.peer.OpenChannel(in.Kind, in.Extra)
			if err != nil {
				in.Refuse(uint32(ssh.ConnectionFailed), err.Error())
				return
			}
			theirs, err := in.Accept()
			if err != nil {
				ours.Close()
				return
			}
			join(ours, requests, theirs)
		})
	}
}

// join hands on what is said on a channel until both of its sides have closed it.
func join(ours ssh.Channel, requests <-chan *ssh.Request, theirs *mux.Channel) {
	var all, output, outwards sync.WaitGroup
	// Held while a question waits for its answer, which has to be there before the end of what it began.
	var asking sync.Mutex
	all.Go(func() {
		for r := range requests {
			asking.Lock()
			ok, err := theirs.SendRequest(r.Type, r.WantReply, r.Payload)
			r.Reply(ok && err == nil, nil)
			asking.Unlock()
		}
		theirs.Close()
	})
	all.Go(func() {
		io.Copy(theirs, ours)
		theirs.CloseWrite()
	})
	output.Go(func() { io.Copy(ours, theirs) })
	output.Go(func() { io.Copy(ours.Stderr(), theirs.Stderr()) })
	outwards.Go(func() {
		output.Wait()
		ours.CloseWrite()
	})
	outwards.Go(func() {
		for r := range theirs.Requests() {
			if slices.Contains(outwardRequests, r.Name) {
				asking.Lock()
				ours.SendRequest(r.Name, false, r.Payload)
				asking.Unlock()
			}
			r.Reply(false, nil)
		}
	})
	all.Go(func() {
		outwards.Wait()
		asking.Lock()
		defer asking.Unlock()
		ours.Close()
	})
	all.Wait()
}
