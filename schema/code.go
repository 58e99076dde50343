package schema

import (
	"path"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// RepoBlock is the block `repo` in a run.
type RepoBlock struct {
	Path string `name:"path,required" doc:"A folder, from the folder of the configuration. What .gitignore and .dstackignore name stays out."`
}

// Repo is the code that a job starts with, as it was when the plan was made.
type Repo struct {
	Path   string `name:"path" change:"record" doc:"The folder that it is in."`
	Digest string `name:"digest" change:"replace" doc:"Stands for all that is in the folder; times and owners do not count."`
	Files  int    `name:"file_count" change:"record" doc:"How many files there are."`
	Bytes  int64  `name:"bytes" change:"record" doc:"How large they are together."`
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
