// Package reference answers: what do the pages in docs/reference say?
//
// The pages are made of package schema and its grammars, by the test of this package. `go test ./internal/reference
// -update` writes them anew; without -update the test fails when a page says something else than the code. Other tests
// here hold true what the hand-written pages say: their examples are loaded, their lists compared.
package reference
