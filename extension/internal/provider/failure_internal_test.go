package provider

import (
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stagehouse/stagehouse/schema"
)

const secret = "sk-never-shown-0123456789"

func quiet(t *testing.T, s Settings, key string) *Client {
	c := New(s, Server{Extension: "brains", BaseURL: "https://api.example.com/v1", Key: key, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	t.Cleanup(c.Close)
	return c
}

func TestReadFailure(t *testing.T) {
	for body, want := range map[string]Failure{
		`{"error":{"message":"No","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}}`: {400, "invalid_request_error", "context_length_exceeded", "No", 0, nil},
		`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`:                             {529, "overloaded_error", "", "Overloaded", 0, nil},
		`{"error":"model 'x' not found"}`:              {Message: "model 'x' not found"},
		`{"object":"error","message":"No","code":404}`: {Status: 404, Code: "404", Message: "No"},
		`{"detail":"Not Found"}`:                       {Message: "Not Found"},
		`{"message":"No","type":"BadRequestError"}`:    {Type: "BadRequestError", Message: "No"},
		`{"error":{"message":{"a":1},"code":true}}`:    {},
		`{"error":null}`:                               {},
		`<html>502</html>`:                             {},
		``:                                             {},
		`[1]`:                                          {},
	} {
		if got := ReadFailure([]byte(body)); got != want {
			t.Errorf("%s is %+v", body, got)
		}
	}
}

func FuzzReadFailure(f *testing.F) {
	f.Add([]byte(`{"error":{"message":"No","type":"api_error","code":"500"}}`))
	f.Add([]byte(`{"error":"\u0000` + secret + `"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		err := schema.AsError(quiet(t, Defaults(), secret).Failed(ReadFailure(body)))
		if strings.Contains(err.Message, secret) || !utf8.ValidString(err.Message) || strings.ContainsAny(err.Message, "\n\x00") || len(err.Message) > 3000 {
			t.Errorf("%q becomes %q", body, err.Message)
		}
	})
}

func TestWhatFailuresMean(t *testing.T) {
	for _, c := range []struct {
		f          Failure
		code       schema.ErrorCode
		again, bad bool
		message    string
	}{
		{Failure{Status: 401, Message: "wrong key sk-n…89"}, schema.CodeUnauthenticated, false, false, "401 from api.example.com: the key was refused; check extensions.brains.apiKey"},
		{Failure{Status: 403, Message: "Country\nnot supported: " + secret}, schema.CodePermissionDenied, false, false, `(it says: "Country not supported: …")`},
		{Failure{Status: 404, Message: "no model x"}, schema.CodeInvalidArgument, false, false, `extensions.brains.model and extensions.brains.baseUrl (it says: "no model x")`},
		{Failure{Status: 400, Code: "context_length_exceeded"}, schema.CodeTooLarge, false, false, ""},
		{Failure{Status: 400, Message: "prompt is too long: 9 tokens > 8 maximum"}, schema.CodeTooLarge, false, false, ""},
		{Failure{Status: 400, Message: "temperature"}, schema.CodeInvalidArgument, false, false, "temperature"},
		{Failure{Status: 402}, schema.CodePermissionDenied, false, false, "used up"},
		{Failure{Status: 429, Code: "insufficient_quota"}, schema.CodePermissionDenied, false, false, "used up"},
		{Failure{Status: 429}, schema.CodeRateLimited, true, false, "429"},
		{Failure{Status: 529}, schema.CodeUnavailable, true, true, "too much to do"},
		{Failure{Status: 409}, schema.CodeUnavailable, true, false, ""},
		{Failure{Status: 500}, schema.CodeUnavailable, true, true, "500 from api.example.com: it failed"},
		{Failure{Status: 503, Retry: new(bool)}, schema.CodeUnavailable, false, true, ""},
		{Failure{Message: "odd"}, schema.CodeUnavailable, true, true, `api.example.com: it failed (it says: "odd")`},
		{Failure{Status: 302}, schema.CodeInvalidArgument, false, false, "baseUrl"},
	} {
		v := quiet(t, Defaults(), secret).Failed(c.f).(*verdict)
		if v.err.Code != c.code || v.again != c.again || v.bad != c.bad || !strings.Contains(v.err.Message, c.message) || strings.Contains(v.err.Message, "sk-") {
			t.Errorf("%+v: %v, again %v, bad %v", c.f, v, v.again, v.bad)
		}
	}
	v := quiet(t, Defaults(), "").Failed(Failure{Status: 401}).(*verdict)
	if !strings.Contains(v.err.Message, "it wants a key; set extensions.brains.apiKey") {
		t.Error(v)
	}
}
