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

// ServicePath begins the paths at which a gateway has its services beside their own host names: /services/NAME/ at its domain, at
// localhost and at a loopback address.
const ServicePath = "/services/"

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
	// Model is the model that the service answers for, nil for none.
	Model *Model `json:"model,omitempty"`
	// Labels are kept with the route and given back.
	Labels map[string]string `json:"labels,omitempty"`
}

// Model is a model behind an API that is compatible with OpenAI's. The gateway offers all of its services at gateway.DOMAIN/v1.
type Model struct {
	// Name is what clients call it.
	Name string `json:"name"`
	// Prefix is the path of the API on the replica, /v1 unless set.
	Prefix string `json:"prefix,omitempty"`
}

// ServiceStats is what was asked of a service in the last 30, 60 and 300 seconds.
type ServiceStats struct {
	Service string  `json:"service"`
	Windows []Usage `json:"windows"`
}

// Usage counts the requests of some time that were taken in: those with a wrong token, or for what is not there, do not count.
type Usage struct {
	Seconds  int `json:"seconds"`
	Requests int `json:"requests"`
	// Time is how long they took together.
	Time time.Duration `json:"time_ns"`
}

// StatsList is the usage of every service that was asked something, ordered by name.
type StatsList struct {
	Services []ServiceStats `json:"services"`
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
