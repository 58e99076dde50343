// Package install answers one question: how does the agent get onto a machine that is reached over SSH, and off it again?
//
// [Installer.Look] asks the machine what it is, in one round trip, and changes nothing. [Installer.Install] sends the agent that fits its
// architecture, unless it is there, and lets it install itself as root; [Installer.Remove] lets it take itself away. What they do on the
// machine is told in package agent/internal/setup. [Installer.Client] is the agent that runs there, reached by its socket through
// the SSH server, or through its own program where the server forwards no sockets.
//
// Every call can be cut off anywhere and be done again. An upload that broke goes on where it broke. Errors are a [*Refusal], which
// says what about the machine is in the way and what to do about it, or a link.Failure where it was not reached.
package install
