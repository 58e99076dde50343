// Package modsource answers: what does the source of a module mean?
//
// Parse reads the text of `source`: a folder beside the one that calls the module, or a folder of a Git repository. Two
// texts that mean the same repository and the same ref have the same Key, which is what the lock file pins. Digest says
// what a folder holds, so that a copy can be told from a changed one.
//
// The package asks no network and starts no program; package modfetch does.
package modsource
