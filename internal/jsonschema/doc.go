// Package jsonschema answers: what does the JSON of a Go type look like, in the words of JSON Schema?
//
// The schemas of docs/ are made of the types that write the JSON, with the comments of their fields as descriptions, by
// tests: `make golden` writes them anew, and without it a test fails when a schema says something else than the code.
package jsonschema
