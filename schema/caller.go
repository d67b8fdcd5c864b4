package schema

import (
	"context"
	"slices"
)

// Scope is a class of acts that a caller may perform. Scopes nest: [ScopeAdmin] covers [ScopeChat], which covers [ScopeRead].
type Scope string

// The scopes.
const (
	ScopeRead  Scope = "read"  // look at agents, own conversations, own and shared memories, own and public events
	ScopeChat  Scope = "chat"  // read, and talk to agents, cancel own runs, store and delete own memories
	ScopeAdmin Scope = "admin" // chat, and change, start and stop agents, share memories, look at everybody's things
)

// Scopes lists every scope, widest last.
func Scopes() []Scope { return []Scope{ScopeRead, ScopeChat, ScopeAdmin} }

// Caller says on whose behalf a call is made.
type Caller struct {
	Principal string  // who: the name behind a token, "anonymous" where authentication is off; empty = nobody
	Scopes    []Scope // what it may do
	Extension string  // through which extension; set by the host, never believed from the wire
}

// Can reports whether the caller's scopes cover s.
func (c Caller) Can(s Scope) bool {
	have := func(want ...Scope) bool {
		return slices.ContainsFunc(want, func(w Scope) bool { return slices.Contains(c.Scopes, w) })
	}
	switch s {
	case ScopeRead:
		return have(ScopeRead, ScopeChat, ScopeAdmin)
	case ScopeChat:
		return have(ScopeChat, ScopeAdmin)
	case ScopeAdmin:
		return have(ScopeAdmin)
	}
	return false
}

// MaySee reports whether the caller may look at a thing that belongs to owner. An empty owner means that it belongs to
// nobody and is public to everyone who may read.
func (c Caller) MaySee(owner string) bool {
	if !c.Can(ScopeRead) {
		return false
	}
	return owner == "" || owner == c.Principal || c.Can(ScopeAdmin)
}

type callerKey struct{}

// WithCaller returns a context whose calls are made on behalf of c.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom returns the caller of ctx, or the zero Caller, who may do nothing.
func CallerFrom(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// Identity turns a credential into a caller. The host offers it beside the runtime's services; a runtime does not implement it.
type Identity interface {
	// Authenticate returns the caller behind token, or CodeUnauthenticated. Tokens are compared in constant time.
	// A result may be cached for at most a second, so that a revoked token stops working at once.
	Authenticate(ctx context.Context, token string) (Caller, error)
}
