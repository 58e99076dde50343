package api

import (
	"errors"
	"fmt"
	"net/http"
)

// Kind says what sort of failure an Error is, in the closed list that providers use too.
type Kind string

// Kinds of errors that an agent or a gateway answers with.
const (
	// KindInvalid is a request that can never succeed as it is.
	KindInvalid Kind = "invalid"
	// KindNotFound is a request about a job or route that is not there.
	KindNotFound Kind = "not_found"
	// KindConflict is a request that something else stands in the way of: taken host blocks, a job that still runs.
	KindConflict Kind = "conflict"
	// KindInternal is a failure of the agent or its machine.
	KindInternal Kind = "internal"
)

// Error is the body of every refusal.
type Error struct {
	Kind    Kind   `json:"kind"`
	Message string `json:"message"`
}

// Error returns the message alone; the kind is for programs.
func (e *Error) Error() string { return e.Message }

// HTTPStatus returns the status code that goes with the error's kind.
func (e *Error) HTTPStatus() int {
	switch e.Kind {
	case KindInvalid:
		return http.StatusBadRequest
	case KindNotFound:
		return http.StatusNotFound
	case KindConflict:
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}

// Errorf makes an Error of a kind with a formatted message.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// KindOf returns the kind of the Error that err is or wraps, and KindInternal for any other error.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindInternal
}
