// Package runtime answers one question: what does a job's life need from that which runs it?
//
// The agent knows when a job starts, how long it may go on, who stops it and why, and what is kept of it. How a job is
// started, signalled, killed and entered depends on what it runs in, and that is a Runtime. There is one package below this one
// for each: process runs the job's program on the machine itself, in a session and control group of its own; docker runs it in a
// container.
//
// A Runtime lives in two processes. The supervisor of a job calls Start, and holds the Attempt until its end. The agent, which
// may be another process every day, reaches the same attempt by the Handle that the supervisor made durable: Inside opens what
// runs, Remove ends what a supervisor left that was killed.
package runtime
