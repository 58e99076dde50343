// Package jobstate answers one question: what can become of a job?
//
// A job is in one of nine statuses. Seven events change that, and Transitions is the whole table of what each leads to; what
// is not in it cannot happen.
//
//	submitted ──▶ provisioning ──▶ pulling ──▶ running ──▶ done, failed
//	    ▲                                         │
//	    └──────────────── again ──────────────────┤
//	                                              └──▶ terminating ──▶ terminated, aborted, failed
//
// The supervisor of a job asks Next for every change that it makes, so that what is on disk is always one of the statuses that
// the table leads to.
package jobstate
