// Package sshconfig answers one question: how does the user's own OpenSSH find runs?
//
// It keeps two files below DSTACK_HOME/ssh: config, with one Host entry for each run that somebody attached to, and known_hosts,
// with the key of its job. Both are written anew and renamed, under a lock, so that a kill loses neither.
package sshconfig
