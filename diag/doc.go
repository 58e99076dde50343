// Package diag answers: what is wrong, where, why, and what to do next?
//
// A Diagnostic is plain data that crosses processes and files: a plan keeps its warnings, validate prints it as JSON,
// render prints it for people. Bad input is reported as diagnostics, several at once, never as one wrapped error.
package diag
