// Package providers answers: what must a piece of infrastructure be able to do?
//
// A provider is a Go value; package wire makes it a process and back again, package launch starts that process, and
// package provtest says as tests what is said here in words. One process serves all backends of its provider: Open
// gives a handle for each. One generic interface for each kind keeps every provider's house alike.
//
// Core (package planner and below) works with Resource[cty.Value], which Erase makes of any Resource.
package providers
