package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dstackai/dstack-planner/modfetch/gittest"
)

type gitKey struct{}

// gitServer is the server of a script, nil while there is none.
type gitServer struct{ *gittest.Server }

// repos is the folder of the repositories of a script.
func repos(ts *testscript.TestScript) string {
	return ts.MkAbs(filepath.Join(ts.Getenv("HOME"), "repos"))
}

// gitserve NAME serves the script's repositories over HTTPS and sets a variable to the address. The certificate is
// trusted by git. gitserve alone ends the server.
func gitServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: gitserve [NAME]")
	}
	mine := ts.Value(gitKey{}).(*gitServer)
	if len(args) == 0 {
		mine.Close()
		return
	}
	ts.Check(os.MkdirAll(repos(ts), 0o755))
	s, err := gittest.Serve(repos(ts))
	ts.Check(err)
	ts.Defer(s.Close)
	mine.Server = s
	ts.Setenv(args[0], s.URL)
	ts.Setenv("GIT_SSL_CAINFO", s.CA)
}

// commit REPOSITORY DIR [TAG] commits the files below a folder to a repository, which is made when it is not there. It
// prints the commit.
func gitCommit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: commit REPOSITORY DIR [TAG]")
	}
	repo := &gittest.Repo{Dir: filepath.Join(repos(ts), args[0])}
	if _, err := os.Stat(repo.Dir); err != nil {
		repo, err = gittest.Init(repo.Dir, "sha1")
		ts.Check(err)
	}
	commit, err := repo.CommitDir(ts.MkAbs(args[1]))
	ts.Check(err)
	if len(args) == 3 {
		_, err = repo.Git("", "tag", "--force", args[2], commit)
		ts.Check(err)
	}
	fmt.Fprintln(ts.Stdout(), commit)
}
