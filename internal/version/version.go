// Package version says which version of dstack this is.
package version

import "runtime/debug"

// version is set by the linker.
var version string

// String is the version of the program: the one that it was linked with, else that of the module, else "dev".
func String() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
