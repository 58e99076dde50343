// Package gittest answers: how does fetching behave with a real repository behind a real server?
//
// It makes Git repositories in folders and serves them by git's own http-backend over HTTPS. It is for tests alone.
package gittest
