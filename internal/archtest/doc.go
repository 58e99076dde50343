// Package archtest answers: does every room of the house know only what it may?
//
// Its tests read the imports of all packages and hold them against the laws of docs/architecture.md, each with its
// reason. A law that hurts is changed there and here, in the open.
package archtest
