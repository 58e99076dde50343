// Package value answers the question: what does this short text mean, and is it the same as that one?
//
// A configuration says "16GB..", "A100:80GB:2" or "2h" where a longer notation would need a block. Each of these
// small grammars is one Go type here. A value keeps the text that its author wrote, for diffs, and has one canonical
// text, for comparing, so that "16gb.." and "16GB.." are equal. The zero value of each type means unset.
//
// Every type reads a text (Parse functions, UnmarshalText), and the forms that the configuration language offers
// beside it (UnmarshalCty): a number, a bool, a list or an object, depending on the grammar. A value that came from
// one of those has its canonical text as its text. What cannot be read is an *Error that marks the wrong part.
//
// The package holds the facts about GPUs that matching needs (names, vendors, memory sizes, compute capabilities),
// because the grammar of GPUs cannot be understood without them. It reads no files and knows no clouds.
package value
