package api

import (
	"context"
	"crypto/sha256"
	"strings"
	"sync"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// Bounds of the memory of good tokens.
const (
	authCacheTime = time.Second // the longest that Identity allows: a revoked token works no longer than that
	authCacheSize = 4096
	maxTokenBytes = 4096
	authTimeout   = 10 * time.Second // of one question to the host
)

// anonymous is everybody where authentication is off.
func anonymous() schema.Caller {
	return schema.Caller{Principal: "anonymous", Scopes: []schema.Scope{schema.ScopeAdmin}}
}

// authenticator turns tokens into callers. It remembers good tokens for a moment, by their digest, and bad ones never.
type authenticator struct {
	identity schema.Identity // nil = authentication is off
	now      func() time.Time

	mu    sync.Mutex
	known map[[sha256.Size]byte]knownCaller
	swept time.Time
}

type knownCaller struct {
	caller schema.Caller
	until  time.Time
}

func newAuthenticator(identity schema.Identity, now func() time.Time) *authenticator {
	return &authenticator{identity: identity, now: now, known: map[[sha256.Size]byte]knownCaller{}}
}

// required reports whether a token is needed.
func (a *authenticator) required() bool { return a.identity != nil }

// authenticate returns the caller behind token, or CodeUnauthenticated.
func (a *authenticator) authenticate(ctx context.Context, token string) (schema.Caller, error) {
	if !a.required() {
		return anonymous(), nil
	}
	if token == "" || len(token) > maxTokenBytes {
		return schema.Caller{}, schema.Errorf(schema.CodeUnauthenticated, "the token is not valid")
	}
	digest := sha256.Sum256([]byte(token))
	asked := a.now()
	if c, ok := a.lookup(digest, asked); ok {
		return c, nil
	}
	ctx, cancel := context.WithTimeout(ctx, authTimeout)
	defer cancel()
	c, err := a.identity.Authenticate(ctx, token)
	switch {
	case schema.CodeOf(err) == schema.CodeUnauthenticated:
		return schema.Caller{}, schema.Errorf(schema.CodeUnauthenticated, "the token is not valid")
	case err != nil:
		return schema.Caller{}, err
	}
	a.remember(digest, knownCaller{c, asked.Add(authCacheTime)}) // from when the host was asked, not from when it answered
	return c, nil
}

func (a *authenticator) lookup(digest [sha256.Size]byte, now time.Time) (schema.Caller, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k, ok := a.known[digest]
	return k.caller, ok && now.Before(k.until)
}

func (a *authenticator) remember(digest [sha256.Size]byte, k knownCaller) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := a.now(); len(a.known) >= authCacheSize && now.Sub(a.swept) >= authCacheTime {
		a.swept = now
		for d, old := range a.known {
			if !now.Before(old.until) {
				delete(a.known, d)
			}
		}
	}
	if len(a.known) < authCacheSize {
		a.known[digest] = k
	}
}

// bearer returns the token of an Authorization header (RFC 6750 §2.1), or false if it has another form. No header is no
// token.
func bearer(header string) (token string, ok bool) {
	if header == "" {
		return "", true
	}
	scheme, token, found := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	return token, found && strings.EqualFold(scheme, "Bearer") && token != "" && !strings.ContainsAny(token, " \t,")
}
