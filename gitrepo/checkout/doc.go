// Package checkout answers one question: what has a checkout on this machine beside a commit of its repository?
//
// It asks the program git, which knows the user's settings, attributes and ignored files best. Nothing in the checkout is
// changed, and no server is asked.
package checkout
