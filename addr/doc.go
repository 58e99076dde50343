// Package addr answers: how is a thing called?
//
// An address is a valid HCL traversal, so that it can be typed in --target, import, moved and state show. Every
// address has a module path from the start; the root module's is empty. All types are comparable and so are keys of
// maps; String and Parse are each other's inverse.
//
//	module.eu.fleet.train["a"].instance[0]
//	└ Module ┘└── Instance ──┘└─ Resource ─
//	          └ Block ──┘
package addr
