package anthropic_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/extension/anthropic"
	"github.com/stagehouse/stagehouse/extension/anthropic/anthropictest"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func TestErrors(t *testing.T) {
	x, s := start(t, object{"maxRetries": 0})
	for _, c := range []struct {
		reply anthropictest.Reply
		code  schema.ErrorCode
		text  string
	}{
		{anthropictest.Refuse(400, "invalid_request_error", "Your credit balance is too low"), schema.CodeInvalidArgument, "Your credit balance is too low"},
		{anthropictest.Refuse(400, "invalid_request_error", "prompt is too long: 200001 tokens > 200000 maximum"), schema.CodeTooLarge, "remember less"},
		{anthropictest.Refuse(403, "permission_error", "No"), schema.CodePermissionDenied, "403 from 127.0.0.1:"},
		{anthropictest.Refuse(413, "request_too_large", "Request exceeds the maximum size"), schema.CodeTooLarge, ""},
		{anthropictest.Refuse(429, "rate_limit_error", "This request would exceed"), schema.CodeRateLimited, "This request would exceed"},
		{anthropictest.Refuse(500, "api_error", "Internal server error"), schema.CodeUnavailable, "500 from 127.0.0.1:"},
		{anthropictest.Refuse(529, "overloaded_error", "Overloaded"), schema.CodeUnavailable, "Overloaded"},
		{anthropictest.Reply{Status: 502, ErrorText: "<html>Bad Gateway</html>"}, schema.CodeUnavailable, "502 from 127.0.0.1:"},
	} {
		s.Script(c.reply)
		h := wrong(t, x, request(nil, user("1")), c.code, c.text)
		if h.Err.Code.Retryable() != (c.reply.Status == 429 || c.reply.Status >= 500) {
			t.Errorf("%d: may it be tried again: %v", c.reply.Status, h.Err.Code.Retryable())
		}
	}
	wrong(t, x, request(sdk.Object{"model": "gpt"}, user("1")), schema.CodeInvalidArgument, "404 from 127.0.0.1:")
	wrong(t, x, request(sdk.Object{"model": fresh, "temperature": 0.5}, user("1")), schema.CodeInvalidArgument, "not supported for this model")
}

func TestKeyIsRefused(t *testing.T) {
	s := anthropictest.New(t)
	x := sdktest.Start(t, anthropic.Definition(), block(t, s, object{"apiKey": "sk-ant-wrong-one"}), sdktest.NewHost().Services())
	h := wrong(t, x, request(nil, user("1")), schema.CodeUnauthenticated, "the key was refused; check extensions.anthropic.apiKey")
	if strings.Contains(h.Err.Message, "sk-ant") {
		t.Error("the key is shown")
	}
	x = sdktest.Start(t, anthropic.Definition(), block(t, s, object{"apiKey": ""}), sdktest.NewHost().Services())
	wrong(t, x, request(nil, user("1")), schema.CodeUnauthenticated, "it wants a key")
}

// TestTheEnvironmentIsNotAsked: the vendor's client would take a key and an address from it.
func TestTheEnvironmentIsNotAsked(t *testing.T) {
	t.Setenv("ANTHROPIC_API_KEY", "sk-ant-of-somebody-else")
	t.Setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
	x, s := start(t, nil)
	well(t, x, request(nil, user("1")))
	if key := s.Requests()[0].Header.Get("X-Api-Key"); key != anthropictest.Key {
		t.Errorf("the key is %q", key)
	}
}

func TestItTriesAgainUntilSomethingCame(t *testing.T) {
	x, s := start(t, nil)
	soon := http.Header{"Retry-After-Ms": {"20"}}
	limited := anthropictest.Refuse(429, "rate_limit_error", "No")
	limited.Header = soon
	s.Script(limited, anthropictest.Reply{Fault: anthropictest.Overloaded, After: 2})
	if h := well(t, x, request(nil, user("3"))); h.Text != anthropictest.Counted(3) || len(s.Requests()) != 3 {
		t.Errorf("after %d requests it says %q", len(s.Requests()), h.Text)
	}
	text := []anthropictest.Block{anthropictest.Text("So it begins")}
	for fault, c := range map[anthropictest.Fault]string{
		anthropictest.Overloaded: "Overloaded", anthropictest.Failing: "Internal server error", anthropictest.Cut: "broke",
		anthropictest.Ends: "the answer broke off", anthropictest.Garbage: "cannot be read",
	} {
		before := len(s.Requests())
		s.Script(anthropictest.Reply{Content: text, Fault: fault, After: 5})
		if h := wrong(t, x, request(nil, user("3")), schema.CodeUnavailable, c); h.Text != "So it begi" || len(s.Requests()) != before+1 {
			t.Errorf("%s: after %d requests it has said %q", fault, len(s.Requests())-before, h.Text)
		}
	}
	m, err := x.Metrics(t.Context())
	if err != nil || m["requests_total"] != 8 || m["retries_total"] != 2 || m["errors_total"] != 5 || m["output_tokens_total"] == 0 {
		t.Errorf("it counts %v, %v", m, err)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	x, s := start(t, object{"maxRetries": 0})
	s.Script(anthropictest.Reply{Status: 200, ErrorText: "<html>Welcome</html>"})
	wrong(t, x, request(nil, user("1")), schema.CodeUnavailable, "is extensions.anthropic.baseUrl right?")
	s.Script(anthropictest.Reply{Content: []anthropictest.Block{anthropictest.Call("toolu_1", "look", `["sky"]`)}})
	wrong(t, x, request(nil, user("1")), schema.CodeUnavailable, "the input that it has for the tool look is no JSON object")
}

func TestSilence(t *testing.T) {
	x, s := start(t, object{"maxRetries": 0, "firstByteTimeoutMs": 300, "idleTimeoutMs": 150})
	never := make(chan struct{})
	s.Script(anthropictest.Reply{Hold: never})
	wrong(t, x, request(nil, user("1")), schema.CodeUnavailable, "said nothing for 300ms, which is extensions.anthropic.firstByteTimeoutMs")
	s.Script(anthropictest.Reply{Content: []anthropictest.Block{anthropictest.Text("So it begins")}, Fault: anthropictest.Stall, After: 5})
	if h := wrong(t, x, request(nil, user("1")), schema.CodeUnavailable, "extensions.anthropic.idleTimeoutMs"); h.Text != "So it begi" {
		t.Errorf("it has said %q", h.Text)
	}
	eventually(t, "both connections end", func() bool { return s.Gone() == 2 })
}

func TestWhoGivesUpEndsTheConnection(t *testing.T) {
	x, s := start(t, nil)
	s.Script(anthropictest.Reply{Content: []anthropictest.Block{anthropictest.Text("So it begins")}, Fault: anthropictest.Stall, After: 5})
	ctx, cancel := context.WithCancel(t.Context())
	for e, err := range x.Think(ctx, request(nil, user("1"))) {
		if e.Text != "" {
			cancel()
		}
		if err != nil && schema.CodeOf(err) != schema.CodeCancelled {
			t.Error(err)
		}
	}
	cancel()
	eventually(t, "the connection ends with the context", func() bool { return s.Gone() == 1 })

	s.Script(anthropictest.Reply{Content: []anthropictest.Block{anthropictest.Text("So it begins")}, Fault: anthropictest.Stall, After: 5})
	for e := range x.Think(t.Context(), request(nil, user("1"))) {
		if e.Text != "" {
			break
		}
	}
	eventually(t, "the connection ends with the loop", func() bool { return s.Gone() == 2 })

	s.Script(anthropictest.Reply{Hold: make(chan struct{})})
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if h := hear(x.Think(ctx, request(nil, user("1")))); h.Err == nil || h.Err.Code != schema.CodeDeadlineExceeded {
		t.Errorf("the step ends with %v", h.Err)
	}
	eventually(t, "the connection ends before its first byte", func() bool { return s.Gone() == 3 })
}

func TestFewAskAtATime(t *testing.T) {
	x, s := start(t, object{"maxConcurrent": 2, "maxWaiting": 4})
	hold := make(chan struct{})
	for range 6 {
		s.Script(anthropictest.Reply{Hold: hold, Content: []anthropictest.Block{anthropictest.Text("so")}})
	}
	ended := make(chan heard)
	for range 6 {
		go func() { ended <- hear(x.Think(t.Context(), request(nil, user("1")))) }()
	}
	eventually(t, "two ask and four wait", func() bool {
		m, err := x.Metrics(t.Context())
		return err == nil && m["in_flight"] == 2 && m["waiting"] == 4 && s.Most() == 2
	})
	wrong(t, x, request(nil, user("1")), schema.CodeBusy, "2 steps ask the server already, and 4 wait")
	close(hold)
	for range 6 {
		if h := <-ended; h.Err != nil || h.Text != "so" {
			t.Errorf("a step ends with %q, %v", h.Text, h.Err)
		}
	}
	if s.Most() != 2 {
		t.Errorf("%d asked at a time", s.Most())
	}
}

func TestAServerThatFailsIsLeftAlone(t *testing.T) {
	x, s := start(t, object{"maxRetries": 0})
	for range 5 {
		s.Script(anthropictest.Refuse(500, "api_error", "No"))
		wrong(t, x, request(nil, user("1")), schema.CodeUnavailable, "500")
	}
	if h := wrong(t, x, request(nil, user("1")), schema.CodeUnavailable, "left alone"); h.Err.RetryAfter <= 0 || len(s.Requests()) != 5 {
		t.Errorf("after %d requests: %+v", len(s.Requests()), h.Err)
	}
}

func TestNobodyIsThere(t *testing.T) {
	s := anthropictest.New(t)
	config := block(t, s, object{"baseUrl": "http://127.0.0.1:1", "maxRetries": 0})
	x := sdktest.Start(t, anthropic.Definition(), config, sdktest.NewHost().Services())
	wrong(t, x, request(nil, user("1")), schema.CodeUnavailable, "127.0.0.1:1: it cannot be reached; does it run, and is extensions.anthropic.baseUrl right?")
}
