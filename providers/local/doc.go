// Package local answers: how is this machine a backend?
//
// An instance is an agent on this machine with a folder of its own; it offers the whole machine, and any number of them can be
// made. A volume is a folder, whose size is recorded and not enforced; one with a volume_id is a folder that exists already,
// which is used where it is and never deleted. A gateway is a reverse proxy on a port of 127.0.0.1. A job is a process under a
// supervisor of its agent. An attachment is a note in the folder of its volume, a route an entry of its gateway.
//
// Everything lies in DSTACK_HOME/local (or where the setting root says): instances/ID, volumes/ID and gateways/ID, each with a
// tags.json that says for whom it was made. An id is made of the idempotency key, and the tags are written before anything
// else, so a create that was cut off anywhere is found, and goes on when it is called again. The lock of a folder is an flock
// on the folder itself; whoever deletes moves the folder away first, so that it is there or is not.
//
// Agents and gateways outlive their starter. One that was killed is started again by whoever reads it.
package local
