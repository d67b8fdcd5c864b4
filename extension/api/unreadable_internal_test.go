package api

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/stagehouse/stagehouse/schema"
)

// TestUnreadableRequests words what fasthttp could not read: never as our fault, and readable by the pages that may.
func TestUnreadableRequests(t *testing.T) {
	var log bytes.Buffer
	s := New()
	s.CORS = &CORS{Origin: Origins{"https://app.example"}}
	s.prepare(t.Context(), schema.Services{}, slog.New(slog.NewTextHandler(&log, nil)))
	for _, c := range []struct {
		err    error
		status int
	}{
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, 400},
		{io.ErrUnexpectedEOF, 400},
		{errors.New("cannot parse"), 400},
		{&net.OpError{Op: "read", Err: &net.DNSError{IsTimeout: true}}, 408},
		{fasthttp.ErrBodyTooLarge, 413},
		{&fasthttp.ErrSmallBuffer{}, 431},
	} {
		for origin, allowed := range map[string]string{"https://app.example": "https://app.example", "https://evil.example": "", "": ""} {
			rc := &fasthttp.RequestCtx{}
			rc.Init(&fasthttp.Request{}, tcpAddr("127.0.0.1"), nil)
			rc.Request.Header.SetMethod(strings.Repeat("BREW", 1000))
			rc.Request.Header.Set("Origin", origin)
			s.app.Server().ErrorHandler(rc, c.err)
			h := &rc.Response.Header
			if rc.Response.StatusCode() != c.status || string(h.ContentType()) != "application/problem+json" || len(h.Peek("X-Request-Id")) == 0 {
				t.Errorf("%v: %s", c.err, rc.Response.String())
			}
			if string(h.Peek("Access-Control-Allow-Origin")) != allowed || string(h.Peek("Vary")) != "Origin" || string(h.Peek("X-Content-Type-Options")) != "nosniff" {
				t.Errorf("%v, origin %q: %s", c.err, origin, h.String())
			}
		}
	}
	if log.Len() > 0 {
		t.Errorf("logged %s", log.Bytes())
	}
}
