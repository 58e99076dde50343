package wire

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/dstackai/dstack-planner/providers"
	pb "github.com/dstackai/dstack-planner/providers/wire/proto"
)

// encodeError says what crosses of an error; nil for nil.
func encodeError(err error) *pb.Error {
	if err == nil {
		return nil
	}
	out := &pb.Error{
		Message:          err.Error(),
		Canceled:         errors.Is(err, context.Canceled),
		DeadlineExceeded: errors.Is(err, context.DeadlineExceeded),
		Unsupported:      errors.Is(err, errors.ErrUnsupported),
	}
	defer func() { // a string on the wire is UTF-8
		out.Message, out.Code = strings.ToValidUTF8(out.Message, "\uFFFD"), strings.ToValidUTF8(out.Code, "\uFFFD")
	}()
	e, ok := errors.AsType[*providers.Error](err)
	if ok {
		out.RetryAfterNanos = int64(max(0, e.RetryAfter))
	}
	switch {
	case !ok && (out.Canceled || out.DeadlineExceeded):
		// No kind: on both sides it is the end of a context and nothing else.
	case !ok:
		out.Kind = string(providers.KindOf(err))
	case error(e) == err:
		out.Kind, out.Message, out.Code = string(e.Kind), e.Message, e.Code
	default:
		// Wrapped: the text of the whole chain, but for the code at its end, which Error adds again.
		out.Kind, out.Code = string(e.Kind), e.Code
		out.Message = strings.TrimSuffix(out.Message, " ("+e.Code+")")
	}
	return out
}

// decodeError is the reverse of encodeError. A kind that this side does not know is internal.
func decodeError(e *pb.Error) error {
	if e == nil {
		return nil
	}
	var cause error
	switch {
	case e.GetCanceled():
		cause = context.Canceled
	case e.GetDeadlineExceeded():
		cause = context.DeadlineExceeded
	case e.GetUnsupported():
		cause = errors.ErrUnsupported
	}
	if e.GetKind() == "" && cause != nil {
		return &ended{message: e.GetMessage(), cause: cause}
	}
	return &providers.Error{Kind: knownKind(e.GetKind()), Message: e.GetMessage(), Code: e.GetCode(),
		RetryAfter: time.Duration(max(0, e.GetRetryAfterNanos())), Cause: cause}
}

func knownKind(kind string) providers.ErrorKind {
	switch k := providers.ErrorKind(kind); k {
	case providers.NoCapacity, providers.NoQuota, providers.Invalid, providers.Auth, providers.Throttled,
		providers.NotFound, providers.Conflict, providers.Transient, providers.Internal:
		return k
	}
	return providers.Internal
}

// ended is the end of a context, in the far side's words.
type ended struct {
	message string
	cause   error
}

func (e *ended) Error() string { return e.message }
func (e *ended) Unwrap() error { return e.cause }

// toStatus makes of an error what a gRPC handler returns.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	e := encodeError(err)
	code := codes.Unknown
	switch {
	case e.GetCanceled():
		code = codes.Canceled
	case e.GetDeadlineExceeded():
		code = codes.DeadlineExceeded
	}
	st, detailErr := status.New(code, e.GetMessage()).WithDetails(e)
	if detailErr != nil {
		return status.Error(code, e.GetMessage())
	}
	return st.Err()
}

// fromStatus makes of a call's error what the contract promises: the far side's own error if it sent one, the end of ctx
// if that is why the call ended, else an error of kind internal or invalid that says what happened to the connection.
func fromStatus(ctx context.Context, c *Conn, err error) error {
	if err == nil {
		return nil
	}
	st, ok := status.FromError(err)
	if !ok {
		return err
	}
	for _, d := range st.Details() {
		if e, ok := d.(*pb.Error); ok {
			return decodeError(e)
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("the provider's answer was not waited for: %w", ctx.Err())
	}
	switch st.Code() {
	case codes.ResourceExhausted:
		return providers.Errorf(providers.Invalid, "one object is larger than the %d MiB that a provider can be sent: %s", maxMessage>>20, st.Message())
	case codes.Internal:
		if strings.Contains(st.Message(), "error while marshaling") {
			return providers.Errorf(providers.Invalid, "the provider cannot be sent this: %s", st.Message())
		}
	case codes.Unimplemented:
		return fmt.Errorf("the provider does not know this call; it speaks an older protocol: %w", errors.ErrUnsupported)
	case codes.DeadlineExceeded: // the far side's clock was first
		return &ended{message: st.Message(), cause: context.DeadlineExceeded}
	}
	if c != nil && c.Broken != nil {
		if why := c.Broken(err); why != nil {
			return why
		}
	}
	return providers.Errorf(providers.Internal, "the connection to the provider broke: %s", st.Message())
}
