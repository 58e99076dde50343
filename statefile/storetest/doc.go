// Package storetest answers one question: does a store keep what it was given?
//
// [Run] is the contract of [statefile.Store] as tests. Every store passes it;
// a store that cannot do something says so in its capabilities, and the parts
// that need it are left out.
package storetest
