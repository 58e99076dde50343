// Package shell answers one question: who comes into a job, and when was the last one gone?
//
// It is the agent's own SSH server. A Door belongs to one job; it is given connections, from wherever they come, and never
// listens itself. It checks the key of whoever comes against those that may, starts the helper (package inside) in the job, and
// hands on what is said between the two: the encryption ends here, the work is done inside, and the job never sees a key.
//
// Because nobody gets in otherwise, Presence knows exactly whether somebody is there. Connections of our own that are for no
// person are not counted, and peers that do not answer any more are dropped, so that a laptop that was closed counts as gone.
package shell
