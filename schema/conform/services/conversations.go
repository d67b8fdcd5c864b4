package services

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
)

func conversationChecks() []check {
	return []check{
		{"conversation-goes-on", "a message without an agent goes to the one of the conversation", "schema.SendRequest", conversationGoesOn},
		{"conversation-id-is-the-callers", "an id of the caller's choice begins a conversation, and goes on with it", "schema.SendRequest", conversationChosen},
		{"conversation-ids-are-per-principal", "the same id is another conversation for another principal", "schema.SendRequest", conversationNameSpace},
		{"conversation-given-id-unknown", "an unknown id of the kind that the runtime gives is CodeNotFound", "schema.SendRequest", conversationGivenUnknown},
		{"conversation-unknown", "a conversation that is not there is CodeNotFound", "schema.Chat.Conversation", conversationUnknown},
		{"conversation-foreign", "a conversation of somebody else is CodeNotFound, except for ScopeAdmin", "schema.Chat.Conversation", conversationForeign},
		{"conversation-changes-agent", "a message that names another agent goes to that one", "schema.SendRequest", conversationChangesAgent},
		{"conversation-pages", "pages of messages have no gap and no repetition, while somebody writes", "schema.ConversationQuery", conversationPages},
		{"conversations-none", "who has no conversation gets an empty page", "schema.Chat.Conversations", conversationsNone},
		{"conversations-pages", "conversations come last changed first, whatever the size of the page", "schema.Chat.Conversations", conversationsPages},
		{"conversations-of-agent", "the filter by agent keeps its conversations", "schema.ConversationsQuery", conversationsOfAgent},
		{"conversations-of-everybody", "ScopeAdmin sees the conversations of all, others their own", "schema.Chat.Conversations", conversationsOfEverybody},
	}
}

func conversationGivenUnknown(s *suite) {
	ctx, id := s.user(), unique("conv_x")
	s.refused(ctx, schema.SendRequest{AgentID: nyx, ConversationID: id, Message: "hello"}, schema.CodeNotFound)
	_, err := s.Chat.Conversation(ctx, schema.ConversationQuery{ID: id})
	s.wantCode(err, schema.CodeNotFound)
}

func conversationUnknown(s *suite) {
	_, err := s.Chat.Conversation(s.user(), schema.ConversationQuery{ID: "never-used"})
	s.wantCode(err, schema.CodeNotFound)
}

func conversationsNone(s *suite) {
	page := must1[schema.ConversationPage](s)(s.Chat.Conversations(s.user(), schema.ConversationsQuery{}))
	if len(page.Conversations) != 0 || page.NextCursor != "" {
		s.Errorf("a new principal has %+v", page)
	}
}

func conversationGoesOn(s *suite) {
	ctx := s.user()
	first := s.say(ctx, schema.SendRequest{AgentID: aria, Message: "hello"})
	id := first.accepted.ConversationID
	second := s.say(ctx, schema.SendRequest{ConversationID: id, Message: "still there?"})
	if a := second.accepted; a.ConversationID != id || a.AgentID != aria || a.Route != nil {
		s.Errorf("without an agent the conversation went on as %+v", a)
	}
	c := must1[schema.Conversation](s)(s.Chat.Conversation(ctx, schema.ConversationQuery{ID: id}))
	var roles []schema.Role
	for _, m := range c.Messages {
		roles = append(roles, m.Role)
	}
	want := []schema.Role{schema.RoleUser, schema.RoleAgent, schema.RoleUser, schema.RoleAgent}
	if !slices.Equal(roles, want) || c.MessageCount != 4 || c.AgentID != aria || c.Title == "" {
		s.Errorf("the conversation is %+v", c)
	}
	if c.UpdatedAt.Before(c.CreatedAt) || !c.UpdatedAt.Equal(c.Messages[3].CreatedAt) {
		s.Errorf("it was last updated %v, its last message is of %v", c.UpdatedAt, c.Messages[3].CreatedAt)
	}
}

// conversationChosen is the reference page's "optional-id".
func conversationChosen(s *suite) {
	ctx := s.user()
	for n := range 2 {
		t := s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: "optional-id", Message: "Hello!"})
		c := must1[schema.Conversation](s)(s.Chat.Conversation(ctx, schema.ConversationQuery{ID: "optional-id"}))
		if t.accepted.ConversationID != "optional-id" || c.ID != "optional-id" || c.MessageCount != int64(2*(n+1)) {
			s.Errorf("turn %d: accepted in %q, the conversation is %+v", n, t.accepted.ConversationID, c)
		}
	}
}

func conversationNameSpace(s *suite) {
	alice, bob, id := s.user(), s.user(), unique("shared-name")
	s.say(alice, schema.SendRequest{AgentID: nyx, ConversationID: id, Message: "I am alice"})
	_, err := s.Chat.Conversation(bob, schema.ConversationQuery{ID: id})
	s.wantCode(err, schema.CodeNotFound)
	s.say(bob, schema.SendRequest{AgentID: aria, ConversationID: id, Message: "I am bob"})
	for who, ctx := range map[string]context.Context{"alice": alice, "bob": bob} {
		c := must1[schema.Conversation](s)(s.Chat.Conversation(ctx, schema.ConversationQuery{ID: id}))
		if len(c.Messages) != 2 || c.Messages[0].Content != "I am "+who {
			s.Errorf("%s reads %+v", who, c.Messages)
		}
	}
	c := must1[schema.Conversation](s)(s.Chat.Conversation(s.admin(), schema.ConversationQuery{ID: id}))
	if c.Principal != schema.CallerFrom(bob).Principal {
		s.Errorf("an administrator reads %q's, want the last changed one", c.Principal)
	}
}

func conversationForeign(s *suite) {
	alice, bob := s.user(), s.user()
	id := s.say(alice, schema.SendRequest{AgentID: nyx, Message: "a secret"}).accepted.ConversationID
	_, err := s.Chat.Conversation(bob, schema.ConversationQuery{ID: id})
	s.wantCode(err, schema.CodeNotFound)
	s.refused(bob, schema.SendRequest{AgentID: nyx, ConversationID: id, Message: "let me in"}, schema.CodeNotFound)
	c := must1[schema.Conversation](s)(s.Chat.Conversation(s.admin(), schema.ConversationQuery{ID: id}))
	if c.MessageCount != 2 || c.Principal != schema.CallerFrom(alice).Principal {
		s.Errorf("the conversation is %+v", c)
	}
}

func conversationChangesAgent(s *suite) {
	ctx, id := s.user(), "both"
	s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: id, Message: "hello"})
	s.say(ctx, schema.SendRequest{AgentID: aria, ConversationID: id, Message: "hello"})
	c := must1[schema.Conversation](s)(s.Chat.Conversation(ctx, schema.ConversationQuery{ID: id}))
	if len(c.Messages) != 4 || c.Messages[1].AgentID != nyx || c.Messages[3].AgentID != aria || c.AgentID != aria {
		s.Errorf("the conversation is %+v", c)
	}
}

// strayCursors are none that a server gave for a list: an empty page for one of them would look like the end.
var strayCursors = []string{"garbage", nyx, "-1", "not a cursor", "ünï"}

// conversationPages reads backwards while somebody writes.
func conversationPages(s *suite) {
	ctx, id := s.user(), "long"
	var want []string
	for n := range 5 {
		t := s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: id, Message: fmt.Sprint("turn ", n)})
		want = append(want, t.accepted.Message.ID, must1[schema.Message](s)(t.reply()).ID)
	}
	q := schema.ConversationQuery{ID: id, Limit: 3}
	var got []string
	for first := true; first || q.Cursor != ""; first = false {
		c := must1[schema.Conversation](s)(s.Chat.Conversation(ctx, q))
		if len(c.Messages) == 0 || len(c.Messages) > 3 {
			s.Fatalf("a page of 3 holds %d messages", len(c.Messages))
		}
		var page []string
		for _, m := range c.Messages {
			page = append(page, m.ID)
		}
		got = append(page, got...)
		q.Cursor = c.NextCursor
		if first {
			s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: id, Message: "in between"})
		}
	}
	if !slices.Equal(got, want) {
		s.Errorf("the pages hold\n%v, want\n%v", got, want)
	}
	for _, c := range strayCursors {
		_, err := s.Chat.Conversation(ctx, schema.ConversationQuery{ID: id, Cursor: c})
		s.wantCode(err, schema.CodeInvalidArgument)
	}
}

func (s *suite) conversations(ctx context.Context, q schema.ConversationsQuery) []string {
	s.Helper()
	var all []string
	for range 1000 {
		page := must1[schema.ConversationPage](s)(s.Chat.Conversations(ctx, q))
		for _, c := range page.Conversations {
			all = append(all, c.ID)
		}
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			return all
		}
	}
	s.Fatalf("the pages do not end")
	return nil
}

func conversationsPages(s *suite) {
	ctx := s.user()
	for _, id := range []string{"a", "b", "c", "d", "e", "b"} {
		s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: id, Message: "hello"})
	}
	for _, limit := range []int{0, 1, 2, 5} {
		got := strings.Join(s.conversations(ctx, schema.ConversationsQuery{Limit: limit}), "")
		if got != "bedca" {
			s.Errorf("limit %d: %s, want the last changed first: bedca", limit, got)
		}
	}
	for _, c := range strayCursors {
		_, err := s.Chat.Conversations(ctx, schema.ConversationsQuery{Cursor: c})
		s.wantCode(err, schema.CodeInvalidArgument)
	}
}

func conversationsOfAgent(s *suite) {
	ctx := s.user()
	s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: "n", Message: "hello"})
	s.say(ctx, schema.SendRequest{AgentID: aria, ConversationID: "a", Message: "hello"})
	for agent, want := range map[string]string{nyx: "n", aria: "a", "nobody": ""} {
		if got := strings.Join(s.conversations(ctx, schema.ConversationsQuery{AgentID: agent}), " "); got != want {
			s.Errorf("conversations of %s: %q, want %q", agent, got, want)
		}
	}
}

func conversationsOfEverybody(s *suite) {
	alice := s.user()
	id := s.say(alice, schema.SendRequest{AgentID: nyx, Message: "hello"}).accepted.ConversationID
	if got := s.conversations(s.admin(), schema.ConversationsQuery{}); !slices.Contains(got, id) {
		s.Errorf("an administrator does not see %s in %v", id, got)
	}
	if got := s.conversations(s.user(), schema.ConversationsQuery{}); slices.Contains(got, id) {
		s.Errorf("somebody else sees the conversation")
	}
}
