package providers

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrorKind is one of a closed list; it crosses the wire and decides about retries.
type ErrorKind string

// Error kinds. After the first four nothing was made; after any other end core asks Find before it tries again.
const (
	NoCapacity ErrorKind = "no_capacity" // the cloud has none now: the next candidate, or later
	NoQuota    ErrorKind = "no_quota"    // the account may not have more
	Invalid    ErrorKind = "invalid"     // the request can never work
	Auth       ErrorKind = "auth"        // credentials are missing, wrong or too weak
	Throttled  ErrorKind = "throttled"   // refused by rate limits before anything was made
	NotFound   ErrorKind = "not_found"
	Conflict   ErrorKind = "conflict"  // something else holds what is needed
	Transient  ErrorKind = "transient" // it may work the next time
	Internal   ErrorKind = "internal"  // a defect, a crash, a lost answer
)

// NothingMade tells whether an error of this kind proves that nothing was made.
func (k ErrorKind) NothingMade() bool {
	switch k {
	case NoCapacity, NoQuota, Invalid, Auth, Throttled:
		return true
	}
	return false
}

// Retryable tells whether the same request may work later.
func (k ErrorKind) Retryable() bool { return k == Transient || k == Throttled }

// Error is an error with a kind.
type Error struct {
	Kind    ErrorKind
	Message string // a sentence without its full stop: "no capacity for p4d.24xlarge in us-east-1a"
	Code    string // the cloud's own word: InsufficientInstanceCapacity
	// RetryAfter is, of a throttled one, how long from now on the cloud does not want to be asked; 0: it does not say.
	RetryAfter time.Duration
	Cause      error // kept on this side of the wire only
}

func (e *Error) Error() string {
	if e.Code != "" {
		return fmt.Sprintf("%s (%s)", e.Message, e.Code)
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an error of a kind. A %w in the format is kept as the cause.
func Errorf(kind ErrorKind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Message: err.Error(), Cause: errors.Unwrap(err)}
}

// RetryAfter returns how long the cloud does not want to be asked, as far as an error says: that of the *Error in its chain,
// never less than 0.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return max(0, e.RetryAfter)
	}
	return 0
}

// KindOf returns the kind of an error: that of the *Error in its chain, transient for a deadline, else internal.
func KindOf(err error) ErrorKind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Transient
	}
	return Internal
}
