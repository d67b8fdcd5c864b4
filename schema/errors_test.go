package schema_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/stagehouse/stagehouse/schema"
)

// table is what the codes mean elsewhere, written down a second time so that a change of either is noticed.
var table = []struct {
	code      schema.ErrorCode
	grpc      codes.Code
	http      int
	retryable bool
}{
	{schema.CodeMalformed, codes.InvalidArgument, http.StatusBadRequest, false},
	{schema.CodeInvalidArgument, codes.InvalidArgument, http.StatusUnprocessableEntity, false},
	{schema.CodeUnauthenticated, codes.Unauthenticated, http.StatusUnauthorized, false},
	{schema.CodePermissionDenied, codes.PermissionDenied, http.StatusForbidden, false},
	{schema.CodeNotFound, codes.NotFound, http.StatusNotFound, false},
	{schema.CodeMethodNotAllowed, codes.Unimplemented, http.StatusMethodNotAllowed, false},
	{schema.CodeNotAcceptable, codes.InvalidArgument, http.StatusNotAcceptable, false},
	{schema.CodeAlreadyExists, codes.AlreadyExists, http.StatusConflict, false},
	{schema.CodeFailedPrecondition, codes.FailedPrecondition, http.StatusConflict, false},
	{schema.CodeAgentNotRunning, codes.FailedPrecondition, http.StatusConflict, false},
	{schema.CodeIllegalTransition, codes.FailedPrecondition, http.StatusConflict, false},
	{schema.CodeNoAgentFits, codes.FailedPrecondition, http.StatusConflict, false},
	{schema.CodeConversationBusy, codes.FailedPrecondition, http.StatusConflict, false},
	{schema.CodeKeyReused, codes.InvalidArgument, http.StatusUnprocessableEntity, false},
	{schema.CodeRevisionMismatch, codes.Aborted, http.StatusPreconditionFailed, false},
	{schema.CodeTooLarge, codes.OutOfRange, http.StatusRequestEntityTooLarge, false},
	{schema.CodeUnsupportedMediaType, codes.InvalidArgument, http.StatusUnsupportedMediaType, false},
	{schema.CodeRateLimited, codes.ResourceExhausted, http.StatusTooManyRequests, true},
	{schema.CodeBusy, codes.ResourceExhausted, http.StatusTooManyRequests, true},
	{schema.CodeBudgetExceeded, codes.ResourceExhausted, http.StatusPaymentRequired, false},
	{schema.CodeCancelled, codes.Canceled, 499, true},
	{schema.CodeInternal, codes.Internal, http.StatusInternalServerError, false},
	{schema.CodeUnimplemented, codes.Unimplemented, http.StatusNotImplemented, false},
	{schema.CodeUnavailable, codes.Unavailable, http.StatusServiceUnavailable, true},
	{schema.CodeDeadlineExceeded, codes.DeadlineExceeded, http.StatusGatewayTimeout, true},
}

func TestErrorTable(t *testing.T) {
	if got := schema.ErrorCodes(); len(got) != len(table) {
		t.Errorf("%d codes, the table has %d", len(got), len(table))
	}
	for _, row := range table {
		t.Run(string(row.code), func(t *testing.T) {
			if !slices.Contains(schema.ErrorCodes(), row.code) {
				t.Error("not among ErrorCodes")
			}
			if got := codes.Code(row.code.GRPCStatus()); got != row.grpc {
				t.Errorf("gRPC status %v, want %v", got, row.grpc)
			}
			if got := row.code.HTTPStatus(); got != row.http {
				t.Errorf("HTTP status %d, want %d", got, row.http)
			}
			if got := row.code.Retryable(); got != row.retryable {
				t.Errorf("retryable %v", got)
			}
			if back := schema.CodeOfGRPC(uint32(row.grpc)); back.GRPCStatus() != uint32(row.grpc) {
				t.Errorf("gRPC %v reads back as %s, which is %d", row.grpc, back, back.GRPCStatus())
			}
			if back := schema.CodeOfHTTP(row.http); back.HTTPStatus() != row.http {
				t.Errorf("HTTP %d reads back as %s, which is %d", row.http, back, back.HTTPStatus())
			}
		})
	}
}

func TestCodeOfBareStatus(t *testing.T) {
	for grpc, want := range map[codes.Code]schema.ErrorCode{
		codes.OK: "", codes.InvalidArgument: schema.CodeInvalidArgument, codes.Unimplemented: schema.CodeUnimplemented,
		codes.FailedPrecondition: schema.CodeFailedPrecondition, codes.ResourceExhausted: schema.CodeRateLimited,
		codes.Unknown: schema.CodeInternal, codes.DataLoss: schema.CodeInternal, 99: schema.CodeInternal,
	} {
		if got := schema.CodeOfGRPC(uint32(grpc)); got != want {
			t.Errorf("gRPC %v: %q, want %q", grpc, got, want)
		}
	}
	for status, want := range map[int]schema.ErrorCode{
		200: "", 304: "", 400: schema.CodeMalformed, 409: schema.CodeAlreadyExists, 418: schema.CodeMalformed,
		422: schema.CodeInvalidArgument, 429: schema.CodeRateLimited, 502: schema.CodeInternal, 599: schema.CodeInternal,
	} {
		if got := schema.CodeOfHTTP(status); got != want {
			t.Errorf("HTTP %d: %q, want %q", status, got, want)
		}
	}
	if c := schema.ErrorCode("of the future"); c.HTTPStatus() != 500 || c.GRPCStatus() != uint32(codes.Internal) || c.Retryable() {
		t.Error("an unknown code is not internal")
	}
}

func TestCodeOf(t *testing.T) {
	notFound := schema.Errorf(schema.CodeNotFound, "agent %q: %w", "x", io.EOF)
	for _, c := range []struct {
		err  error
		want schema.ErrorCode
	}{
		{nil, ""},
		{notFound, schema.CodeNotFound},
		{fmt.Errorf("get: %w", notFound), schema.CodeNotFound},
		{errors.Join(io.EOF, notFound), schema.CodeNotFound},
		{context.Canceled, schema.CodeCancelled},
		{fmt.Errorf("query: %w", context.DeadlineExceeded), schema.CodeDeadlineExceeded},
		{io.EOF, schema.CodeInternal},
		{schema.Errorf(schema.CodeBusy, "%w", context.Canceled), schema.CodeBusy},
	} {
		if got := schema.CodeOf(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
		if e := schema.AsError(c.err); (e == nil) != (c.err == nil) || e != nil && e.Code != c.want {
			t.Errorf("%v as error: %v", c.err, e)
		}
	}
}

func TestErrorChain(t *testing.T) {
	err := fmt.Errorf("outer: %w", schema.Errorf(schema.CodeNotFound, "read: %w", io.EOF))
	if !errors.Is(err, io.EOF) {
		t.Error("the cause is lost")
	}
	if !errors.Is(err, &schema.Error{Code: schema.CodeNotFound}) || errors.Is(err, &schema.Error{Code: schema.CodeBusy}) {
		t.Error("errors.Is does not tell codes apart")
	}
	if want := "not_found: read: EOF"; schema.AsError(err).Error() != want {
		t.Errorf("text %q, want %q", schema.AsError(err).Error(), want)
	}
	invalid := schema.Invalid("body.limit", "must be at most %d", 5)
	if invalid.Code != schema.CodeInvalidArgument || len(invalid.Fields) != 1 || invalid.Fields[0].Location != "body.limit" ||
		invalid.Message != "body.limit: must be at most 5" || invalid.RetryAfter != time.Duration(0) {
		t.Errorf("Invalid made %#v", invalid)
	}
}
