package anthropictest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Key is the key that the server accepts.
const Key = "sk-ant-stand-in-0123456789"

const maxRequestBytes = 32 << 20

// Server is the stand-in. Its methods are safe for concurrent use.
type Server struct {
	URL string
	// Pace is how long it waits before each piece of text. It is set before the first request.
	Pace time.Duration

	http *httptest.Server
	// How many requests there were, are answered now, were answered at a time at most, and were left by their client.
	asked, busy, most, gone atomic.Int64

	mu       sync.Mutex
	script   []Reply
	paused   []string // answers that are to be given back, so that they go on
	requests []Request
}

// New returns a server that runs until the test ends.
func New(t testing.TB) *Server {
	s := &Server{}
	s.http = httptest.NewServer(s)
	s.URL = s.http.URL
	t.Cleanup(func() {
		s.http.CloseClientConnections()
		s.http.Close()
	})
	return s
}

// Script has the next requests answered by these replies, in order, and those after them by the model that counts: asked for a
// number N it says "w1 w2 … wN", and goes on where it was cut off. A request that breaks the rules of the API is refused and takes
// no reply.
func (s *Server) Script(replies ...Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, replies...)
}

// Requests returns the requests that were in order, as far as JSON goes, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
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
	id := fmt.Sprintf("req_%d", s.asked.Add(1))
	w.Header().Set("Request-Id", id)
	asked, no := s.read(w, r)
	if no == nil {
		no = s.check(asked)
	}
	if no != nil {
		refuse(w, id, Refuse(no.status, no.kind, no.message))
		return
	}
	reply := s.next(asked)
	if reply.Hold != nil {
		select {
		case <-reply.Hold:
		case <-r.Context().Done():
			return
		}
	}
	if reply.Status != 0 {
		refuse(w, id, reply)
		return
	}
	s.stream(w, r, asked, reply)
}

// read reads a request and looks at what is not in its body.
func (s *Server) read(w http.ResponseWriter, r *http.Request) (Request, *refusal) {
	switch key := r.Header.Get("X-Api-Key"); {
	case r.URL.Path != "/v1/messages" || r.Method != http.MethodPost:
		return Request{}, &refusal{http.StatusNotFound, "not_found_error", "Not Found"}
	case key == "":
		return Request{}, &refusal{http.StatusUnauthorized, "authentication_error", "x-api-key header is required"}
	case key != Key:
		return Request{}, &refusal{http.StatusUnauthorized, "authentication_error", "invalid x-api-key"}
	case r.Header.Get("Anthropic-Version") == "":
		return Request{}, invalid("anthropic-version: header is required")
	case r.Header.Get("Anthropic-Version") != "2023-06-01":
		return Request{}, invalid("anthropic-version: %q is not a valid version", r.Header.Get("Anthropic-Version"))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		return Request{}, &refusal{http.StatusRequestEntityTooLarge, "request_too_large", "Request exceeds the maximum size"}
	}
	asked, err := readRequest(body)
	if err != nil {
		return Request{}, invalid("the body cannot be read: %v", err)
	}
	asked.Header = r.Header.Clone()
	s.mu.Lock()
	s.requests = append(s.requests, asked)
	s.mu.Unlock()
	return asked, nil
}

func (s *Server) next(r Request) Reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.script) == 0 {
		return count(r)
	}
	reply := s.script[0]
	s.script = s.script[1:]
	if reply.Stop == "pause_turn" {
		s.paused = append(s.paused, Blocks(reply.Content).Text())
	}
	return reply
}

func (s *Server) hasPaused(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.paused, text)
}

func refuse(w http.ResponseWriter, id string, r Reply) {
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
	_ = json.NewEncoder(w).Encode(map[string]any{ // a client that has left does not read it
		"type": "error", "error": map[string]string{"type": r.Type, "message": r.Message}, "request_id": id,
	})
}

// sign returns the signature of a thought.
func (s *Server) sign(thought string) string {
	m := hmac.New(sha256.New, []byte(s.URL))
	m.Write([]byte(thought))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// redact returns what stands for a thought that nobody may read.
func (s *Server) redact() string { return s.sign("redacted") }
