// Package client answers one question: how does a program talk to an agent or a local gateway, given its folder?
//
// Every call is one request of package api. An error that the other side answered is an *api.Error; one that says that nobody
// is there is ErrNotRunning. Start brings an agent or a gateway up that outlives its starter.
package client
