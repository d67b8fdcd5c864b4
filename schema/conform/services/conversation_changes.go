package services

import (
	"context"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
)

func conversationChangeChecks() []check {
	return []check{
		{"conversation-created", "a conversation can be begun without a message", "schema.Chat.CreateConversation", conversationCreated},
		{"conversation-created-badly", "a taken id is CodeAlreadyExists, one of the runtime's own CodeInvalidArgument, an unknown agent CodeNotFound", "schema.Chat.CreateConversation", conversationCreatedBadly},
		{"conversation-renamed", "a title is kept until it is cleared", "schema.Chat.UpdateConversation", conversationRenamed},
		{"conversation-archived", "an archived conversation is in the lists that ask for it, until somebody writes to it", "schema.Archived", conversationArchived},
		{"conversation-revisions", "messages and changes make the revision grow; another one than asked for is CodeRevisionMismatch", "schema.ConversationPatch", conversationRevisions},
		{"conversation-changed-by-others", "only its owner changes or deletes a conversation", "schema.Chat.UpdateConversation", conversationChangedByOthers},
		{"conversation-deleted", "a deleted conversation is gone with its messages and runs, and its id is free", "schema.Chat.DeleteConversation", conversationDeleted},
		{"conversation-deleted-while-busy", "deleting a conversation cancels its unfinished run", "schema.Chat.DeleteConversation", conversationDeletedBusy},
	}
}

func (s *suite) summary(ctx context.Context, id string) schema.ConversationSummary {
	s.Helper()
	return must1[schema.Conversation](s)(s.Chat.Conversation(ctx, schema.ConversationQuery{ID: id})).ConversationSummary
}

func conversationCreated(s *suite) {
	ctx := s.user()
	twice(s, ctx, func(ctx context.Context) (schema.ConversationSummary, error) {
		return s.Chat.CreateConversation(ctx, schema.NewConversation{Title: "T"})
	})
	c := must1[schema.ConversationSummary](s)(s.Chat.CreateConversation(ctx, schema.NewConversation{ID: "mine", AgentID: aria}))
	if c.ID != "mine" || c.Title != "" || c.AgentID != aria || c.MessageCount != 0 || c.Archived || c.Revision < 1 {
		s.Errorf("created as %+v", c)
	}
	s.must(equal(s.summary(ctx, "mine"), c))
	if got := s.conversations(ctx, schema.ConversationsQuery{Limit: 1}); len(got) != 2 || got[0] != "mine" || !strings.HasPrefix(got[1], "conv_") {
		s.Errorf("the list is %v", got)
	}
	t := s.say(ctx, schema.SendRequest{ConversationID: "mine", Message: "hello there"})
	if after := s.summary(ctx, "mine"); t.accepted.AgentID != aria || after.Title != "hello there" || after.MessageCount != 2 {
		s.Errorf("after its first message it is %+v, with %s", after, t.accepted.AgentID)
	}
}

func conversationCreatedBadly(s *suite) {
	ctx, other := s.user(), s.user()
	create := func(ctx context.Context, n schema.NewConversation, code schema.ErrorCode) {
		s.Helper()
		_, err := s.Chat.CreateConversation(ctx, n)
		s.wantCode(err, code)
	}
	must1[schema.ConversationSummary](s)(s.Chat.CreateConversation(ctx, schema.NewConversation{ID: "mine"}))
	create(ctx, schema.NewConversation{ID: "mine"}, schema.CodeAlreadyExists)
	must1[schema.ConversationSummary](s)(s.Chat.CreateConversation(other, schema.NewConversation{ID: "mine"}))
	create(ctx, schema.NewConversation{ID: unique("conv_x")}, schema.CodeInvalidArgument)
	create(ctx, schema.NewConversation{ID: "of-nobody", AgentID: "nobody"}, schema.CodeNotFound)
	_, err := s.Chat.Conversation(ctx, schema.ConversationQuery{ID: "of-nobody"})
	s.wantCode(err, schema.CodeNotFound)
}

func (s *suite) patch(ctx context.Context, id string, p schema.ConversationPatch) schema.ConversationSummary {
	s.Helper()
	return must1[schema.ConversationSummary](s)(s.Chat.UpdateConversation(ctx, id, p))
}

func conversationRenamed(s *suite) {
	ctx := s.user()
	s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: "a", Message: "first words"})
	s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: "b", Message: "other words"})
	twice(s, ctx, func(ctx context.Context) (schema.ConversationSummary, error) {
		return s.Chat.UpdateConversation(ctx, "a", schema.ConversationPatch{Title: schema.Set(unique("title"))})
	})
	c := s.patch(ctx, "a", schema.ConversationPatch{Title: schema.Set("Mine")})
	s.must(equal(s.summary(ctx, "a"), c))
	if got := s.conversations(ctx, schema.ConversationsQuery{}); c.Title != "Mine" || strings.Join(got, "") != "ab" {
		s.Errorf("%+v is in the list %v", c, got)
	}
	s.say(ctx, schema.SendRequest{ConversationID: "a", Message: "more words"})
	if got := s.summary(ctx, "a").Title; got != "Mine" {
		s.Errorf("a message made the title %q", got)
	}
	if got := s.patch(ctx, "a", schema.ConversationPatch{Title: schema.Clear[string]()}).Title; got != "first words" {
		s.Errorf("without a title of its own it is called %q", got)
	}
	must1[schema.ConversationSummary](s)(s.Chat.CreateConversation(ctx, schema.NewConversation{ID: "empty", Title: "x"}))
	if got := s.patch(ctx, "empty", schema.ConversationPatch{Title: schema.Clear[string]()}).Title; got != "" {
		s.Errorf("without a title and a message it is called %q", got)
	}
}

func conversationArchived(s *suite) {
	ctx := s.user()
	for _, id := range []string{"a", "b"} {
		s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: id, Message: "hello"})
	}
	listed := func(want map[schema.Archived]string) {
		s.Helper()
		for archived, want := range want {
			if got := strings.Join(s.conversations(ctx, schema.ConversationsQuery{Archived: archived, Limit: 1}), ""); got != want {
				s.Errorf("archived=%s lists %q, want %q", archived, got, want)
			}
		}
	}
	if !s.patch(ctx, "a", schema.ConversationPatch{Archived: schema.Set(true)}).Archived {
		s.Errorf("it is not archived")
	}
	listed(map[schema.Archived]string{schema.ArchivedNone: "b", schema.ArchivedOnly: "a", schema.ArchivedAny: "ab"})
	s.say(ctx, schema.SendRequest{ConversationID: "a", Message: "hello again"})
	listed(map[schema.Archived]string{schema.ArchivedNone: "ab", schema.ArchivedOnly: "", schema.ArchivedAny: "ab"})
}

func conversationRevisions(s *suite) {
	ctx := s.user()
	s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: "a", Message: "hello"})
	before := s.summary(ctx, "a")
	s.say(ctx, schema.SendRequest{ConversationID: "a", Message: "hello"})
	spoken := s.summary(ctx, "a")
	archived := schema.ConversationPatch{Archived: schema.Set(true), IfRevision: before.Revision}
	_, err := s.Chat.UpdateConversation(ctx, "a", archived)
	s.wantCode(err, schema.CodeRevisionMismatch)
	s.wantCode(s.Chat.DeleteConversation(ctx, "a", before.Revision), schema.CodeRevisionMismatch)
	archived.IfRevision = spoken.Revision
	changed := s.patch(ctx, "a", archived)
	archived.IfRevision = 0
	same := s.patch(ctx, "a", archived)
	if spoken.Revision < before.Revision+2 || changed.Revision <= spoken.Revision || same.Revision != changed.Revision {
		s.Errorf("revisions %d, after two messages %d, after a change %d, after none %d", before.Revision, spoken.Revision, changed.Revision, same.Revision)
	}
	s.must(s.Chat.DeleteConversation(ctx, "a", changed.Revision))
}

func conversationChangedByOthers(s *suite) {
	alice, id := s.user(), unique("a")
	s.say(alice, schema.SendRequest{AgentID: nyx, ConversationID: id, Message: "hello"})
	for _, c := range []struct {
		ctx  context.Context
		code schema.ErrorCode
	}{{s.user(), schema.CodeNotFound}, {s.admin(), schema.CodePermissionDenied}} {
		_, err := s.Chat.UpdateConversation(c.ctx, id, schema.ConversationPatch{Title: schema.Set("x")})
		s.wantCode(err, c.code)
		s.wantCode(s.Chat.DeleteConversation(c.ctx, id, 0), c.code)
	}
	if got := s.summary(alice, id).Title; got != "hello" {
		s.Errorf("somebody else made the title %q", got)
	}
}

func conversationDeleted(s *suite) {
	ctx := s.user()
	run := s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: "a", Message: "hello"}).accepted.RunID
	s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: "b", Message: "hello"})
	s.must(s.Chat.DeleteConversation(ctx, "a", 0))
	s.wantCode(s.Chat.DeleteConversation(ctx, "a", 0), schema.CodeNotFound)
	_, err := s.Chat.Conversation(ctx, schema.ConversationQuery{ID: "a"})
	s.wantCode(err, schema.CodeNotFound)
	_, err = s.Chat.Run(ctx, run)
	s.wantCode(err, schema.CodeNotFound)
	if got := s.conversations(ctx, schema.ConversationsQuery{Archived: schema.ArchivedAny}); strings.Join(got, "") != "b" {
		s.Errorf("the list is %v", got)
	}
	s.say(ctx, schema.SendRequest{AgentID: aria, ConversationID: "a", Message: "anew"})
	if c := s.summary(ctx, "a"); c.MessageCount != 2 || c.Title != "anew" || c.AgentID != aria {
		s.Errorf("a new one of that id is %+v", c)
	}
}

// conversationDeletedBusy tries until it meets a turn that is unfinished.
func conversationDeletedBusy(s *suite) {
	s.without(deleteConversation)
	ctx := s.user()
	s.whileBusy(ctx, func(holder schema.Accepted) bool {
		s.must(s.Chat.DeleteConversation(ctx, holder.ConversationID, 0))
		_, err := s.Chat.Run(ctx, holder.RunID)
		s.wantCode(err, schema.CodeNotFound)
		s.refused(ctx, schema.SendRequest{AgentID: nyx, ConversationID: holder.ConversationID, Message: "me too"}, schema.CodeNotFound)
		if s.Events == nil {
			return true
		}
		for e, err := range s.Events.Subscribe(ctx, schema.EventQuery{Since: holder.Since, RunID: holder.RunID}) {
			s.must(err)
			if e.Type.Terminal() {
				return e.Type == schema.EventCancelled && strings.Contains(string(e.Payload), schema.ReasonDeleted)
			}
		}
		return false
	})
}
