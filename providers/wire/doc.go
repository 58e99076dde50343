// Package wire answers: how does a provider become a process, and a process a provider again?
//
// Serve turns a providers.Provider into a program; Start runs such a program and NewClient makes a providers.Provider of
// the connection. InProcess joins both ends within one process, through the same encoding, for tests.
//
//	host                                      provider
//	NewClient -- gRPC, TLS 1.3, Unix socket --> Serve
//	Start     -- fd 3: certificates         -->
//	          -- fd 4: open while we live   -->
//	          <-- standard error: log lines --
//
// What holds across the wire, beside the contract of package providers:
//
//   - Nulls and unknowns arrive as they were sent, also inside lists and maps. Marks never cross: a marked value is an error.
//   - An error keeps its kind, message and code. context.Canceled and context.DeadlineExceeded are still found by errors.Is.
//   - Deadlines and cancellation cross. A canceled create, update or delete has two seconds to say what it leaves behind.
//   - report returns when the host's callback has, with the callback's error.
//   - An attribute that one side does not know is dropped by it, so that both may be of different versions.
//   - One object may take up to 64 MiB; lists travel in pieces and have no limit.
package wire
