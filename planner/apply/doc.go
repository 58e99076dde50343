// Package apply answers: how is a plan carried out so that nothing is lost, whatever dies?
//
// Run walks the steps of a plan side by side and makes no decision that the plan did not record. What holds:
//
//   - A step starts when all that it needs is done and durable. A failed step stops what depends on it, and nothing else.
//   - Before a provider is called, the journal holds what is about to be done, with the key that the provider makes it
//     under. What a provider reports as reached is in the journal before it goes on. So whoever dies, the next plan finds
//     what was made.
//   - An error after which it is certain that nothing was made closes the intent. After any other end the provider is asked
//     by the key, and at the latest the next plan does so, because the intent stays open.
//   - A group of instances falls back to its next candidate only while none of it exists.
//   - A plan that is applied again does the steps that are left.
//
// Clocks, randomness, backends, configuration and the store are parameters.
package apply
