// Package docker answers one question: how does a job run in a container of the machine's Docker Engine?
//
// The image is pulled unless it is there, and a container is made of it whose first process is the agent's own program (package
// pid1), which starts the job. A job that has its whole machine gets the machine's network and no limits; one that has a share
// gets a network of its own behind Docker's bridge, limits, and the GPUs that it holds.
//
// Docker keeps no log. The job's output comes to its supervisor through named pipes, which lose and repeat nothing when the
// agent, the supervisor's reader or Docker itself starts again, and hold back a job that writes faster than a disk.
//
// What Docker holds of a job is found by its labels, so that nothing is left even if the process that made it was killed before
// it could write down what Docker called it. Every question to Docker has a deadline: one that hangs is a reason, not a hang.
package docker
