// Package pulltest answers: what do GitHub and GitLab do with the comments of a pull request?
//
// It serves as much of their APIs over HTTP as comments need, from memory: pages, limits of size, who wrote what, and
// whatever trouble a test asks for. It is for tests alone.
package pulltest
