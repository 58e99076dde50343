// Package disk answers one question: how does a small file survive the death of the process that writes it?
//
// A file is written whole under another name, synced and renamed, so that a reader finds the old one or the new one. A lock
// is held by a process and freed by the kernel when the process is gone, however it went; a held lock is therefore a proof
// of life that neither a stale file nor a reused process id can forge.
package disk
