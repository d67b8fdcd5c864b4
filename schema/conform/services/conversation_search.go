package services

import (
	"context"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
)

func conversationSearchChecks() []check {
	return []check{
		{"conversations-found", "conversations are found by plain words of their titles and messages", "schema.ConversationsQuery", conversationsFound},
		{"conversations-found-are-the-callers", "nobody finds the conversations of others", "schema.Chat.Conversations", conversationsFoundOwn},
		{"conversations-found-follow-changes", "what is found follows new titles, new messages and deletion", "schema.ConversationsQuery", conversationsFoundChanged},
	}
}

func (s *suite) wantFound(ctx context.Context, q schema.ConversationsQuery, want string) {
	s.Helper()
	if got := strings.Join(s.conversations(ctx, q), " "); got != want {
		s.Errorf("%+v finds %q, want %q", q, got, want)
	}
}

func conversationsFound(s *suite) {
	ctx := s.user()
	s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: "sea", Message: "Tell me about zebrafish"})
	s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: "both", Message: "Tell me about quokkas"})
	s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: "both", Message: "And about a zebrafish, please"})
	s.say(ctx, schema.SendRequest{AgentID: aria, ConversationID: "land", Message: "Tell me about quokkas and 袋鼠"})
	for text, want := range map[string]string{
		"zebrafish": "both sea", "ZEBRAFISH": "both sea", "quokka": "land both", "quokkas zebrafish": "both", "袋": "land",
		"platypus": "", "quokka platypus": "", `"quokkas" OR zebrafish`: "", "quokka*": "land both", "!?": "", "(": "",
	} {
		s.wantFound(ctx, schema.ConversationsQuery{Text: text}, want)
		s.wantFound(ctx, schema.ConversationsQuery{Text: text, Limit: 1}, want)
	}
	s.wantFound(ctx, schema.ConversationsQuery{Text: "quokka", AgentID: aria}, "land")
	if !s.has(updateConversation) {
		return
	}
	s.patch(ctx, "both", schema.ConversationPatch{Archived: schema.Set(true)})
	s.wantFound(ctx, schema.ConversationsQuery{Text: "quokka"}, "land")
	s.wantFound(ctx, schema.ConversationsQuery{Text: "quokka", Archived: schema.ArchivedAny}, "both land")
}

func conversationsFoundOwn(s *suite) {
	alice, bob, word := s.user(), s.user(), unique("word")
	s.say(alice, schema.SendRequest{AgentID: nyx, ConversationID: "a", Message: "the word is " + word})
	s.wantFound(alice, schema.ConversationsQuery{Text: word}, "a")
	s.wantFound(bob, schema.ConversationsQuery{Text: word}, "")
	s.wantFound(s.admin(), schema.ConversationsQuery{Text: word}, "a")
}

func conversationsFoundChanged(s *suite) {
	ctx := s.user()
	must1[schema.ConversationSummary](s)(s.Chat.CreateConversation(ctx, schema.NewConversation{ID: "a", Title: "Wombats", AgentID: nyx}))
	s.wantFound(ctx, schema.ConversationsQuery{Text: "wombat"}, "a")
	s.patch(ctx, "a", schema.ConversationPatch{Title: schema.Set("Numbats")})
	s.wantFound(ctx, schema.ConversationsQuery{Text: "wombat"}, "")
	s.wantFound(ctx, schema.ConversationsQuery{Text: "numbat"}, "a")
	s.say(ctx, schema.SendRequest{ConversationID: "a", Message: "What do they eat? Termites?"})
	s.wantFound(ctx, schema.ConversationsQuery{Text: "numbat termite"}, "a")
	s.must(s.Chat.DeleteConversation(ctx, "a", 0))
	s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: "a", Message: "Something else"})
	for _, text := range []string{"numbat", "termite"} {
		s.wantFound(ctx, schema.ConversationsQuery{Text: text}, "")
	}
}
