package api_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

func TestSocketAuthenticates(t *testing.T) {
	w := start(t, `"limits":{"authTimeoutMs":60000}`, newFakeHost().services())

	t.Run("by a frame", func(t *testing.T) {
		s := w.dial()
		f := s.ask(`{"type":"auth","id":"a","token":"alice"}`, "auth:ok")
		if f["id"] != "a" || f.text("principal") != "alice" || fmt.Sprint(f["scopes"]) != "[chat]" {
			t.Errorf("auth:ok is %v", f)
		}
		s.ask(`{"type":"auth","token":"alice"}`, "auth:ok") // again, which changes nothing
		s.wantError(`{"type":"auth","id":2,"token":"bob"}`, schema.CodeFailedPrecondition)
		s.ask(`{"type":"ping"}`, "pong")
	})
	t.Run("by the upgrade request", func(t *testing.T) {
		s := w.dial(as("alice")...)
		if f := s.want("auth:ok"); f.text("principal") != "alice" {
			t.Errorf("auth:ok is %v", f)
		}
	})
	t.Run("not with a bad token", func(t *testing.T) {
		s := w.dial()
		s.send(`{"type":"auth","id":"a","token":"mallory"}`)
		if f := s.wantClose(4401); len(f) != 1 || f[0].kind() != "auth:error" || f[0].text("code") != "unauthenticated" || f[0]["id"] != "a" {
			t.Errorf("before the close came %v", f)
		}
	})
	t.Run("and nothing before it", func(t *testing.T) {
		s := w.dial()
		for _, text := range []string{`{"type":"subscribe","id":7}`, `{"type":"ping","id":7}`, `{"type":"chat:message","id":7,"agentId":"nyx","message":"x"}`, `{"type":"what","id":7}`} {
			if f := s.wantError(text, schema.CodeUnauthenticated); f["id"] != 7.0 {
				t.Errorf("%s was answered by %v", text, f)
			}
		}
		s.ask(`{"type":"auth","token":"alice"}`, "auth:ok")
	})
	t.Run("and not with half a frame", func(t *testing.T) {
		s := w.dial()
		for text, at := range map[string]string{
			`{"type":"auth","id":7}`:                                 "token",
			`{"type":"auth","id":7,"token":""}`:                      "token",
			`{"type":"auth","id":7,"token":null}`:                    "token",
			`{"type":"auth","id":7,"token":"alice","user":"x"}`:      "user",
			`{"type":"auth","id":7,"token":"alice","token":"alice"}`: "token",
		} {
			f := s.wantError(text, schema.CodeInvalidArgument)
			if errs, _ := f["errors"].([]any); f["id"] != 7.0 || len(errs) != 1 || errs[0].(map[string]any)["location"] != at {
				t.Errorf("%s was answered by %v", text, f)
			}
		}
		s.ask(`{"type":"auth","token":"alice"}`, "auth:ok")
	})
	t.Run("and commands may follow at once", func(t *testing.T) {
		s := w.dial()
		s.send(`{"type":"auth","token":"alice"}`)
		s.send(`{"type":"ping","id":1}`)
		s.send(`{"type":"subscribe"}`)
		s.want("auth:ok")
		s.want("pong")
		s.want("subscribed")
	})
}

func TestSocketMustAuthenticateInTime(t *testing.T) {
	w := start(t, `"limits":{"authTimeoutMs":50}`, newFakeHost().services())
	s := w.dial()
	if f := s.wantClose(4401); len(f) != 1 || f[0].kind() != "auth:error" {
		t.Errorf("before the close came %v", f)
	}
	in := w.dial(as("alice")...)
	in.want("auth:ok")
	<-time.After(100 * time.Millisecond) // longer than the bound, which no longer concerns it
	in.ask(`{"type":"ping"}`, "pong")
}

func TestSocketWithoutAuthentication(t *testing.T) {
	w := start(t, `"auth":{"mode":"none"}`, newFakeHost().services())
	s, err := w.tryDial()
	if err != nil {
		t.Fatal(err)
	}
	if f := s.want("welcome"); f["authRequired"] != false || f["protocol"] != 1.0 || f.text("epoch") != fakeEpoch {
		t.Errorf("welcome is %v", f)
	}
	s.want("auth:ok")
	f := s.ask(`{"type":"auth","token":"your-auth-token"}`, "auth:ok") // as the page does
	if f.text("principal") != "anonymous" {
		t.Errorf("auth:ok is %v", f)
	}
}
