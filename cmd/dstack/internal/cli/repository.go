package cli

import (
	"os"
	"path/filepath"
)

// repository is where a configuration lives and what it is worked on by, as far as that is known.
type repository struct {
	folder string // of the configuration, with slashes; empty for the repository's own
	files  string // URL of the repository's files at the commit
	commit string // "main@4be1d02"
	run    string // URL of the job that runs
}

// repositoryOf asks the environment that GitHub and GitLab give to jobs, and the folders.
func repositoryOf(getenv func(string) string) repository {
	var r repository
	root := ""
	switch {
	case getenv("GITHUB_ACTIONS") == "true":
		root = getenv("GITHUB_WORKSPACE")
		project := getenv("GITHUB_SERVER_URL") + "/" + getenv("GITHUB_REPOSITORY")
		if sha := getenv("GITHUB_SHA"); sha != "" {
			r.files, r.commit = project+"/blob/"+sha, commitOf(getenv("GITHUB_REF_NAME"), sha)
		}
		if id := getenv("GITHUB_RUN_ID"); id != "" {
			r.run = project + "/actions/runs/" + id
		}
	case getenv("GITLAB_CI") == "true":
		root = getenv("CI_PROJECT_DIR")
		if sha := getenv("CI_COMMIT_SHA"); sha != "" {
			r.files, r.commit = getenv("CI_PROJECT_URL")+"/-/blob/"+sha, commitOf(getenv("CI_COMMIT_REF_NAME"), sha)
		}
		r.run = getenv("CI_JOB_URL")
	}
	dir, err := os.Getwd()
	if err != nil {
		return r
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	if real, err := filepath.EvalSymlinks(root); err == nil && root != "" {
		root = real
	} else {
		root = rootOf(dir)
	}
	rel, err := filepath.Rel(root, dir)
	if root == "" || err != nil || !filepath.IsLocal(rel) {
		r.files = "" // it is not in the repository that the job is about
		return r
	}
	if rel != "." {
		r.folder = filepath.ToSlash(rel)
	}
	return r
}

// rootOf is the nearest folder at or above dir that git works in.
func rootOf(dir string) string {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

func commitOf(ref, sha string) string {
	short := sha[:min(len(sha), 7)]
	if ref == "" {
		return short
	}
	return ref + "@" + short
}
