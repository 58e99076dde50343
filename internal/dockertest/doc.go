// Package dockertest answers one question: how does a test get a real Docker Engine of its own?
//
// Start starts a dockerd with its own socket, data and bridge, and ends it with the test. It needs root and the programs dockerd,
// ip and busybox (Debian: docker.io, iproute2, busybox-static; `make test-real` installs them). Where one is missing the test is
// skipped and says what would help; with CI=true that is a failure. Images are made from a static busybox, and Registry serves them
// to the Engine as a registry does. With stand-ins for NVIDIA's tools, containers get GPUs that are plain device files.
package dockertest
