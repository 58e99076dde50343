// Package statefile answers one question: what do we know that exists, and how
// is that knowledge kept safe?
//
// A [State] is what is known: backends, resources, runs, outputs, and what is
// being changed right now (intents). It is kept as a snapshot and a journal.
// The snapshot is the whole state at one moment; the journal has one [Record]
// for each change since. Opening a state replays the journal over the snapshot;
// closing a session folds the journal into a new snapshot. So the cost of
// recording one step never depends on how much is known.
//
// Records form a chain: each holds the hash of the one before it, and the first
// one the head of the snapshot that it continues. A flipped byte, a lost record
// and two writers that went different ways are therefore found when the state
// is read, and are errors, never guesses. Only the end of a journal that was cut
// short while it was written is dropped, because nobody was told that it was
// kept.
//
// A [Store] is where a state lives. This package has the store of a local
// folder, [Local]; the suite that every store passes is in storetest.
//
// The package knows nothing of expressions, providers or plans. Attributes are
// JSON that it does not look into, and secrets never reach it: a caller hands in
// digests ([Digest]) in their place.
package statefile
