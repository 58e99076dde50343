// Benchpeers answers one question: how long do plan, apply and destroy take here, compared with Terraform and OpenTofu
// for as many resources on the same machine, in the same run?
//
//	BIN=bin go run ./scripts/benchpeers
//
// Ours are volumes of the real local provider, each of which is a folder that is made, changed and deleted. Theirs are
// terraform_data resources, which their own built-in provider keeps: no network, no plugin process, no work but the
// record. Blocks are written out, one for each resource, for all tools; the shape pairs alone has two blocks with count,
// because it asks what one element of another block costs.
//
// The tools take turns at each step, each in its own temporary folder with its own home, and a lock keeps two runs of this
// program apart. What is printed is the median of -runs runs. A peer that is not on the PATH is left out, and said so.
//
// The last part plans 10,000 written-out blocks without a change and compares that with a process that does nothing but
// parse the same files with hclparse.
package main
