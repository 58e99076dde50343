// Package setup answers one question: how does a machine become a host of jobs, and how is it given back as it was?
//
// It runs on the machine itself, as root, in the program that is to be installed. [Install] writes down first who owns the machine,
// then puts each thing in its place: the program, the service that keeps it running, the keys of those who may log in. [Remove]
// takes back each of them in the opposite order, and the record last. Both may be cut off anywhere and be done again; what is as
// it should be is left alone, and so is what was there before.
//
// A machine belongs to one instance of one state. For another one Install is a conflict that says whose it is and since when,
// unless it is told to take the machine over, which is to give it back and to install it anew.
package setup
