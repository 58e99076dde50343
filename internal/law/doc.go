// Package law answers one question: how often, and with which draws, is a property looked at?
//
// A test that draws anew in every run fails at some time for somebody whose change has nothing to do with it. So tests draw
// the same each time, and a search for what nobody has seen yet is asked for: `make search`, or
//
//	go test ./planner -run Evolve -rapid.checks 5000 -rapid.shrinktime 2m -timeout 0
package law
