// Package content answers one question: what exactly is in the folder or file that a job gets, and how does it travel unchanged?
//
// Scan looks at a folder and makes a Manifest of it: every path with its size and the digest of what it holds, but for what
// .gitignore and .dstackignore leave out; ScanPaths makes one of some paths, which is put over a folder that is there. The digest
// of the manifest stands for all of it, in plans and in states. Stage keeps the bytes by their digests in a folder, so that
// what was planned is what is sent, whatever becomes of the files meanwhile; Place makes files of them again, on the machine
// where the job runs. Pack and Unpack carry a store in one stream.
//
// Owners, times and permissions other than the right to execute are no part of a content, so that two checkouts of the same
// files are equal.
package content
