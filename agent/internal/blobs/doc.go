// Package blobs answers one question: how does what a job needs get onto its machine, once and whole?
//
// A Store keeps bytes under their digests. Who sends asks first what is missing, and how much of each is there, and then
// sends only that, in one stream however many there are; a connection that breaks loses what was under way at most. What no
// job needs is kept for a while, because the next version of a folder shares most of its files with the last.
package blobs
