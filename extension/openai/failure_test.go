package openai_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/extension/openai"
	"github.com/stagehouse/stagehouse/extension/openai/openaitest"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func TestErrors(t *testing.T) {
	x, s := start(t, object{"maxRetries": 0})
	for _, c := range []struct {
		reply openaitest.Reply
		code  schema.ErrorCode
		text  string
	}{
		{openaitest.Refuse(400, "invalid_request_error", "unsupported_parameter", "Unsupported parameter: 'x'"), schema.CodeInvalidArgument, "Unsupported parameter: 'x'"},
		{openaitest.Refuse(400, "invalid_request_error", "context_length_exceeded", "This model's maximum context length is 8192 tokens."), schema.CodeTooLarge, "remember less"},
		{openaitest.Refuse(403, "invalid_request_error", "unsupported_country_region_territory", "Country, region, or territory not supported"), schema.CodePermissionDenied, "403 from 127.0.0.1:"},
		{openaitest.Refuse(413, "", "request_too_large", "Request too large"), schema.CodeTooLarge, ""},
		{openaitest.Refuse(429, "requests", "rate_limit_exceeded", "Rate limit reached for gpt-4"), schema.CodeRateLimited, "Rate limit reached for gpt-4"},
		{openaitest.Refuse(429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota"), schema.CodePermissionDenied, "what is paid for is used up"},
		{openaitest.Refuse(500, "server_error", "", "The server had an error"), schema.CodeUnavailable, "500 from 127.0.0.1:"},
		{openaitest.Refuse(503, "unavailable_error", "", "Loading model"), schema.CodeUnavailable, "Loading model"},
		{openaitest.Reply{Status: 502, ErrorText: "<html>Bad Gateway</html>"}, schema.CodeUnavailable, "502 from 127.0.0.1:"},
	} {
		s.Script(c.reply)
		h := wrong(t, x, request(nil, user("1")), c.code, c.text)
		if h.Err.Code.Retryable() != (c.reply.Status == 429 && c.reply.Code != "insufficient_quota" || c.reply.Status >= 500) {
			t.Errorf("%d: may it be tried again: %v", c.reply.Status, h.Err.Code.Retryable())
		}
	}
	wrong(t, x, request(sdk.Object{"model": "llama"}, user("1")), schema.CodeInvalidArgument, "404 from 127.0.0.1:")
	wrong(t, x, request(sdk.Object{"extra": sdk.Object{"top_k": 3}}, user("1")), schema.CodeInvalidArgument, "Unrecognized request argument supplied: top_k")
}

func TestErrorsWithoutAnEnvelope(t *testing.T) {
	s := openaitest.New(t)
	s.Habits.BareErrors = true
	x := sdktest.Start(t, openai.Definition(), block(t, s, nil), sdktest.NewHost().Services())
	wrong(t, x, request(sdk.Object{"model": "llama"}, user("1")), schema.CodeInvalidArgument, "The model `llama` does not exist")
}

func TestKeyIsRefused(t *testing.T) {
	s := openaitest.New(t)
	x := sdktest.Start(t, openai.Definition(), block(t, s, object{"apiKey": "sk-proj-wrong-one"}), sdktest.NewHost().Services())
	h := wrong(t, x, request(nil, user("1")), schema.CodeUnauthenticated, "the key was refused; check extensions.openai.apiKey")
	if strings.Contains(h.Err.Message, "sk-") {
		t.Error("the key is shown")
	}
	x = sdktest.Start(t, openai.Definition(), block(t, s, object{"apiKey": ""}), sdktest.NewHost().Services())
	wrong(t, x, request(nil, user("1")), schema.CodeUnauthenticated, "it wants a key")
}

// TestTheEnvironmentIsNotAsked: the vendor's client would take a key, an address and headers from it.
func TestTheEnvironmentIsNotAsked(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-of-somebody-else")
	t.Setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
	t.Setenv("OPENAI_ORG_ID", "org-of-somebody-else")
	t.Setenv("OPENAI_CUSTOM_HEADERS", "X-Other: 1")
	x, s := start(t, nil)
	well(t, x, request(nil, user("1")))
	h := s.Requests()[0].Header
	if h.Get("Authorization") != "Bearer "+openaitest.Key || h.Get("Openai-Organization") != "" || h.Get("X-Other") != "" {
		t.Errorf("the headers are %v", h)
	}
}

func TestItTriesAgainUntilSomethingCame(t *testing.T) {
	x, s := start(t, nil)
	limited := openaitest.Refuse(429, "requests", "rate_limit_exceeded", "No")
	limited.Header = http.Header{"Retry-After-Ms": {"20"}}
	s.Script(limited, openaitest.Reply{Fault: openaitest.Failing, After: 1})
	if h := well(t, x, request(nil, user("3"))); h.Text != openaitest.Counted(3) || len(s.Requests()) != 3 {
		t.Errorf("after %d requests it says %q", len(s.Requests()), h.Text)
	}
	for fault, c := range map[openaitest.Fault]struct {
		code schema.ErrorCode
		text string
	}{
		openaitest.Failing: {schema.CodeUnavailable, "The server had an error"}, openaitest.Limited: {schema.CodeRateLimited, "Rate limit reached"},
		openaitest.Cut: {schema.CodeUnavailable, "broke"}, openaitest.Ends: {schema.CodeUnavailable, "the answer broke off"},
		openaitest.Garbage: {schema.CodeUnavailable, "cannot be read"},
	} {
		before := len(s.Requests())
		s.Script(openaitest.Reply{Content: "So it begins", Fault: fault, After: 3})
		if h := wrong(t, x, request(nil, user("3")), c.code, c.text); h.Text != "So it begi" || len(s.Requests()) != before+1 {
			t.Errorf("%s: after %d requests it has said %q", fault, len(s.Requests())-before, h.Text)
		}
	}
	m, err := x.Metrics(t.Context())
	if err != nil || m["requests_total"] != 8 || m["retries_total"] != 2 || m["errors_total"] != 5 || m["output_tokens_total"] == 0 {
		t.Errorf("it counts %v, %v", m, err)
	}
}

// TestAnAnswerThatIsWhole is not lost to what happens behind its end.
func TestAnAnswerThatIsWhole(t *testing.T) {
	x, s := start(t, object{"idleTimeoutMs": 150})
	for _, fault := range []openaitest.Fault{openaitest.Cut, openaitest.Ends, openaitest.Stall, openaitest.Garbage} {
		s.Script(openaitest.Reply{Content: "Done.", Fault: fault, After: 3})
		if h := well(t, x, request(nil, user("?"))); h.Text != "Done." || h.Done.Stop != sdk.StopEnd || h.Done.Usage.OutputTokens != 0 {
			t.Errorf("%s: it says %q, %+v", fault, h.Text, h.Done)
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	x, s := start(t, object{"maxRetries": 0})
	s.Script(openaitest.Reply{Status: 200, ErrorText: "<html>Welcome</html>"})
	wrong(t, x, request(nil, user("1")), schema.CodeUnavailable, "is extensions.openai.baseUrl right?")
	for _, arguments := range []string{`["sky"]`, `{"at": `, `{} {}`, `"sky"`, `"\x"`} {
		s.Script(openaitest.Reply{Calls: []openaitest.Call{{ID: "call_1", Name: "look", Arguments: arguments}}})
		wrong(t, x, request(nil, user("1")), schema.CodeUnavailable, "the input that it has for the tool look is no JSON object")
	}
	s.Script(openaitest.Reply{Calls: []openaitest.Call{{ID: "call_1", Arguments: "{}"}}})
	wrong(t, x, request(nil, user("1")), schema.CodeUnavailable, "it calls a tool without saying which")
	if m, err := x.Metrics(t.Context()); err != nil || m["breaker_open"] != 0 {
		t.Errorf("a model that writes nonsense is taken for a server that fails: %v, %v", m, err)
	}
}

func TestSilence(t *testing.T) {
	x, s := start(t, object{"maxRetries": 0, "firstByteTimeoutMs": 300, "idleTimeoutMs": 150})
	never := make(chan struct{})
	s.Script(openaitest.Reply{Hold: never})
	wrong(t, x, request(nil, user("1")), schema.CodeUnavailable, "said nothing for 300ms, which is extensions.openai.firstByteTimeoutMs")
	s.Script(openaitest.Reply{Content: "So it begins", Fault: openaitest.Stall, After: 3})
	if h := wrong(t, x, request(nil, user("1")), schema.CodeUnavailable, "extensions.openai.idleTimeoutMs"); h.Text != "So it begi" {
		t.Errorf("it has said %q", h.Text)
	}
	eventually(t, "both connections end", func() bool { return s.Gone() == 2 })
}

func TestWhoGivesUpEndsTheConnection(t *testing.T) {
	x, s := start(t, nil)
	stalls := openaitest.Reply{Content: "So it begins", Fault: openaitest.Stall, After: 3}
	s.Script(stalls)
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

	s.Script(stalls)
	for e := range x.Think(t.Context(), request(nil, user("1"))) {
		if e.Text != "" {
			break
		}
	}
	eventually(t, "the connection ends with the loop", func() bool { return s.Gone() == 2 })

	s.Script(openaitest.Reply{Hold: make(chan struct{})})
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
		s.Script(openaitest.Reply{Hold: hold, Content: "so"})
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
		s.Script(openaitest.Refuse(500, "server_error", "", "No"))
		wrong(t, x, request(nil, user("1")), schema.CodeUnavailable, "500")
	}
	if h := wrong(t, x, request(nil, user("1")), schema.CodeUnavailable, "left alone"); h.Err.RetryAfter <= 0 || len(s.Requests()) != 5 {
		t.Errorf("after %d requests: %+v", len(s.Requests()), h.Err)
	}
}

func TestNobodyIsThere(t *testing.T) {
	s := openaitest.New(t)
	config := block(t, s, object{"baseUrl": "http://127.0.0.1:1/v1", "maxRetries": 0})
	x := sdktest.Start(t, openai.Definition(), config, sdktest.NewHost().Services())
	wrong(t, x, request(nil, user("1")), schema.CodeUnavailable, "127.0.0.1:1: it cannot be reached; does it run, and is extensions.openai.baseUrl right?")
}
