// Package gateway answers one question: how does a request for a service on this machine find one of its replicas?
//
// The local gateway is a reverse proxy on a port of 127.0.0.1. The first label of a request's host name is the service, the
// rest the gateway's domain. Replicas take turns; one that refuses the connection is passed over. Routes are put and deleted
// over a Unix socket; they are kept in the gateway's folder, with its port and its domain, so that it can be killed and
// started again.
package gateway
