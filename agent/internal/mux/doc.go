// Package mux answers one question: how do many conversations share one pair of pipes?
//
// It is the connection protocol of SSH (RFC 4254) without the encryption below it: channels with a type that either side opens,
// data in both directions with an end of each, a second stream for errors, requests with answers on a channel and on the whole
// connection, and a window for each channel, so that one that nobody reads holds up no other. The agent and its helper inside a
// job speak it: the agent ends the encryption, and hands on what is said.
//
// A frame is a type (1 byte), the number of a channel (4 bytes), a length (4 bytes) and that many bytes. The side that dials
// numbers its channels 1, 3, 5 and so on, the other one 2, 4, 6; 0 is the connection itself. Numbers are not used twice.
package mux
