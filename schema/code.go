package schema

import (
	"path"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// RepoBlock is the block `repo` in a run: a folder, or a repository on a server.
type RepoBlock struct {
	Path   string `name:"path" doc:"A folder, from the folder of the configuration. What .gitignore and .dstackignore name stays out. With url it is a checkout of that repository, and what is changed in it goes along."`
	URL    string `name:"url" doc:"A Git repository that is cloned where the job runs: https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH."`
	Branch string `name:"branch" doc:"The branch whose newest commit the job gets. Without branch and commit it is the default branch; with path the newest commit of the checkout that the server has."`
	Commit string `name:"commit" doc:"The commit that the job gets, with all its 40 digits."`

	Username   string `name:"username" doc:"The user name that belongs to the token, if the server asks for one."`
	Token      string `name:"token,sensitive" doc:"A token or password for HTTPS."`
	PrivateKey string `name:"private_key,sensitive" doc:"A private key for SSH: its text, without a passphrase."`
	KnownHosts string `name:"known_hosts" doc:"The keys by which the host is known over SSH: lines as ssh-keyscan prints them."`
}

// Repo is the code that a job starts with, as it was when the plan was made.
type Repo struct {
	Path   string `name:"path" change:"record" doc:"The folder that it is in, or the checkout whose changes go along."`
	URL    string `name:"url" change:"record" doc:"The repository that is cloned."`
	Branch string `name:"branch" change:"record" doc:"The branch that the clone is on."`
	Commit string `name:"commit" change:"replace" doc:"The commit that is cloned."`
	Digest string `name:"digest" change:"replace" doc:"Stands for all that is sent; times and owners do not count."`
	Files  int    `name:"file_count" change:"record" doc:"How many files are sent; of a checkout, how many have changed."`
	Bytes  int64  `name:"bytes" change:"record" doc:"How large they are together."`

	Username   string `name:"username" change:"record" doc:"The user name that belongs to the token."`
	Token      string `name:"token,sensitive" change:"record" doc:"A token or password for HTTPS."`
	PrivateKey string `name:"private_key,sensitive" change:"record" doc:"A private key for SSH."`
	KnownHosts string `name:"known_hosts" change:"record" doc:"The keys by which the host is known over SSH."`
}

// FileCopy is one of the `files` of a run.
type FileCopy struct {
	Local string `name:"local,required" doc:"The file, from the folder of the configuration."`
	Path  string `name:"path,required" doc:"Where the job finds it: from its own folder, or anywhere with a leading slash."`
}

// File is a single file that a job gets, as it was when the plan was made.
type File struct {
	Local  string `name:"local" change:"record" doc:"The file."`
	Path   string `name:"path,identity" change:"replace" doc:"Where the job finds it."`
	Digest string `name:"digest" change:"replace" doc:"Stands for what is in it, and whether it can be executed."`
	Bytes  int64  `name:"bytes" change:"record" doc:"How large it is."`
}

// ConformCty takes "LOCAL:REMOTE", the name of a file alone, which keeps it, and objects with local and path.
func (*FileCopy) ConformCty(v cty.Value) (cty.Value, error) {
	if v.Type() == cty.String {
		text := v.AsString()
		local, remote, two := strings.Cut(text, ":")
		if !two {
			remote = local
			if !isWithin(local) {
				return v, &ConformError{Offset: -1, Summary: "File has no place", Detail: "Only a file within the folder of the configuration keeps its path in the job. Say where this one goes:\n  \"" + text + ":" + path.Base(text) + "\""}
			}
		}
		v = cty.ObjectVal(map[string]cty.Value{"local": cty.StringVal(local), "path": cty.StringVal(remote)})
	}
	if !v.Type().IsObjectType() && !v.Type().IsMapType() {
		return v, nil // object reports it
	}
	attrs := v.AsValueMap()
	for _, name := range []string{"local", "path"} {
		if text, ok := attrs[name]; ok && isText(text) && blank(text) {
			return v, &ConformError{Offset: -1, Summary: "File cannot be read", Detail: "It is written as \"LOCAL:REMOTE\": a file here, and where the job finds it, as in \"conf/app.toml:app.toml\"."}
		}
	}
	if err := cleanPath(attrs, "path", jobPath); err != nil {
		return v, err
	}
	return cty.ObjectVal(attrs), nil
}

func isText(v cty.Value) bool {
	v, _ = v.Unmark()
	return v.Type() == cty.String && v.IsKnown() && !v.IsNull()
}

func blank(v cty.Value) bool {
	v, _ = v.Unmark()
	return v.AsString() == ""
}

// jobPath is the clean form of a path that a job sees.
func jobPath(text string) (string, error) {
	clean := path.Clean(text)
	switch {
	case strings.HasSuffix(text, "/"):
		return "", &ConformError{Offset: -1, Summary: "File has no name", Detail: "The path ends with a slash, and a file needs a name: write it behind the slash."}
	case clean == "/" || !path.IsAbs(clean) && !isWithin(clean):
		return "", &ConformError{Offset: -1, Summary: "File is outside", Detail: "The path is relative to the job's own folder and stays inside of it, as in \"conf/app.toml\", or begins with a slash, as in \"/etc/app.toml\"."}
	case strings.ContainsAny(clean, ":\x00"):
		return "", &ConformError{Offset: -1, Summary: "File cannot be placed there", Detail: "The path has a colon in it. It is written as \"LOCAL:REMOTE\" with one colon, or as { local = \"...\", path = \"...\" }."}
	}
	return clean, nil
}

// isWithin tells whether a relative path names something within the folder that it starts at.
func isWithin(p string) bool {
	clean := path.Clean(p)
	return !path.IsAbs(clean) && clean != "." && clean != ".." && !strings.HasPrefix(clean, "../") && !strings.HasPrefix(clean, "~")
}
