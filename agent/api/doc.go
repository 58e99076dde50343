// Package api answers one question: what do the agent and those who ask it say to each other?
//
// It holds the documents of two small HTTP interfaces, both JSON over a Unix socket that belongs to one user. The agent of
// an instance listens on agent.sock in its folder, the local gateway on gateway.sock. Paths start with /v1; a reader ignores
// fields that it does not know, so that fields can be added without a new version.
//
//	GET    /v1/info                     Info
//	GET    /v1/jobs                     JobList
//	PUT    /v1/jobs/{id}                JobSpec -> Job, idempotent
//	GET    /v1/jobs/{id}                Job; ?wait=ready|finished&timeout=30s waits
//	POST   /v1/jobs/{id}/stop           StopRequest -> Job
//	PUT    /v1/jobs/{id}/limits         Limits -> Job, while it runs
//	GET    /v1/jobs/{id}/ssh            Upgrade: ssh; then an SSH server inside the job; ?tunnel=1 is for no person
//	PUT    /v1/access                   Access, idempotent
//	GET    /v1/jobs/{id}/logs           one LogLine a line; ?follow=1&since=TIME&tail=N&offset=N&attempt=N&onward=1&diagnose=1
//	DELETE /v1/jobs/{id}                ?force=1 aborts the job first
//	POST   /v1/blobs/missing            BlobQuery -> BlobAnswer
//	POST   /v1/blobs                    a stream of blobs, each a BlobPart as one line and its bytes
//	POST   /v1/shutdown                 ShutdownRequest
//
// The gateway:
//
//	GET    /v1/info                     GatewayInfo
//	PUT    /v1/config                   GatewayConfig -> GatewayInfo
//	GET    /v1/routes                   RouteList
//	GET    /v1/stats                    StatsList
//	PUT    /v1/routes/{id}              Route -> Route, idempotent; ?drain=10s waits for requests on an old target
//	DELETE /v1/routes/{id}              ?drain=10s -> Drained
//	POST   /v1/shutdown
//
// Whatever is refused has a status of 400 or more and an Error as its body.
package api

// Version is the version of both interfaces. It grows when a document changes in a way that an older peer would misread,
// and an added field is no such change.
const Version = 1

// ExitTaken is the exit code of an agent or a gateway whose folder another one serves.
const ExitTaken = 75

// Names of what the agent and the gateway keep in their folders and a client must know.
const (
	// AgentSocket is the name of the agent's socket in the folder of its instance.
	AgentSocket = "agent.sock"
	// GatewaySocket is the name of the gateway's socket in its folder.
	GatewaySocket = "gateway.sock"
)
