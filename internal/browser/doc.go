// Package browser answers: what becomes of a page in a real browser?
//
// It is for tests. It opens pages from a disk in a headless Chromium that reaches no network, does what a reader does by mouse
// and by keyboard, and keeps everything that a page must not do: errors, requests, dialogs.
package browser
