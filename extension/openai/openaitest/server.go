package openaitest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Key is the key that the server accepts.
const Key = "sk-stand-in-0123456789"

const maxRequestBytes = 32 << 20

// Server is the stand-in. Its methods are safe for concurrent use.
type Server struct {
	URL string // with /v1
	// Habits, and Pace, how long it waits before each piece of an answer, are set before the first request.
	Habits Habits
	Pace   time.Duration

	http *httptest.Server
	// How many requests there were, are answered now, were answered at a time at most, and were left by their client.
	asked, busy, most, gone atomic.Int64

	mu       sync.Mutex
	keys     []string
	script   []Reply
	requests []Request
	embedded []EmbeddingRequest
}

// New returns a server that runs until the test ends.
func New(t testing.TB) *Server {
	s := &Server{keys: []string{Key}}
	s.http = httptest.NewServer(s)
	s.URL = s.http.URL + "/v1"
	t.Cleanup(func() {
		s.http.CloseClientConnections()
		s.http.Close()
	})
	return s
}

// Script has the next requests answered by these replies, in order, and those after them by the model that counts: asked for a
// number N it says "w1 w2 … wN", and goes on where it was cut off. Vectors are made of the words of a text, the same for the same
// ones; a scripted error is taken by a request for them, too. A request that breaks the rules of the API is refused and takes no reply.
func (s *Server) Script(replies ...Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, replies...)
}

// Accept has the server accept these keys, and no others.
func (s *Server) Accept(keys ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = keys
}

// Requests returns the requests for answers that were in order, as far as JSON goes, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Embedded returns the requests for vectors that were in order, oldest first.
func (s *Server) Embedded() []EmbeddingRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.embedded)
}

// Gone returns how many clients have gone away before their answer was over.
func (s *Server) Gone() int { return int(s.gone.Load()) }

// Most returns how many requests were answered at a time, at most.
func (s *Server) Most() int { return int(s.most.Load()) }

// CloseConnections breaks all connections.
func (s *Server) CloseConnections() { s.http.CloseClientConnections() }

// ServeHTTP answers as the API does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := s.busy.Add(1)
	defer s.busy.Add(-1)
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
	}
	defer func() {
		if r.Context().Err() != nil {
			s.gone.Add(1)
		}
	}()
	w.Header().Set("X-Request-Id", fmt.Sprintf("req_%d", s.asked.Add(1)))
	if no := s.answer(w, r); no != nil {
		s.refuse(w, *no)
	}
}

// answer answers a request, or returns the error for it.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) *Reply {
	if no := s.admit(r); no != nil {
		return no
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		return refusal(http.StatusRequestEntityTooLarge, "", "request_too_large", "Request too large")
	}
	if r.URL.Path == "/v1/embeddings" {
		return s.embed(w, r, body)
	}
	asked, keys, err := read[Request](body, s.Habits.AnyKey)
	if err != nil {
		return unread(err)
	}
	asked.Header, asked.Keys = r.Header.Clone(), keys
	s.mu.Lock()
	s.requests = append(s.requests, asked)
	s.mu.Unlock()
	if no := s.check(asked); no != nil {
		return no
	}
	reply := s.next(func() Reply { return count(asked) })
	if !awaited(r.Context(), reply.Hold) {
		return nil
	}
	if reply.Status != 0 {
		return &reply
	}
	s.stream(w, r, asked, reply)
	return nil
}

// admit looks at what is not in the body.
func (s *Server) admit(r *http.Request) *Reply {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	known := slices.Contains(s.keys, token)
	s.mu.Unlock()
	switch {
	case r.URL.Path != "/v1/chat/completions" && r.URL.Path != "/v1/embeddings":
		return refusal(http.StatusNotFound, "invalid_request_error", "unknown_url", "Unknown request URL: %s %s. Please check the URL for typos.", r.Method, r.URL.Path)
	case r.Method != http.MethodPost:
		return refusal(http.StatusMethodNotAllowed, "invalid_request_error", "method_not_supported", "Not allowed to %s on %s", r.Method, r.URL.Path)
	case s.Habits.Open:
		return nil
	case !bearer || token == "":
		return refusal(http.StatusUnauthorized, "invalid_request_error", "", "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth.")
	case !known:
		return refusal(http.StatusUnauthorized, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: %s. You can find your API key at https://platform.openai.com/account/api-keys.", masked(token))
	}
	return nil
}

// masked returns a key as the API shows it.
func masked(key string) string {
	if len(key) < 12 {
		return key
	}
	return key[:7] + strings.Repeat("*", len(key)-11) + key[len(key)-4:]
}

// next takes the next reply of the script, or makes one.
func (s *Server) next(other func() Reply) Reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.script) == 0 {
		return other()
	}
	reply := s.script[0]
	s.script = s.script[1:]
	return reply
}

// awaited waits until what keeps an answer back is closed, if anything does, and reports whether somebody still waits for it.
func awaited(ctx context.Context, gate <-chan struct{}) bool {
	if gate == nil {
		return true
	}
	select {
	case <-gate:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Server) refuse(w http.ResponseWriter, r Reply) {
	for name, values := range r.Header {
		w.Header()[name] = values
	}
	if r.ErrorText != "" {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(r.Status)
		_, _ = io.WriteString(w, r.ErrorText) // a client that has left does not read it
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.Status)
	inner := r.errorObject()
	if s.Habits.BareErrors {
		inner["object"] = "error"
		_ = json.NewEncoder(w).Encode(inner) // as above
		return
	}
	_ = json.NewEncoder(w).Encode(object{"error": inner}) // as above
}

func (r Reply) errorObject() object {
	inner := object{"message": r.Message, "type": r.Type, "param": nil, "code": nil}
	if r.Code != "" {
		inner["code"] = r.Code
	}
	return inner
}
