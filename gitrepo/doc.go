// Package gitrepo answers one question: which commit of a Git repository does a job get, and how do its files come into a
// folder?
//
// Resolve asks the server which commit a branch stands for, or whether it has a commit, without fetching files: a plan names
// the commit. Clone brings that commit into a folder, on the machine where the job runs, shallow where that is enough. Both
// speak to the server by themselves, over HTTPS or SSH, with the credentials that they are given and no others: neither a
// program git nor the configuration of whoever runs them matters, and credentials are written nowhere.
//
// What can go wrong is an *Error, whose Kind says what to do about it. What a checkout on this machine has beside a commit is
// the matter of the package checkout.
package gitrepo
