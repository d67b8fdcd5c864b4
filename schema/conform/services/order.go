package services

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/stagehouse/stagehouse/schema"
)

func orderChecks() []check {
	return []check{
		{"order-within-a-conversation", "turns of a conversation run one at a time, in the order of their acceptance", "schema.Chat", orderWithin},
		{"parallel-across-conversations", "turns of different conversations run in parallel", "schema.Chat", orderAcross},
	}
}

// orderWithin has many senders speak into one conversation at once. Turns must run one at a time, in the order of their
// acceptance, which is the order of their messages.
func orderWithin(s *suite) {
	const senders = 50
	ctx, id := s.user(), "crowded"
	turns := make([]turn, senders)
	s.atOnce(senders, func(i int) error {
		for {
			t, err := send(ctx, s.Chat, schema.SendRequest{AgentID: nyx, ConversationID: id, Message: fmt.Sprint("from ", i)})
			if schema.CodeOf(err) == schema.CodeBusy {
				continue // a bounded queue was full, and said so
			}
			if turns[i] = t; err != nil {
				return err
			}
			_, err = t.reply()
			return err
		}
	})
	slices.SortFunc(turns, func(a, b turn) int {
		return cmp.Compare(a.seqOf(schema.EventStarted), b.seqOf(schema.EventStarted))
	})
	for i := 1; i < senders; i++ {
		if before, next := turns[i-1].last().Cursor.Seq, turns[i].seqOf(schema.EventStarted); next < before {
			s.Errorf("turn %d started at %d, before the one before it ended at %d", i, next, before)
		}
	}
	s.checkOrder(turns, id)
}

// checkOrder compares the order in which turns ran with the order in which their messages stand.
func (s *suite) checkOrder(turns []turn, conversation string) {
	s.Helper()
	var ran, stand []string
	for _, t := range turns {
		ran = append(ran, t.accepted.Message.ID)
	}
	ctx := s.as(s.owner(turns[0]), schema.ScopeRead)
	q := schema.ConversationQuery{ID: conversation, Limit: schema.MaxPageSize}
	for _, m := range must1[schema.Conversation](s)(s.Chat.Conversation(ctx, q)).Messages {
		if m.Role == schema.RoleUser {
			stand = append(stand, m.ID)
		}
	}
	if !slices.Equal(ran, stand) {
		s.Errorf("turns ran in the order\n%v, were accepted in the order\n%v", ran, stand)
	}
}

// owner returns whose turn it was.
func (s *suite) owner(t turn) string {
	s.Helper()
	return must1[schema.Run](s)(s.Chat.Run(s.admin(), t.accepted.RunID)).Principal
}

// orderAcross has many conversations at once, until two of their turns have overlapped.
func orderAcross(s *suite) {
	const conversations, rounds = 50, 20
	ctx := s.user()
	for range rounds {
		var mu sync.Mutex
		var turns []turn
		s.atOnce(conversations, func(i int) error {
			t, err := send(ctx, s.Chat, schema.SendRequest{AgentID: nyx, Message: fmt.Sprint("in ", i)})
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			turns = append(turns, t)
			_, err = t.reply()
			return err
		})
		if overlap(turns) {
			return
		}
	}
	s.Errorf("no two of %d turns of different conversations overlapped", rounds*conversations)
}

// overlap reports whether one turn started before another, that had started earlier, ended.
func overlap(turns []turn) bool {
	slices.SortFunc(turns, func(a, b turn) int {
		return cmp.Compare(a.seqOf(schema.EventStarted), b.seqOf(schema.EventStarted))
	})
	for i := 1; i < len(turns); i++ {
		if turns[i].seqOf(schema.EventStarted) < turns[i-1].last().Cursor.Seq {
			return true
		}
	}
	return false
}
