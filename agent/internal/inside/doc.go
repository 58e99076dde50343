// Package inside answers one question: how does somebody who is outside of a job work inside of it?
//
// It is the helper that the agent starts within a job, whatever the job consists of: the agent's own program, with the job's
// user, folder, environment, root, and network. It speaks package mux on its standard input and output and does there what the
// server of an SSH connection does after the encryption: shells with a terminal, commands, files by sftp, connections from the
// job's network and to ports in it, and the user's ssh-agent. It knows no keys, and decides nothing about who may come in.
//
// A shell is the user's own, else bash, else sh, else Script, which is built in: an image needs to have nothing.
package inside
