// Package link answers one question: how is a machine reached over SSH?
//
// A [Links] opens connections to machines, directly or through one head node, and shares them: whoever opens a machine that is
// open already gets the same connection. A [Link] runs commands, copies files and dials what listens on the machine. Connections
// are kept alive, made anew when they are lost, and every wait has a deadline.
//
// Who opens a machine: the keys of the ssh-agent, that of DSTACK_IDENTITY_FILE, the machine's identity file, and the one that
// dstack made, in this order, but for those of the agent that are no identity of the machine where it has one: servers
// refuse more than six. Which machine it is: known_hosts says so, or what was pinned at first contact.
//
// Errors are a [*Failure], which says at which step it ended and what to do about it.
package link
