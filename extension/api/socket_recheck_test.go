package api_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// tokenHost decides about tokens, each of which is its own principal, and counts the questions.
type tokenHost struct {
	*fakeHost
	mu    sync.Mutex
	fails map[string]error
	asked map[string]int
}

func newTokenHost() *tokenHost {
	h := &tokenHost{fakeHost: newFakeHost(), fails: map[string]error{}, asked: map[string]int{}}
	h.authenticate = func(token string) (schema.Caller, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.asked[token]++
		return schema.Caller{Principal: token, Scopes: []schema.Scope{schema.ScopeChat}}, h.fails[token]
	}
	return h
}

func (h *tokenHost) fail(token string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fails[token] = err
}

// questions returns how often the host has been asked about a token.
func (h *tokenHost) questions(token string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asked[token]
}

// TestRevokedTokenEndsItsSockets has many sockets that say nothing, of few tokens: the host is asked once a token and
// second, those of the one that is revoked end soon, and those of the others do not, even if the host cannot answer.
func TestRevokedTokenEndsItsSockets(t *testing.T) {
	h := newTokenHost()
	w := start(t, "", h.services())
	const each = 100
	sockets := map[string][]*socket{}
	for range each {
		for _, token := range []string{"good", "revoked", "unsure"} {
			s := w.dial(as(token)...)
			s.want("auth:ok")
			s.ask(`{"type":"subscribe","events":["status"]}`, "subscribed")
			sockets[token] = append(sockets[token], s)
		}
	}
	h.fail("unsure", schema.Errorf(schema.CodeUnavailable, "the directory is down"))
	const watched = 2500 * time.Millisecond
	before := h.questions("good")
	<-time.After(watched)
	if n := h.questions("good") - before; n < 1 || n > 4 {
		t.Errorf("%d sockets of one token cost %d questions in %v", each, n, watched)
	}

	h.fail("revoked", schema.Errorf(schema.CodeUnauthenticated, "no such token"))
	begin := time.Now()
	for _, s := range sockets["revoked"] {
		if frames := s.wantClose(4401); len(frames) != 1 || frames[0].kind() != "auth:error" {
			t.Fatalf("before the close came %v", frames)
		}
	}
	if took := time.Since(begin); took > 2500*time.Millisecond {
		t.Errorf("the sockets ended after %v", took)
	}
	h.emit(schema.Event{Type: schema.EventStatus, AgentID: "nyx"})
	for _, token := range []string{"good", "unsure"} {
		for _, s := range sockets[token] {
			s.want("agent:status")
		}
	}
	w.do("GET", "/api/agents", "", as("revoked")...).problem(t, 401, schema.CodeUnauthenticated)
}

// TestSlowIdentityHoldsNobodyUp has the host not answer about tokens: events flow, and commands of others are carried out.
func TestSlowIdentityHoldsNobodyUp(t *testing.T) {
	h := newTokenHost()
	answer := h.authenticate
	var hanging sync.Map
	release := make(chan struct{})
	asked := make(chan struct{}, 64)
	h.authenticate = func(token string) (schema.Caller, error) {
		if _, hangs := hanging.Load(token); hangs {
			asked <- struct{}{}
			<-release
		}
		return answer(token)
	}
	w := start(t, "", h.services())
	defer close(release)
	var sockets []*socket
	for i := range 4 {
		token := fmt.Sprintf("user%d", i)
		s := w.login(token)
		s.ask(`{"type":"subscribe"}`, "subscribed")
		sockets = append(sockets, s)
		if i > 0 {
			hanging.Store(token, true)
		}
	}
	<-asked
	begin := time.Now()
	for range 100 {
		h.emit(schema.Event{Type: schema.EventStatus, AgentID: "nyx"})
		for _, s := range sockets {
			s.want("agent:status")
		}
	}
	sockets[0].ask(`{"type":"unsubscribe"}`, "unsubscribed")
	if took := time.Since(begin); took > time.Second {
		t.Errorf("events and commands took %v", took)
	}
}
