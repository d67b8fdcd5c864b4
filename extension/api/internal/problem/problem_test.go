package problem_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/extension/api/internal/problem"
	"github.com/stagehouse/stagehouse/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryCodeIsWorded(t *testing.T) {
	for _, code := range schema.ErrorCodes() {
		p := problem.New(code, "x")
		if p.Code != code || p.Title == "" || p.Status != code.HTTPStatus() || p.Retryable != code.Retryable() {
			t.Errorf("New(%s) = %+v", code, p)
		}
	}
}

func TestFromHidesWhatIsOurs(t *testing.T) {
	secret := errors.New("dial unix /run/secret.sock: connection refused")
	for _, err := range []error{
		secret,
		fmt.Errorf("call: %w", secret),
		schema.Errorf(schema.CodeUnavailable, "rpc: %w", secret),
		schema.Errorf(schema.CodeDeadlineExceeded, "rpc: %w", secret),
		&schema.Error{Code: "from_the_future", Message: secret.Error()},
	} {
		p := problem.From(err)
		if strings.Contains(p.Detail, "secret") || p.Detail == "" {
			t.Errorf("From(%v).Detail = %q", err, p.Detail)
		}
		if !errors.Is(p, err) {
			t.Errorf("From(%v) loses its cause", err)
		}
	}
}

func TestFromKeepsWhatIsTheClients(t *testing.T) {
	in := &schema.Error{Code: schema.CodeInvalidArgument, Message: "message: is empty", Fields: []schema.FieldError{{Location: "message", Message: "is empty"}}}
	p := problem.From(in)
	if p.Status != 422 || p.Detail != in.Message || len(p.Errors) != 1 {
		t.Errorf("From = %+v", p)
	}
}
