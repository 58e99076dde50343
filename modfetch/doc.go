// Package modfetch answers: how do the files of a module get here, unchanged?
//
// Install follows the calls of modules from the root module on, fetches what is missing, and says what the lock file is
// to pin. Fetch gets one repository at one commit into a folder that is named after both.
//
//	config.ModuleCalls -> Install -> Fetch -> git, in a bare repository that is thrown away
//	       ^                 |         `----> .dstack/modules/NAME@COMMIT, checked against the lock
//	       `- the next ones -'
//
// Git itself talks to servers, as a program: so what people have set up for it works here, credential helpers, SSH
// configuration and proxies. It never makes a working tree, so that no hook, filter or attribute has a part in what is
// written: blobs are read from the commit and written by this package. Only https and ssh are spoken, nothing is asked
// on the terminal, and submodules are left out.
//
// A source that is there and fits the lock costs no network at all.
package modfetch
