package token_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/token"
	"github.com/stagehouse/stagehouse/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAdminTokenIsMadeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := token.Open(dir)
	first, created, err := s.EnsureAdmin()
	if err != nil || !created {
		t.Fatalf("EnsureAdmin = %v, %v", created, err)
	}
	again, created, err := token.Open(dir).EnsureAdmin()
	if err != nil || created || again != first {
		t.Errorf("second EnsureAdmin = %v, %v, same %v", created, err, again == first)
	}
	info, err := os.Stat(s.AdminPath())
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, want 0600", info.Mode().Perm())
	}
	c, err := s.Authenticate(t.Context(), first)
	if err != nil || c.Principal != "admin" || !c.Can(schema.ScopeAdmin) {
		t.Errorf("Authenticate = %+v, %v", c, err)
	}
}

func TestTokensOfEveryScope(t *testing.T) {
	s := token.Open(t.TempDir())
	for _, scope := range schema.Scopes() {
		secret, info, err := s.Create(string(scope)+"-er", "somebody", []schema.Scope{scope})
		if err != nil || info.Principal != "somebody" {
			t.Fatalf("Create = %+v, %v", info, err)
		}
		c, err := s.Authenticate(t.Context(), secret)
		if err != nil || c.Principal != "somebody" || len(c.Scopes) != 1 || c.Scopes[0] != scope {
			t.Errorf("Authenticate = %+v, %v", c, err)
		}
	}
	b, err := os.ReadFile(filepath.Join(filepath.Dir(s.AdminPath()), "tokens.json"))
	if err != nil || strings.Contains(string(b), "sth_") {
		t.Errorf("a token stands in the table: %s (%v)", b, err)
	}
}

func TestChangesOfAnotherProcessAreSeenAtOnce(t *testing.T) {
	dir := t.TempDir()
	serving, other := token.Open(dir), token.Open(dir)
	for range 20 {
		secret, _, err := other.Create("alice", "", []schema.Scope{schema.ScopeChat})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := serving.Authenticate(t.Context(), secret); err != nil {
			t.Fatalf("a token just created is refused: %v", err)
		}
		if err := other.Revoke("alice"); err != nil {
			t.Fatal(err)
		}
		if _, err := serving.Authenticate(t.Context(), secret); schema.CodeOf(err) != schema.CodeUnauthenticated {
			t.Fatalf("a token just revoked: %v", err)
		}
	}
}

func TestRotateAdmin(t *testing.T) {
	s := token.Open(t.TempDir())
	old, _, err := s.EnsureAdmin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RotateAdmin(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), old); schema.CodeOf(err) != schema.CodeUnauthenticated {
		t.Errorf("the old token: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	s := token.Open(t.TempDir())
	chat := []schema.Scope{schema.ScopeChat}
	if _, _, err := s.Create("taken", "", chat); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, principal string
		scopes          []schema.Scope
		want            schema.ErrorCode
	}{
		{"", "", chat, schema.CodeInvalidArgument},
		{"a b", "", chat, schema.CodeInvalidArgument},
		{"x", "y z", chat, schema.CodeInvalidArgument},
		{"x", "", nil, schema.CodeInvalidArgument},
		{"x", "", []schema.Scope{"root"}, schema.CodeInvalidArgument},
		{"admin", "", chat, schema.CodeAlreadyExists},
		{"taken", "", chat, schema.CodeAlreadyExists},
	} {
		if _, _, err := s.Create(test.name, test.principal, test.scopes); schema.CodeOf(err) != test.want {
			t.Errorf("Create(%q, %q, %v) = %v, want %s", test.name, test.principal, test.scopes, err, test.want)
		}
	}
	if err := s.Revoke("nobody"); schema.CodeOf(err) != schema.CodeNotFound {
		t.Errorf("Revoke = %v", err)
	}
	for _, guess := range []string{"", "sth_", "admin", strings.Repeat("x", 1<<16)} {
		if _, err := s.Authenticate(t.Context(), guess); schema.CodeOf(err) != schema.CodeUnauthenticated {
			t.Errorf("Authenticate(%.10q) = %v", guess, err)
		}
	}
}

func TestBrokenTableIsNamed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "tokens.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := token.Open(dir)
	if _, err := s.Authenticate(t.Context(), "x"); schema.CodeOf(err) != schema.CodeUnavailable || !strings.Contains(err.Error(), path) {
		t.Errorf("Authenticate = %v", err)
	}
	if _, _, err := s.Create("a", "", []schema.Scope{schema.ScopeRead}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Create = %v, want an error that names the file, and the file kept", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "{" {
		t.Errorf("the broken table was overwritten: %q, %v", b, err)
	}
}

func TestEmptyAdminFile(t *testing.T) {
	s := token.Open(t.TempDir())
	if err := os.WriteFile(s.AdminPath(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.EnsureAdmin(); err == nil || !strings.Contains(err.Error(), "does not hold one token") {
		t.Errorf("EnsureAdmin = %v", err)
	}
	if _, err := s.Authenticate(t.Context(), ""); err == nil {
		t.Error("an empty token file lets everybody in")
	}
}

func TestConcurrentCreates(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	errs := make(chan error, 20)
	for i := range 20 {
		wg.Go(func() {
			_, _, err := token.Open(dir).Create(string(rune('a'+i)), "", []schema.Scope{schema.ScopeRead})
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if infos, err := token.Open(dir).List(); err != nil || len(infos) != 20 {
		t.Errorf("List has %d of 20 tokens, %v", len(infos), err)
	}
}

func TestErrorsKeepTheirCause(t *testing.T) {
	_, err := token.Open(t.TempDir()).Admin()
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Admin = %v", err)
	}
}
