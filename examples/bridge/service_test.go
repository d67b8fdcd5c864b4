package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

const token = "123456:stand-in"

// service is a chat service: a real HTTP server with as much of the Bot API as the bridge uses. It forgets an update when a later
// one is asked for, and not before.
type service struct {
	*httptest.Server

	mu      sync.Mutex
	next    int64
	updates []update
	grown   chan struct{} // closed and replaced when something has changed
	told    []told
	refuse  []refusal // answers to the next calls of sendMessage
	pollers int
}

// told is a message of the bot.
type told struct {
	Chat int64  `json:"chat_id"`
	Text string `json:"text"`
}

type refusal struct {
	code  int
	after int
}

func startService(t *testing.T) *service {
	s := &service{next: 1000, grown: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /bot"+token+"/getUpdates", s.getUpdates)
	mux.HandleFunc("POST /bot"+token+"/sendMessage", s.sendMessage)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { respond(w, 404, nil, 0) })
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func respond(w http.ResponseWriter, code int, result any, after int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	answer := map[string]any{"ok": code == 200, "result": result}
	if code != 200 {
		answer = map[string]any{"ok": false, "error_code": code, "description": http.StatusText(code), "parameters": map[string]any{"retry_after": after}}
	}
	_ = json.NewEncoder(w).Encode(answer) // who does not read it is gone
}

func (s *service) getUpdates(w http.ResponseWriter, r *http.Request) {
	var q struct{ Offset, Limit, Timeout int64 }
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		respond(w, 400, nil, 0)
		return
	}
	s.mu.Lock()
	s.pollers++
	several := s.pollers > 1
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.pollers--
		s.mu.Unlock()
	}()
	if several {
		respond(w, 409, nil, 0) // as Telegram does
		return
	}
	deadline := time.After(time.Duration(q.Timeout) * time.Second)
	for {
		s.mu.Lock()
		s.updates = slices.DeleteFunc(s.updates, func(u update) bool { return u.ID < q.Offset })
		all, grown := s.updates[:min(int64(len(s.updates)), q.Limit)], s.grown
		s.mu.Unlock()
		if len(all) > 0 {
			respond(w, 200, all, 0)
			return
		}
		select {
		case <-grown:
		case <-deadline:
			respond(w, 200, []update{}, 0)
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (s *service) sendMessage(w http.ResponseWriter, r *http.Request) {
	var m told
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil || m.Text == "" || len(m.Text) > 4*4096 {
		respond(w, 400, nil, 0)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refuse) > 0 {
		first := s.refuse[0]
		s.refuse = s.refuse[1:]
		respond(w, first.code, nil, first.after)
		return
	}
	s.told = append(s.told, m)
	s.changed()
	respond(w, 200, map[string]any{"message_id": len(s.told)}, 0)
}

// changed wakes who waits. The lock is held.
func (s *service) changed() {
	close(s.grown)
	s.grown = make(chan struct{})
}

// write has somebody write to the bot.
func (s *service) write(chat int64, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	m := &message{Date: time.Now().Unix(), Text: text}
	m.Chat.ID = chat
	s.updates = append(s.updates, update{ID: s.next, Message: m})
	s.changed()
}

// read returns what the bot has said in a chat.
func (s *service) read(chat int64) (texts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.told {
		if m.Chat == chat {
			texts = append(texts, m.Text)
		}
	}
	return texts
}

// await waits until the chats are as they should be.
func (s *service) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		grown := s.grown
		s.mu.Unlock()
		if ok() {
			return
		}
		select {
		case <-grown:
		case <-deadline:
			s.mu.Lock()
			defer s.mu.Unlock()
			t.Fatalf("waited %v for %s; the bot has said %.2000s", patience, what, fmt.Sprint(s.told))
		}
	}
}

// block is a configuration for it, with more keys.
func (s *service) block(more string) string {
	return `{"url":"` + s.URL + `","token":"` + token + `","agent":"nyx","pollSeconds":5,"retryMinMs":10` + more + `}`
}
