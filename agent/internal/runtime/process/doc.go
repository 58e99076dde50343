// Package process answers one question: how does a job run on the machine itself, without a container?
//
// The supervisor starts a stage in a session and a control group of the job's own and in the namespaces that its mounts need.
// The stage builds the job's root, becomes the job's user and then the job. The supervisor adopts every orphan of it, so that
// nothing that the job started gets out of sight; where it could, because the supervisor was killed, what is left is found by
// its session, its control group and a variable in its environment.
package process
