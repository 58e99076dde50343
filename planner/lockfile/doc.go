// Package lockfile answers: what exactly was agreed to?
//
// The lock file .dstack.lock.hcl belongs into version control. It pins what a configuration uses and does not hold
// itself: programs of providers by their checksums, and sources of modules by commit and by the digest of their files.
// dstack init writes it; everything else only reads it.
//
// Where the files of a pinned module are is a function of the lock's text (Lock.Dir, Lock.Resolve), so that they are
// found without any other record: below .dstack/modules in the configuration's folder. Only the lock of the folder
// that is planned counts; what modules bring along is not read.
package lockfile
