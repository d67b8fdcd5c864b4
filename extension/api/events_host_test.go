package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/schema"
)

// eventHost is a logHost behind the guard of a real host, with the tokens of a tokenHost.
type eventHost struct {
	*logHost
	tokens *tokenHost
}

func newEventHost() *eventHost {
	h := &eventHost{newLogHost(16), newTokenHost()}
	h.authenticate = h.tokens.authenticate
	return h
}

func (h *eventHost) services() schema.Services { return guard.New(h.logHost.services()) }

// publish appends events.
func (h *eventHost) publish(events ...schema.Event) {
	for _, e := range events {
		h.emit(e)
	}
}

// thought is an event that everybody sees.
func thought(text string) schema.Event {
	return schema.Event{Type: schema.EventThought, AgentID: "nyx", Payload: schema.NewPayload(schema.Thought{Thought: text})}
}

// block is one block of a stream as a client reads it.
type block struct {
	event, id, data, retry, comment string
}

// json decodes the data, which is what a socket is sent, but for the ack of a turn.
func (b block) json(t testing.TB) frame {
	t.Helper()
	if b.event != "ack" {
		checkFrame(t, []byte(b.data))
	}
	var f frame
	if err := json.Unmarshal([]byte(b.data), &f); err != nil {
		t.Fatalf("data of %+v: %v", b, err)
	}
	return f
}

// stream is a stream of events as a client has it.
type stream struct {
	t      testing.TB
	resp   *http.Response
	in     *bufio.Reader
	cancel context.CancelFunc
}

// follow opens a stream; headers are pairs.
func (w *world) follow(path string, headers ...string) *stream {
	w.t.Helper()
	s, err := w.tryFollow(path, headers...)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) tryFollow(path string, headers ...string) (*stream, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.address+path, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	req.Header.Set("Accept", "text/event-stream")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.client.Transport.RoundTrip(req)
	if err != nil {
		cancel()
		return nil, err
	}
	w.t.Cleanup(func() { cancel(); resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(resp.Body)
		return nil, fmt.Errorf("GET %s = %d %s", path, resp.StatusCode, b)
	}
	return &stream{w.t, resp, bufio.NewReader(resp.Body), cancel}, nil
}

// next reads one block.
func (s *stream) next() (block, error) {
	var b block
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			if line != "" {
				err = fmt.Errorf("half a line %q: %w", line, err)
			}
			return b, err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ": ")
		into := map[string]*string{"event": &b.event, "id": &b.id, "data": &b.data, "retry": &b.retry, "": &b.comment}[name]
		switch {
		case line == "":
			return b, nil
		case into == nil || *into != "":
			return b, fmt.Errorf("line %q in %+v", line, b)
		}
		*into = value
	}
}

// read returns the next block that is not a comment.
func (s *stream) read() block {
	s.t.Helper()
	for {
		b, err := s.next()
		if err != nil {
			s.t.Fatalf("read a block: %v", err)
		}
		if b.comment == "" {
			return b
		}
	}
}

// want reads the next event, which must be of that type.
func (s *stream) want(kind string) frame {
	s.t.Helper()
	b := s.read()
	f := b.json(s.t)
	if f.kind() != kind || b.event != "" || b.id != f.text("id") {
		s.t.Fatalf("got block %+v, want a %s", b, kind)
	}
	return f
}

// opened reads the block that every stream begins with.
func (s *stream) opened() block {
	s.t.Helper()
	b := s.read()
	if b.event != "subscribed" || b.id == "" || b.retry == "" || b.json(s.t).kind() != "subscribed" {
		s.t.Fatalf("the stream begins with %+v", b)
	}
	return b
}

// wantEnd reads to the end of the stream, which must be whole, and returns the last comment.
func (s *stream) wantEnd() string {
	s.t.Helper()
	for last := (block{}); ; {
		b, err := s.next()
		switch {
		case err == nil:
			last = b
		case errors.Is(err, io.EOF) && last.comment != "":
			return last.comment
		default:
			s.t.Fatalf("the stream ended with %v, behind %+v", err, last)
		}
	}
}
