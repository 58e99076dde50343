// Package pullrequest answers: how does a text get to the pull request that it is about, and stay one comment there?
//
// Find learns from the environment of a job which pull request of which host that is, and what it may be written to
// with. Keep writes the comment: the first run makes it, later ones change it in place. The last line of the text, which
// no reader sees, tells it from other comments, also from those about other configurations of the same repository.
//
//	environment, event --> Find --> Place --> Keep --> github, gitlab: list, create, update, remove
//	                                            |
//	                                            `--> patience: rate limits and passing failures, within a bound
//
// A comment that somebody else wrote is never touched, whatever it quotes. Two runs that begin at once leave one comment:
// both look again after they have made theirs, the oldest stays, and who made a later one takes it away.
//
// It knows nothing of plans: what is written is the caller's. The clients of the hosts are imported here only. The token
// is in no error, log or address; it is sent to the host of the API alone, not to where that redirects.
package pullrequest
