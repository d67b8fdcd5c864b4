package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// frame is what the clients look at in a frame.
type frame struct {
	Type           string  `json:"type"`
	ID             any     `json:"id"`
	Seq            uint64  `json:"seq"`
	PrevSeq        *uint64 `json:"prevSeq"`
	Head           string  `json:"head"`
	Recovered      *bool   `json:"recovered"`
	RunID          string  `json:"runId"`
	ConversationID string  `json:"conversationId"`
	Detail         string  `json:"detail"`
}

// socket is a WebSocket client that resumes.
type socket struct {
	load *load
	conn *websocket.Conn
	at   string // the place of the last event that it has
	seq  uint64
}

// open connects and authenticates.
func (s *socket) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+s.load.host.address+"/ws", nil)
	if err != nil {
		return err
	}
	c.SetReadLimit(16 << 20)
	s.conn = c
	if err := s.send(ctx, map[string]any{"type": "auth", "token": s.load.host.token}); err != nil {
		return err
	}
	_, err = s.until(ctx, "auth:ok")
	return err
}

func (s *socket) send(ctx context.Context, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.conn.Write(ctx, websocket.MessageText, b)
}

func (s *socket) next(ctx context.Context) (frame, error) {
	var f frame
	_, b, err := s.conn.Read(ctx)
	if err == nil {
		err = json.Unmarshal(b, &f)
	}
	if err == nil && f.Type == "error" {
		err = fmt.Errorf("an error: %s", f.Detail)
	}
	return f, err
}

func (s *socket) until(ctx context.Context, kind string) (frame, error) {
	for {
		if f, err := s.next(ctx); err != nil || f.Type == kind {
			return f, err
		}
	}
}

// follow subscribes to the changes of an agent, from where it was, and checks that nothing is lost and nothing comes twice,
// until the socket is closed.
func (s *socket) follow(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	defer func() { _ = s.conn.CloseNow() }()
	subscribe := map[string]any{"type": "subscribe", "agents": []string{"nyx"}}
	if s.at != "" {
		subscribe["since"] = s.at
	}
	if err := s.send(ctx, subscribe); err != nil {
		return err
	}
	f, err := s.until(ctx, "subscribed")
	if err != nil {
		return err
	}
	if s.at == "" {
		s.at = f.Head
		_, seq, _ := strings.Cut(f.Head, "-")
		if _, err := fmt.Sscan(seq, &s.seq); err != nil {
			return err
		}
	} else if !*f.Recovered {
		s.load.lostEvents.Add(1)
	}
	for {
		f, err := s.next(ctx)
		switch {
		case err != nil:
			return err
		case f.PrevSeq == nil:
			continue
		case f.Seq <= s.seq:
			s.load.doubledEvents.Add(1)
		case *f.PrevSeq != s.seq:
			s.load.lostEvents.Add(1)
		}
		s.at, s.seq = fmt.Sprint(f.ID), f.Seq
		s.load.events.Add(1)
	}
}

// talk has turns until the socket is closed: an acknowledged message is noted, and its reply awaited.
func (s *socket) talk(ctx context.Context, conversation string) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	defer func() { _ = s.conn.CloseNow() }()
	for ctx.Err() == nil && !s.load.ending() {
		text := fmt.Sprintf("swap message number %d", s.load.number.Add(1))
		err := s.send(ctx, map[string]any{"type": "chat:message", "agentId": "aria", "conversationId": conversation, "message": text})
		if err != nil {
			return err
		}
		ack, err := s.until(ctx, "ack")
		if err != nil {
			return err
		}
		s.load.keep(func(l *load) { l.messages[text] = ack.ConversationID })
		for {
			f, err := s.next(ctx)
			if err != nil {
				return err
			}
			if f.RunID == ack.RunID && (f.Type == "chat:reply" || f.Type == "chat:failed") {
				break
			}
		}
		s.load.turns.Add(1)
		time.Sleep(10 * time.Millisecond) // a person takes longer
	}
	return nil
}
