package wire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
)

func TestEveryCodeSurvives(t *testing.T) {
	for _, code := range schema.ErrorCodes() {
		in := &schema.Error{
			Code: code, Message: "what happened: 東京", RetryAfter: 1500 * time.Millisecond, Cause: io.EOF,
			Fields: []schema.FieldError{{Location: "body.message", Message: "is empty"}, {Location: "/a~1b", Message: "x"}},
		}
		err := wire.ToStatus(fmt.Errorf("somewhere: %w", in))
		if got := status.Code(err); got != codes.Code(code.GRPCStatus()) {
			t.Errorf("%s travels as %v", code, got)
		}
		out := schema.AsError(wire.FromStatus(err))
		if errors.Is(out, io.EOF) {
			t.Errorf("%s: the cause crossed the boundary", code)
		}
		in.Cause, out.Cause = nil, nil
		if !reflect.DeepEqual(in, out) {
			t.Errorf("%#v came back as %#v", in, out)
		}
	}
}

func TestStatusOfOtherErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		code schema.ErrorCode
		text string
	}{
		{io.EOF, schema.CodeInternal, "EOF"},
		{context.Canceled, schema.CodeCancelled, "context canceled"},
		{fmt.Errorf("query: %w", context.DeadlineExceeded), schema.CodeDeadlineExceeded, "query: context deadline exceeded"},
		{status.Error(codes.NotFound, "gone"), schema.CodeNotFound, "gone"},
		{fmt.Errorf("wrapped: %w", status.Error(codes.Unavailable, "away")), schema.CodeUnavailable, "wrapped: rpc error: code = Unavailable desc = away"},
		{&schema.Error{Code: "of the future", Message: "m"}, schema.CodeInternal, "m"},
		{&schema.Error{Code: schema.CodeBusy}, schema.CodeBusy, "busy"},
		{&schema.Error{Code: schema.CodeRateLimited}, schema.CodeRateLimited, "rate limited"},
	} {
		got := schema.AsError(wire.FromStatus(wire.ToStatus(c.err)))
		if got.Code != c.code || got.Message != c.text {
			t.Errorf("%v came back as %v", c.err, got)
		}
	}
	if wire.ToStatus(nil) != nil || wire.FromStatus(nil) != nil {
		t.Error("nil did not stay nil")
	}
}

func TestBareStatus(t *testing.T) {
	for code := codes.OK + 1; code <= codes.Unauthenticated; code++ {
		err := wire.FromStatus(status.Error(code, "text"))
		if want := schema.CodeOfGRPC(uint32(code)); schema.CodeOf(err) != want || schema.AsError(err).Message != "text" {
			t.Errorf("%v is read as %v, want %s", code, err, want)
		}
	}
	wantCode(t, wire.FromStatus(status.Error(codes.ResourceExhausted, "grpc: received message larger than max (9 vs. 4)")), schema.CodeTooLarge)
	wantCode(t, wire.FromStatus(io.EOF), schema.CodeInternal)
}

// TestCodeOfANewerPeer is read by the status that it travels with.
func TestCodeOfANewerPeer(t *testing.T) {
	st, err := status.New(codes.NotFound, "short").WithDetails(&pb.ErrorDetail{Code: "vanished", Message: "long", RetryAfterMs: 1 << 62})
	if err != nil {
		t.Fatal(err)
	}
	e := schema.AsError(wire.FromStatus(st.Err()))
	if e.Code != schema.CodeNotFound || e.Message != "long" || e.RetryAfter <= 0 {
		t.Errorf("read as %#v", e)
	}
}

func TestStatusCanAlwaysBeSent(t *testing.T) {
	long := strings.Repeat("é", 1<<20)
	e := &schema.Error{Code: schema.CodeInvalidArgument, Message: "\xff" + long, RetryAfter: -time.Second}
	for range 1000 {
		e.Fields = append(e.Fields, schema.FieldError{Location: "\xfe", Message: long[:20000]})
	}
	s := dial(t, all(func(context.Context) error { return e }).services())
	_, err := s.Agents.Get(as(t, "p"), "x")
	got := schema.AsError(err)
	if got.Code != schema.CodeInvalidArgument || !utf8.ValidString(got.Message) || len(got.Message) > 9000 || len(got.Fields) != 100 {
		t.Errorf("code %s, %d bytes, %d fields", got.Code, len(got.Message), len(got.Fields))
	}
	if got.RetryAfter != 0 {
		t.Errorf("retry after %v", got.RetryAfter)
	}
}

func TestRetryAfterRoundsUp(t *testing.T) {
	for in, want := range map[time.Duration]time.Duration{
		0: 0, 1: time.Millisecond, time.Millisecond: time.Millisecond, time.Millisecond + 1: 2 * time.Millisecond, time.Hour: time.Hour,
	} {
		e := schema.AsError(wire.FromStatus(wire.ToStatus(&schema.Error{Code: schema.CodeBusy, RetryAfter: in})))
		if e.RetryAfter != want {
			t.Errorf("%v came back as %v", in, e.RetryAfter)
		}
	}
}
