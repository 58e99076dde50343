// Package pid1 answers one question: what does the agent run inside a container?
//
// The agent's own program is mounted into every container, so that nothing has to be in an image: no shell, no init, no server.
// It is the container's first process. It is told through a named pipe what the job is, because what stands in a container's
// configuration can be read by everybody who may ask Docker, and is written to disk by it; it starts the job in a session of
// its own with its output on two more pipes, passes signals on, takes the exits of orphans, and ends as the job did. With it
// ends everything in the container.
//
// Named pipes are how a job's output reaches its supervisor. They are files in the job's folder: a job that writes while
// nobody reads waits, and neither loses a line nor is told that its output is gone, since it holds both ends.
//
// Beside and Dial are what the same program does when it is started in a container later.
package pid1
