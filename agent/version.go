package agent

import "runtime/debug"

// Version is the version of the program that this package is part of, or "dev" where the build does not know it.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "dev"
	}
	return info.Main.Version
}
