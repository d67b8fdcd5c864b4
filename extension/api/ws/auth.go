package ws

import (
	"context"

	"github.com/stagehouse/stagehouse/schema"
)

// authenticate answers an auth frame. A socket stays with the principal that it began with.
func (s *session) authenticate(c command) {
	ctx, cancel := context.WithTimeout(s.ctx, callTimeout)
	defer cancel()
	caller, err := s.srv.opts.Authenticate(ctx, c.Token)
	before, authed := s.who()
	switch {
	case err != nil:
		s.refuseAuth(c, err, authed)
		return
	case authed && before.Principal != caller.Principal:
		s.fail(c.ID, schema.Errorf(schema.CodeFailedPrecondition, "this socket belongs to %q; open another one for %q", before.Principal, caller.Principal))
		return
	case !authed && !s.admit(caller, c):
		return
	}
	s.become(caller, c.Token, encode(authFrame{Type: frameAuthOK, ID: c.ID, Principal: caller.Principal, Scopes: caller.Scopes}))
}

// refuseAuth answers a token that was not accepted. When the token could not even be checked, the client may try again.
func (s *session) refuseAuth(c command, err error, authed bool) {
	unauthenticated := schema.CodeOf(err) == schema.CodeUnauthenticated
	if unauthenticated && !authed {
		s.srv.opts.Admit(schema.Caller{}, s.address) // what it answers does not matter: the socket closes anyway
	}
	s.out.put(encode(s.problem(frameAuthError, c.ID, err)))
	if unauthenticated {
		s.out.finish(farewell{code: CloseAuth, reason: "the token is not valid"})
	}
}

// lateAuth ends the session of a client that has not authenticated in time.
func (s *session) lateAuth() {
	if _, authed := s.who(); authed {
		return
	}
	err := schema.Errorf(schema.CodeUnauthenticated, "no auth frame with a good token came within %v", s.srv.opts.Limits.AuthTimeout)
	s.out.put(encode(s.problem(frameAuthError, nil, err)))
	s.out.finish(farewell{code: CloseAuth, reason: "not authenticated in time"})
}

// revalidate asks before a command whether the token is still good, and reports whether the command may be carried out.
func (s *session) revalidate() bool {
	s.mu.Lock()
	token, authed := s.token, s.authed
	s.mu.Unlock()
	if !authed || token == "" {
		return authed
	}
	ctx, cancel := context.WithTimeout(s.ctx, callTimeout)
	defer cancel()
	caller, err := s.srv.opts.Authenticate(ctx, token)
	return s.settle(token, caller, err)
}

// settle takes what became of the question whether the token is still good, and ends the session if it is not. A host that
// could not answer changes nothing: it is asked again. Neither does the answer about a token that the client has replaced
// meanwhile. It reports whether the session goes on.
func (s *session) settle(token string, caller schema.Caller, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.token != token:
	case schema.CodeOf(err) == schema.CodeUnauthenticated:
		s.out.put(encode(s.problem(frameAuthError, nil, schema.Errorf(schema.CodeUnauthenticated, "the token is valid no longer"))))
		s.out.finish(farewell{code: CloseAuth, reason: "the token is valid no longer"})
		return false
	case err == nil:
		s.caller = caller
	}
	return true
}

// credential returns the token that the session rests on; "" = none.
func (s *session) credential() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

// become makes the session the caller's, and answers so before anybody can see it: a ping that follows is answered by the
// reader, and not before.
func (s *session) become(caller schema.Caller, token string, answer []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.caller, s.token, s.authed = caller, token, true
	s.out.put(answer)
}
