package value_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/schema/value"
)

func mountRows() map[string]reading {
	return map[string]reading{
		// VAL-13
		"a volume":                       {text: "data:/data", canonical: "data:/data"},
		"alternatives":                   {text: "data-eu|data-us:/data", canonical: "data-eu|data-us:/data"},
		"a folder of the instance":       {text: "/mnt/cache:/cache", canonical: "/mnt/cache:/cache"},
		"an optional folder":             {text: "?/mnt/cache:/cache", canonical: "?/mnt/cache:/cache"},
		"paths are cleaned":              {text: "/a/./b//c/:/x//./y/", canonical: "/a/b/c:/x/y"},
		"the root of the instance":       {text: "/:/host", canonical: "/:/host"},
		"dots in a name are no parent":   {text: "/a/..b/...:/c..", canonical: "/a/..b/...:/c.."},
		"a path with blanks":             {text: "/mnt/my data:/my data", canonical: "/mnt/my data:/my data"},
		"an object":                      {hcl: `{ name = "data", path = "/data/" }`, canonical: "data:/data"},
		"an object with alternatives":    {hcl: `{ name = ["data-eu", "data-us"], path = "/data" }`, canonical: "data-eu|data-us:/data"},
		"an object with a volume":        {hcl: `{ volume = "data", path = "/data" }`, canonical: "data:/data"},
		"a reference":                    {hcl: `{ volume = volume.data[1], path = "/data" }`, canonical: "data-1:/data"},
		"references as alternatives":     {hcl: `{ volume = [volume.data[1], "other"], path = "/data" }`, canonical: "data-1|other:/data"},
		"all volumes of a block":         {hcl: `{ volume = volume.data, path = "/data" }`, canonical: "data-0|data-1:/data"},
		"a volume that is not optional":  {hcl: `{ name = "data", path = "/data", optional = false }`, canonical: "data:/data"},
		"an object with a folder":        {hcl: `{ instance_path = "/mnt/./cache", path = "/cache" }`, canonical: "/mnt/cache:/cache"},
		"an object that is optional":     {hcl: `{ instance_path = "/mnt", path = "/cache", optional = true }`, canonical: "?/mnt:/cache"},
		"an object that is not optional": {hcl: `{ instance_path = "/mnt", path = "/cache", optional = false }`, canonical: "/mnt:/cache"},
		"an object with nulls":           {hcl: `{ name = "data", path = "/data", optional = null, instance_path = null }`, canonical: "data:/data"},

		"one part":                       {text: "data", err: "Mount lacks a path", marks: "data"},
		"three parts":                    {text: "data:/data:ro", err: "Mount has too many parts", says: `"ro" is a third. There are no mount options`, marks: ":ro"},
		"an empty source":                {text: ":/data", err: "Mount has an empty source"},
		"an empty path":                  {text: "data:", err: "Mount has an empty path"},
		"an empty alternative":           {text: "a1||b1:/data", err: "Mount has an empty source"},
		"an alternative twice":           {text: "a1|b1|a1:/data", err: "Mount names a volume twice", marks: "a1"},
		"a relative path":                {text: "data:data", err: "Mount has a relative path", says: `The path of the container, "data"`, marks: "data"},
		"a relative folder":              {text: "./data:/data", err: "Mount has a relative path", says: "The path of the instance", marks: "./data"},
		"a relative optional folder":     {text: "?a/b:/data", err: "Mount has a relative path", marks: "a/b"},
		"the home folder":                {text: "~/data:/data", err: "Mount has a relative path", says: `"~" is not expanded`, marks: "~/data"},
		"a parent in the path":           {text: "data:/data/../x", err: "Mount has a path with a parent folder", marks: ".."},
		"a parent in the folder":         {text: "/a/..:/data", err: "Mount has a path with a parent folder", marks: ".."},
		"the root of the container":      {text: "data:/", err: "Mount would hide the container", marks: "/"},
		"the root written at length":     {text: "data:/./", err: "Mount would hide the container", marks: "/./"},
		"a label instead of a name":      {text: "my_data:/data", err: "Mount names no valid volume", says: `Write "my-data".`, marks: "_"},
		"a bad second name":              {text: "a1|B1:/data", err: "Mount names no valid volume", marks: "B"},
		"a newline in a path":            {text: "data:/a\nb", err: "Mount has an invalid character", marks: "\n"},
		"nothing":                        {text: "", err: "Mount lacks a path"},
		"an object without path":         {hcl: `{ name = "data" }`, err: "Mount lacks a path"},
		"an object without source":       {hcl: `{ path = "/data" }`, err: "Mount has no single source", says: "this has none of them."},
		"an object with two sources":     {hcl: `{ name = "data", instance_path = "/x", path = "/data" }`, err: "Mount has no single source", says: "this has name and instance_path."},
		"an object with two names":       {hcl: `{ name = "data", volume = "data", path = "/data" }`, err: "Mount has no single source"},
		"an object with no names":        {hcl: `{ name = [], path = "/data" }`, err: "Mount has an empty source", path: ".name"},
		"an object with an empty name":   {hcl: `{ name = "", path = "/data" }`, err: "Mount has an empty source", path: ".name"},
		"an object with a bad name":      {hcl: `{ volume = "a/b", path = "/data" }`, err: "Mount names no valid volume", path: ".volume"},
		"an object without a name":       {hcl: `{ volume = { id = "x" }, path = "/data" }`, err: "Volume has no name", path: ".volume"},
		"an object with a number":        {hcl: `{ name = ["ab", 1], path = "/data" }`, err: "Volume has the wrong type", path: ".name[1]"},
		"an object with a relative path": {hcl: `{ name = "data", path = "data" }`, err: "Mount has a relative path", path: ".path"},
		"an object with a bad folder":    {hcl: `{ instance_path = "/a/../b", path = "/data" }`, err: "Mount has a path with a parent folder", path: ".instance_path"},
		"an object with a colon":         {hcl: `{ instance_path = "/a:b", path = "/data" }`, err: "Mount has an invalid character", path: ".instance_path"},
		"an optional volume":             {hcl: `{ name = "data", path = "/data", optional = true }`, err: "Mount of a volume cannot be optional", path: ".optional"},
		"optional in words":              {hcl: `{ instance_path = "/a", path = "/data", optional = "yes" }`, err: "Optional has the wrong type", path: ".optional"},
		"an unknown key":                 {hcl: `{ name = "data", path = "/data", read_only = true }`, err: "Mount has an unknown key", path: ".read_only"}, // VAL-15
		"a number is not allowed":        {hcl: `1`, err: "Mount has the wrong type"},
		"a list is not allowed":          {hcl: `["data:/data"]`, err: "Mount has the wrong type"},
	}
}

func TestMount(t *testing.T) {
	readAll[value.Mount](t, mountRows())

	m := value.Must(value.ParseMount("data-eu|data-us:/data"))
	require.True(t, m.IsVolume())
	require.Equal(t, []value.Name{"data-eu", "data-us"}, m.Volumes())
	require.Equal(t, "/data", m.Path())
	require.True(t, m.Equal(value.Must(value.MountVolume("/data/", "data-eu", "data-us"))))
	require.False(t, m.Equal(value.Must(value.MountVolume("/data", "data-us", "data-eu"))), "the first fitting one is mounted")

	m = value.Must(value.ParseMount("?/mnt/cache/:/cache"))
	require.False(t, m.IsVolume())
	require.True(t, m.Optional())
	require.Equal(t, "/mnt/cache", m.InstancePath())
	require.False(t, m.Equal(value.Must(value.ParseMount("/mnt/cache:/cache"))))

	for _, bad := range []func() (value.Mount, error){
		func() (value.Mount, error) { return value.MountVolume("/data") },
		func() (value.Mount, error) { return value.MountVolume("data", "data") },
		func() (value.Mount, error) { return value.MountVolume("/data", "no_name") },
	} {
		_, err := bad()
		require.Error(t, err)
	}
}
