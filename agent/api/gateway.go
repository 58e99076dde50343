package api

import "time"

// GatewayInfo is what a gateway says of itself.
type GatewayInfo struct {
	Version   string    `json:"version"`
	Protocol  int       `json:"protocol"`
	PID       int       `json:"pid"`
	StartedAt time.Time `json:"started_at"`
	// Port is where it takes requests on 127.0.0.1.
	Port int `json:"port"`
	// Domain is what follows the service's name in a host name, without "*.".
	Domain string `json:"domain"`
	Routes int    `json:"routes"`
}

// GatewayConfig is what can be changed while the gateway runs.
type GatewayConfig struct {
	// Domain may begin with "*.".
	Domain string `json:"domain"`
}

// Route leads requests for a service to one of its replicas.
type Route struct {
	ID string `json:"id"`
	// Service is the first label of the host name.
	Service string `json:"service"`
	// Target is the replica's host and port. A route without one makes the service known with no replica.
	Target string `json:"target,omitempty"`
	// Owner is who put the route; another owner's put is refused.
	Owner string `json:"owner,omitempty"`
	// Auth asks requests for a bearer token whose SHA-256 in hex is one of TokenDigests. A service asks if one of its
	// routes does, and takes the tokens of all of them.
	Auth         bool     `json:"auth,omitempty"`
	TokenDigests []string `json:"token_digests,omitempty"`
	// StripPrefix is taken from the start of the request's path.
	StripPrefix string `json:"strip_prefix,omitempty"`
	// Labels are kept with the route and given back.
	Labels map[string]string `json:"labels,omitempty"`
}

// RouteList is every route of a gateway, ordered by id.
type RouteList struct {
	Routes []Route `json:"routes"`
}

// Drained says how the removal of a route ended.
type Drained struct {
	// Cut is how many requests were still open when the time was over and were ended.
	Cut int `json:"cut"`
}
