package wire

import (
	"errors"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// Bounds of an error on the wire. A status travels in HTTP/2 headers, whose size peers limit.
const (
	maxErrorText   = 8 << 10 // bytes of one text
	maxErrorFields = 100
)

// ToStatus returns err as a gRPC status error whose details hold the schema error whole, but for its cause. Nil stays
// nil, and a status error without a schema error in its chain is read by FromStatus first.
func ToStatus(err error) error {
	if err == nil {
		return nil
	}
	var e *schema.Error
	if !errors.As(err, &e) {
		e = fromForeign(err)
	}
	text := clip(e.Message)
	st := status.New(codes.Code(e.Code.GRPCStatus()), text)
	detail := &pb.ErrorDetail{Code: clip(string(e.Code)), Message: text, RetryAfterMs: toMillis(e.RetryAfter)}
	for _, f := range e.Fields[:min(len(e.Fields), maxErrorFields)] {
		detail.Fields = append(detail.Fields, &pb.FieldError{Location: clip(f.Location), Message: clip(f.Message)})
	}
	if details, err := toObject("details", e.Details); err == nil && len(details) <= maxErrorText {
		detail.Details = details
	}
	if detailed, err := st.WithDetails(detail); err == nil {
		st = detailed
	}
	return st.Err()
}

// fromForeign reads an error that is not of the schema: a status of somebody else's, or anything at all.
func fromForeign(err error) *schema.Error {
	if _, ok := status.FromError(err); ok {
		return schema.AsError(FromStatus(err))
	}
	return schema.AsError(err)
}

// FromStatus returns the *schema.Error that a gRPC error stands for; err is its cause. A status without our detail is
// read by [schema.CodeOfGRPC], and so is a code that this version does not know, because a newer peer may send one. Nil
// stays nil.
func FromStatus(err error) error {
	if err == nil {
		return nil
	}
	st, ok := status.FromError(err)
	if !ok {
		return schema.AsError(err)
	}
	e := &schema.Error{Code: bareCode(st), Message: st.Message(), Cause: err}
	if d := detailOf(st); d != nil {
		fill(e, d)
	}
	if e.Message == "" {
		e.Message = strings.ReplaceAll(string(e.Code), "_", " ")
	}
	return e
}

// fill takes over what a detail says.
func fill(e *schema.Error, d *pb.ErrorDetail) {
	if code := schema.ErrorCode(d.GetCode()); slices.Contains(schema.ErrorCodes(), code) {
		e.Code = code
	}
	e.Message = d.GetMessage()
	e.RetryAfter = fromMillis(d.GetRetryAfterMs())
	e.Details, _ = fromObject("details", d.GetDetails()) // the error is more important than what is not readable in it
	for _, f := range d.GetFields() {
		e.Fields = append(e.Fields, schema.FieldError{Location: f.GetLocation(), Message: f.GetMessage()})
	}
}

// bareCode reads a status by its number alone. gRPC reports a message over the size limit with the same number as an
// exhausted quota, and it must not be tried again.
func bareCode(st *status.Status) schema.ErrorCode {
	if st.Code() == codes.ResourceExhausted && strings.Contains(st.Message(), "larger than max") {
		return schema.CodeTooLarge
	}
	return schema.CodeOfGRPC(uint32(st.Code()))
}

// detailOf returns our detail of a status, or nil.
func detailOf(st *status.Status) *pb.ErrorDetail {
	for _, d := range st.Details() {
		if d, ok := d.(*pb.ErrorDetail); ok {
			return d
		}
	}
	return nil
}

// clip returns s as valid UTF-8 of at most maxErrorText bytes: anything else could not be sent at all.
func clip(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= maxErrorText {
		return s
	}
	return strings.ToValidUTF8(s[:maxErrorText], "") + "…"
}

// toMillis rounds up, so that nobody tries again too early.
func toMillis(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d-1)/time.Millisecond) + 1
}

// fromMillis is the inverse of toMillis, bounded to what a Duration holds.
func fromMillis(ms int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(min(max(ms, 0), most)) * time.Millisecond
}
