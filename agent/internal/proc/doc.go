// Package proc answers one question: which processes belong to a job, and are they gone?
//
// A job's processes are found by their parents, by their session, and where the system shows it by a variable in their
// environment, since a process may leave its session and lose its parent but hardly both and its environment too.
package proc
