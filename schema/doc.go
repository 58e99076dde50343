// Package schema answers: what may be said, and what can exist?
//
// A kind of resource (instance, volume, gateway, job, support) and a block of the language is described once, as a Go
// struct whose field tags carry all that there is to know about an attribute:
//
//	name:"size,computed"   the name in HCL, plans and state, and flags
//	change:"provider"      what a change does to what exists (kinds only)
//	default:"8GB.."        what stands in when nothing is written (blocks only)
//	rule:"at least 1"      what a value must satisfy beyond its type, for the reader
//	doc:"..."              one or two sentences
//
// Everything else is derived from that description: decoding and validation of configurations, the diff's rules, the
// encoding of state and wire, and the schema that `dstack providers schema` and the reference pages print. A new
// attribute is one line in one place.
//
// Flags: required; computed (the provider says it); varies (and an update may change it); placed (placement decides it); status (a fact that comes and goes,
// never a difference); sensitive; block (written as a block); label (the block's label); ref (written as a reference);
// env (environment variables); job (evaluated once for each job of a run);
// kept (where nothing is written, what was decided before stays).
package schema
