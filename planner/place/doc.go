// Package place answers: on which machine does each job run, and which machines are made of which offer?
//
// Solve is a pure function: the same problem has the same solution, in whatever order its parts are listed.
//
// It goes from what is least free to what is most free. Jobs stay where they are if they still fit. Runs of several
// nodes take whole machines before anything else can break them up. What remains is packed, the largest first, on
// machines that exist, then on planned ones, then on those that a fleet may add or a run may bring. A planned machine
// has no type yet: it has a list of candidates, and each job that is put on it strikes out those that could not hold
// it. So every candidate that is left is an alternative for all of its jobs. At the end each group takes its cheapest
// candidate, quotas and limits counted together.
package place
