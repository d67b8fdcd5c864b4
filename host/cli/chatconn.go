package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/stagehouse/stagehouse/schema"
)

const (
	dialTimeout   = 10 * time.Second
	answerTimeout = 30 * time.Second // for an answer to a command; a turn may take longer
	maxFrame      = 16 << 20
)

// chatFrame is what this client reads of a server frame.
type chatFrame struct {
	Type           string          `json:"type"`
	ID             json.RawMessage `json:"id"`
	AgentID        string          `json:"agentId"`
	ConversationID string          `json:"conversationId"`
	RunID          string          `json:"runId"`
	Thought        string          `json:"thought"`
	Emotion        string          `json:"emotion"`
	Intensity      float64         `json:"intensity"`
	Action         string          `json:"action"`
	Reason         string          `json:"reason"`
	Error          errorText       `json:"error"`
	Reply          schema.Message  `json:"reply"`
	Code           string          `json:"code"`
	Detail         string          `json:"detail"`
	RetryAfterMs   int64           `json:"retryAfterMs"`
}

// errorText is a text; other forms are ignored, so that a frame never fails to be read for it.
type errorText string

func (t *errorText) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = errorText(s)
	}
	return nil
}

// refusal is an error frame: the server is well and says no.
type refusal struct {
	code, detail string
	retryAfter   time.Duration // 0 = trying again is of no use
}

func (r *refusal) Error() string { return r.detail + " (" + r.code + ")" }

// chatConn is an authenticated WebSocket. One goroutine reads it, from dialChat to close.
type chatConn struct {
	ws     *websocket.Conn
	frames chan chatFrame // closed when the socket is
	cancel context.CancelFunc
	done   sync.WaitGroup
	broken error // set before frames is closed
	last   int
}

func dialChat(ctx context.Context, base, token string) (*chatConn, error) {
	ctx, cancelDial := context.WithTimeout(ctx, dialTimeout)
	defer cancelDial()
	ws, resp, err := websocket.Dial(ctx, strings.TrimSuffix(base, "/")+"/ws", &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
	})
	if err != nil {
		if resp != nil && resp.StatusCode == http.StatusUnauthorized {
			return nil, fmt.Errorf("%s refused the token; is it the token of that host, and not revoked?", base)
		}
		return nil, fmt.Errorf("cannot reach a host at %s: %w; start one with %q, or give --url", base, err, self()+" run")
	}
	ws.SetReadLimit(maxFrame)
	reading, cancel := context.WithCancel(context.Background())
	c := &chatConn{ws: ws, frames: make(chan chatFrame), cancel: cancel}
	c.done.Add(1)
	go c.read(reading)
	return c, nil
}

func (c *chatConn) read(ctx context.Context) {
	defer c.done.Done()
	defer close(c.frames)
	for {
		_, b, err := c.ws.Read(ctx)
		if err != nil {
			c.broken = err
			return
		}
		var f chatFrame
		if err := json.Unmarshal(b, &f); err != nil {
			c.broken = fmt.Errorf("the server sent a frame that is not JSON: %w", err)
			return
		}
		select {
		case c.frames <- f:
		case <-ctx.Done():
			c.broken = ctx.Err()
			return
		}
	}
}

func (c *chatConn) close() {
	c.cancel()
	_ = c.ws.CloseNow() // the server sees us go either way
	c.done.Wait()
}

// err says why there are no more frames.
func (c *chatConn) err() error {
	var closed websocket.CloseError
	if errors.As(c.broken, &closed) {
		return fmt.Errorf("the server closed the connection (%d %s)", closed.Code, closed.Reason)
	}
	return fmt.Errorf("the connection broke: %w", c.broken)
}

func (c *chatConn) next(ctx context.Context) (chatFrame, error) {
	select {
	case f, ok := <-c.frames:
		if !ok {
			return f, c.err()
		}
		return f, nil
	case <-ctx.Done():
		return chatFrame{}, ctx.Err()
	}
}

// command sends a command and waits for its answer.
func (c *chatConn) command(ctx context.Context, m map[string]any) (chatFrame, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	c.last++
	id := fmt.Sprintf("%q", fmt.Sprint(c.last))
	m["id"] = fmt.Sprint(c.last)
	b, err := json.Marshal(m)
	if err != nil {
		return chatFrame{}, err
	}
	if err := c.ws.Write(ctx, websocket.MessageText, b); err != nil {
		return chatFrame{}, fmt.Errorf("send %s: %w", m["type"], err)
	}
	for {
		f, err := c.next(ctx)
		switch {
		case err != nil:
			return f, err
		case string(f.ID) != id:
			continue
		case f.Type == "error":
			return f, &refusal{f.Code, f.Detail, time.Duration(f.RetryAfterMs) * time.Millisecond}
		}
		return f, nil
	}
}

// subscribe asks for the inner life of one agent, or of all.
func (c *chatConn) subscribe(ctx context.Context, agent string) error {
	m := map[string]any{"type": "subscribe", "events": []string{"thought", "emotion", "action"}}
	if agent != "" {
		m["agents"] = []string{agent}
	}
	_, err := c.command(ctx, m)
	return err
}

// say begins a turn. Where the server says when to try again, it waits and does.
func (c *chatConn) say(ctx context.Context, agent, conversation, text string) (chatFrame, error) {
	m := map[string]any{"type": "chat:message", "agentId": agent, "message": text}
	if agent == "" {
		m["type"] = "chat:route"
		delete(m, "agentId")
	}
	if conversation != "" {
		m["conversationId"] = conversation
	}
	for {
		f, err := c.command(ctx, m)
		var refused *refusal
		if !errors.As(err, &refused) || refused.retryAfter == 0 {
			return f, err
		}
		select {
		case <-time.After(refused.retryAfter):
		case <-ctx.Done():
			return f, ctx.Err()
		}
	}
}
