package services

import (
	"context"
	"fmt"
	"slices"

	"github.com/stagehouse/stagehouse/schema"
)

func messageChecks() []check {
	return []check{
		{"messages-both-ways", "cursors lead to older and to newer messages", "schema.Conversation", messagesBothWays},
		{"messages-since", "a page begins after the message that the caller knows", "schema.ConversationQuery", messagesSince},
		{"messages-since-badly", "a message of another conversation is CodeInvalidArgument", "schema.ConversationQuery", messagesSinceBadly},
	}
}

// talk has some turns in a conversation and returns the ids of its messages.
func (s *suite) talk(ctx context.Context, id string, turns int) (messages []string) {
	s.Helper()
	for n := range turns {
		t := s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: id, Message: fmt.Sprint("turn ", n)})
		messages = append(messages, t.accepted.Message.ID, must1[schema.Message](s)(t.reply()).ID)
	}
	return messages
}

func (s *suite) messages(ctx context.Context, q schema.ConversationQuery) (page []string, c schema.Conversation) {
	s.Helper()
	c = must1[schema.Conversation](s)(s.Chat.Conversation(ctx, q))
	for _, m := range c.Messages {
		page = append(page, m.ID)
	}
	return page, c
}

// messagesBothWays goes back to the beginning, and forth to the end again, where something has been said meanwhile.
func messagesBothWays(s *suite) {
	ctx := s.user()
	all := s.talk(ctx, "a", 3)
	page, c := s.messages(ctx, schema.ConversationQuery{ID: "a", Limit: 4})
	if !slices.Equal(page, all[2:]) || c.NextCursor == "" || c.PrevCursor != "" {
		s.Errorf("the newest page is %v with %q and %q", page, c.NextCursor, c.PrevCursor)
	}
	page, c = s.messages(ctx, schema.ConversationQuery{ID: "a", Limit: 4, Cursor: c.NextCursor})
	if !slices.Equal(page, all[:2]) || c.NextCursor != "" || c.PrevCursor == "" {
		s.Errorf("the page before it is %v with %q and %q", page, c.NextCursor, c.PrevCursor)
	}
	all = append(all, s.talk(ctx, "a", 1)...)
	for at, prev := 2, c.PrevCursor; at < len(all); at += 3 {
		page, c = s.messages(ctx, schema.ConversationQuery{ID: "a", Limit: 3, Cursor: prev})
		if want := all[at:min(at+3, len(all))]; !slices.Equal(page, want) || (c.PrevCursor == "") != (at+3 >= len(all)) || c.NextCursor == "" {
			s.Errorf("the page of newer ones is %v with %q and %q, want %v", page, c.NextCursor, c.PrevCursor, want)
		}
		older, _ := s.messages(ctx, schema.ConversationQuery{ID: "a", Limit: 2, Cursor: c.NextCursor})
		if !slices.Equal(older, all[at-2:at]) {
			s.Errorf("back from there is %v, want %v", older, all[at-2:at])
		}
		prev = c.PrevCursor
	}
}

func messagesSince(s *suite) {
	ctx := s.user()
	all := s.talk(ctx, "a", 3)
	for i, id := range all {
		for _, limit := range []int{0, 1, 2} {
			want := all[i+1:]
			more := limit > 0 && len(want) > limit
			if more {
				want = want[:limit]
			}
			page, c := s.messages(ctx, schema.ConversationQuery{ID: "a", Since: id, Limit: limit})
			if !slices.Equal(page, want) || (c.PrevCursor != "") != more || c.Messages == nil {
				s.Errorf("since the message %d, at most %d: %v with %q, want %v", i, limit, page, c.PrevCursor, want)
			}
			older, _ := s.messages(ctx, schema.ConversationQuery{ID: "a", Cursor: c.NextCursor})
			if !slices.Equal(older, all[:i+1]) {
				s.Errorf("back from since the message %d is %v, want %v", i, older, all[:i+1])
			}
		}
	}
}

func messagesSinceBadly(s *suite) {
	ctx := s.user()
	s.talk(ctx, "a", 1)
	other := s.talk(ctx, "b", 1)
	for _, id := range []string{"msg_never", other[0]} {
		_, err := s.Chat.Conversation(ctx, schema.ConversationQuery{ID: "a", Since: id})
		s.wantCode(err, schema.CodeInvalidArgument)
	}
	_, err := s.Chat.Conversation(ctx, schema.ConversationQuery{ID: "never-used", Since: other[0]})
	s.wantCode(err, schema.CodeNotFound)
}
