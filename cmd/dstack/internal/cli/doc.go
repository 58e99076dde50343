// Package cli answers: what does each command of dstack do?
//
// There is one file for each command, and the rooms that they share: app.go (what a command finds when it starts),
// folder.go (the configuration, its store and its providers), terminal.go (what the person in front of it sees), exit.go
// (how a command ends). Commands parse flags, call package planner and print what package render makes of the answer;
// they decide nothing about resources.
//
// Results go to stdout, everything else to stderr.
package cli
