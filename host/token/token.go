// Package token keeps the bearer tokens of a host in its data directory.
//
// The admin token of the first start stands in the file api-token (mode 0600), so that an operator can read it and a script
// can use it. Every other token is kept as its SHA-256 only, in tokens.json (mode 0600). Both files may be changed while a
// host runs, by another process too: a change is seen by the next [Store.Authenticate].
package token

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// Names of the files in the data directory.
const (
	AdminFile = "api-token"
	tableFile = "tokens.json"
	lockFile  = "tokens.lock"
)

// AdminPrincipal is whom the token in [AdminFile] stands for.
const AdminPrincipal = "admin"

// prefix makes a token recognisable to a person, and to programs that look for leaked secrets.
const prefix = "sth_"

// Info describes a token without revealing it.
type Info struct {
	Name      string         `json:"name"`
	Principal string         `json:"principal"`
	Scopes    []schema.Scope `json:"scopes"`
	CreatedAt time.Time      `json:"createdAt"`
}

// Store is the tokens of one data directory. Its methods are safe for concurrent use, by several processes too.
type Store struct {
	dir string

	mu    sync.Mutex
	known []entry
	stamp [2]stamp
}

var _ schema.Identity = (*Store)(nil)

// entry is a token that may be presented.
type entry struct {
	Info
	Hash string `json:"sha256"` // hex
}

// Open returns the store of the data directory dir, which is made when the first token is.
func Open(dir string) *Store { return &Store{dir: dir} }

// AdminPath returns where the admin token is.
func (s *Store) AdminPath() string { return filepath.Join(s.dir, AdminFile) }

// EnsureAdmin makes the admin token if there is none, and reports whether it did.
func (s *Store) EnsureAdmin() (token string, created bool, err error) {
	token, err = s.Admin()
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return token, false, err
	}
	token, err = s.RotateAdmin()
	return token, err == nil, err
}

// Check reports what keeps the tokens from being read, if anything does. That there is none yet does not.
func (s *Store) Check() error {
	if _, err := s.Admin(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, err := s.readTable()
	return err
}

// Admin returns the admin token.
func (s *Store) Admin() (string, error) {
	b, err := os.ReadFile(s.AdminPath())
	if err != nil {
		return "", fmt.Errorf("read admin token: %w", err)
	}
	t := strings.TrimSpace(string(b))
	if len(strings.Fields(t)) != 1 {
		return "", fmt.Errorf("read admin token: %s does not hold one token; delete it, and the next start makes a new one", s.AdminPath())
	}
	return t, nil
}

// RotateAdmin replaces the admin token by a new one; the old one stops working.
func (s *Store) RotateAdmin() (string, error) {
	t := newToken()
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return "", fmt.Errorf("make data directory: %w", err)
	}
	if err := writeFile(s.AdminPath(), []byte(t+"\n")); err != nil {
		return "", fmt.Errorf("write admin token: %w", err)
	}
	return t, nil
}

// ScopeNames writes scopes as --scopes takes them.
func ScopeNames(scopes []schema.Scope) string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	return strings.Join(names, ",")
}

// Create makes a token of the given unique name. An empty principal is the name. The token is not kept and cannot be shown again.
func (s *Store) Create(name, principal string, scopes []schema.Scope) (string, Info, error) {
	if principal == "" {
		principal = name
	}
	switch {
	case !schema.ValidID(name) || !schema.ValidID(principal):
		return "", Info{}, schema.Errorf(schema.CodeInvalidArgument, "names and principals are 1 to %d letters, digits or . _ ~ : - characters", schema.MaxIDBytes)
	case name == AdminPrincipal:
		return "", Info{}, schema.Errorf(schema.CodeAlreadyExists, "%q is the token of %s; choose another name", name, s.AdminPath())
	case len(scopes) == 0:
		return "", Info{}, schema.Errorf(schema.CodeInvalidArgument, "a token needs at least one scope of %s", ScopeNames(schema.Scopes()))
	}
	for _, sc := range scopes {
		if !slices.Contains(schema.Scopes(), sc) {
			return "", Info{}, schema.Errorf(schema.CodeInvalidArgument, "there is no scope %q; the scopes are %s", sc, ScopeNames(schema.Scopes()))
		}
	}
	t := newToken()
	e := entry{Info{name, principal, scopes, time.Now().UTC().Truncate(time.Millisecond)}, hash(t)}
	err := s.change(func(all []entry) ([]entry, error) {
		if slices.ContainsFunc(all, func(o entry) bool { return o.Name == name }) {
			return nil, schema.Errorf(schema.CodeAlreadyExists, "there is a token %q already; revoke it first or choose another name", name)
		}
		return append(all, e), nil
	})
	if err != nil {
		return "", Info{}, err
	}
	return t, e.Info, nil
}

// Revoke makes the token of that name stop working. CodeNotFound if there is none.
func (s *Store) Revoke(name string) error {
	return s.change(func(all []entry) ([]entry, error) {
		left := slices.DeleteFunc(slices.Clone(all), func(o entry) bool { return o.Name == name })
		if len(left) == len(all) {
			return nil, schema.Errorf(schema.CodeNotFound, "there is no token %q", name)
		}
		return left, nil
	})
}

// List returns what is known of every token but the admin's, by name.
func (s *Store) List() ([]Info, error) {
	all, err := s.readTable()
	if err != nil {
		return nil, err
	}
	infos := make([]Info, len(all))
	for i, e := range all {
		infos[i] = e.Info
	}
	slices.SortFunc(infos, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return infos, nil
}

// Authenticate returns the caller behind a token. It compares the digest of the token with that of every known one, in
// constant time, whether or not one has matched.
func (s *Store) Authenticate(_ context.Context, token string) (schema.Caller, error) {
	known, err := s.current()
	if err != nil {
		return schema.Caller{}, schema.Errorf(schema.CodeUnavailable, "the host cannot read its tokens: %w", err)
	}
	presented := []byte(hash(token))
	var caller schema.Caller
	found := 0
	for _, e := range known {
		same := subtle.ConstantTimeCompare(presented, []byte(e.Hash))
		found |= same
		if same == 1 {
			caller = schema.Caller{Principal: e.Principal, Scopes: slices.Clone(e.Scopes)}
		}
	}
	if found == 0 {
		return schema.Caller{}, schema.Errorf(schema.CodeUnauthenticated, "the token is not known; it may have been revoked")
	}
	return caller, nil
}

func newToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return prefix + base64.RawURLEncoding.EncodeToString(b)
}

func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
