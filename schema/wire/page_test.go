package wire_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// listing returns a fake whose every list is full of the largest things that are legal.
func listing(agents, messages int) *fake {
	f := all(func(context.Context) error { return nil })
	object := schema.Object{"x": strings.Repeat("o", schema.MaxObjectBytes-8)}
	text := strings.Repeat("t", schema.MaxMessageBytes)
	part := func(cursor string, limit, total int) (from, to int, next string) {
		from, _ = strconv.Atoi(cursor)
		if to = from + schema.PageSize(limit); to < total {
			return from, to, strconv.Itoa(to)
		}
		return from, total, ""
	}
	f.list = func(q schema.AgentQuery) (p schema.AgentPage) {
		from, to, next := part(q.Cursor, q.Limit, agents)
		for i := from; i < to; i++ {
			p.Agents = append(p.Agents, schema.Agent{
				ID: fmt.Sprint(i), Persona: text[:schema.MaxPersonaBytes], Metadata: object,
				Brain: schema.Brain{Provider: "x", Options: object},
			})
		}
		p.NextCursor = next
		return p
	}
	f.conversation = func(q schema.ConversationQuery) (c schema.Conversation) {
		from, to, next := part(q.Cursor, q.Limit, messages)
		for i := from; i < to; i++ {
			c.Messages = append(c.Messages, schema.Message{ID: fmt.Sprint(i), Content: text})
		}
		c.NextCursor = next
		return c
	}
	f.search = func(q schema.MemoryQuery) (hits []schema.MemoryHit) {
		for i := range q.Limit {
			hits = append(hits, schema.MemoryHit{Score: float64(q.Limit - i), Memory: schema.MemoryItem{Content: text, Metadata: object}})
		}
		return hits
	}
	return f
}

// TestPagesFitIntoMessages walks through lists whose pages are larger than a message: nothing is missing or comes twice.
func TestPagesFitIntoMessages(t *testing.T) {
	const agents, messages = 130, 210
	s, ctx := dial(t, listing(agents, messages).services()), as(t, "p")
	for _, limit := range []int{0, schema.MaxPageSize} {
		var ids []string
		for cursor := "0"; cursor != ""; {
			p, err := s.Agents.List(ctx, schema.AgentQuery{Limit: limit, Cursor: cursor})
			if err != nil || len(p.Agents) == 0 || len(p.Agents) > schema.PageSize(limit) {
				t.Fatalf("limit %d: %d agents, %v", limit, len(p.Agents), err)
			}
			for _, a := range p.Agents {
				ids = append(ids, a.ID)
			}
			cursor = p.NextCursor
		}
		wantCounted(t, ids, agents)
	}
	var ids []string
	for cursor := "0"; cursor != ""; {
		c, err := s.Chat.Conversation(ctx, schema.ConversationQuery{Limit: schema.MaxPageSize, Cursor: cursor})
		if err != nil || len(c.Messages) == 0 {
			t.Fatalf("%d messages, %v", len(c.Messages), err)
		}
		for _, m := range c.Messages {
			ids = append(ids, m.ID)
		}
		cursor = c.NextCursor
	}
	wantCounted(t, ids, messages)
}

func wantCounted(t *testing.T, ids []string, n int) {
	t.Helper()
	want := make([]string, n)
	for i := range want {
		want[i] = strconv.Itoa(i)
	}
	if !slices.Equal(ids, want) {
		t.Errorf("got %d ids, want 0 to %d: %v", len(ids), n-1, ids)
	}
}

func TestBestHitsFitIntoAMessage(t *testing.T) {
	s := dial(t, listing(0, 0).services())
	hits, err := s.Memory.Search(as(t, "p"), schema.MemoryQuery{Text: "t", Limit: schema.MaxPageSize})
	if err != nil || len(hits) < 60 || len(hits) == schema.MaxPageSize {
		t.Fatalf("%d hits, %v", len(hits), err)
	}
	for i, h := range hits {
		if h.Score != float64(schema.MaxPageSize-i) {
			t.Fatalf("hit %d has score %v", i, h.Score)
		}
	}
	if few, err := s.Memory.Search(as(t, "p"), schema.MemoryQuery{Text: "t", Limit: 60}); err != nil || len(few) != 60 {
		t.Errorf("%d hits of 60, %v", len(few), err)
	}
}

// TestServiceThatIgnoresTheLimit must not be asked for ever.
func TestServiceThatIgnoresTheLimit(t *testing.T) {
	f := listing(300, 0)
	list := f.list
	f.list = func(schema.AgentQuery) schema.AgentPage { return list(schema.AgentQuery{Limit: schema.MaxPageSize}) }
	_, err := dial(t, f.services()).Agents.List(as(t, "p"), schema.AgentQuery{Limit: schema.MaxPageSize})
	wantCode(t, err, schema.CodeInternal)
}

// TestTransportStaysSilent: texts of gRPC about a request do not look like texts about what is asked for.
func TestTransportStaysSilent(t *testing.T) {
	for code := codes.OK + 1; code <= codes.Unauthenticated; code++ {
		broken := wire.Dial(failingConn{err: status.Error(code, "grpc: insides")}, schema.ServiceNames())
		_, err := broken.Agents.Get(as(t, "p"), "x")
		e := schema.AsError(err)
		switch e.Code {
		case schema.CodeInternal, schema.CodeUnavailable, schema.CodeDeadlineExceeded: // for the log
		default:
			if strings.Contains(e.Message, "insides") || e.Message == "" {
				t.Errorf("%v says %q", code, e.Message)
			}
		}
		if e.Cause == nil {
			t.Errorf("%v loses its cause", code)
		}
	}
}

// failingConn is a connection whose calls fail.
type failingConn struct {
	grpc.ClientConnInterface
	err error
}

func (c failingConn) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	return c.err
}
