// Package lint answers: what of this configuration could be left out or said better?
//
// What it finds is right, and works: findings are warnings, each with the rule that it breaks, and only validate --lint
// asks for them. A comment beside the place lets one pass, with its reason:
//
//	# lint-ignore unused-variable: the next release needs it
package lint
