// Package render answers: how does it look?
//
// It turns plans, diagnostics, the progress of an apply and tables of what is running into text for people. It is pure:
// what is now, how wide the terminal is and whether it has colours are options, and every function gives the same text
// for the same input. Text that comes from outside is escaped before anything else, so that no value can forge a line,
// move the cursor or turn the direction of what is beside it.
package render
