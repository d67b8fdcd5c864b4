package hosttest_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/stagehouse/stagehouse/schema"
)

// sending returns what sends something else than it is told.
func sending(change func(r *schema.SendRequest)) func(*broken, schema.Services) {
	return func(b *broken, s schema.Services) {
		b.chat.send = func(ctx context.Context, r schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
			change(&r)
			return s.Chat.Send(ctx, r)
		}
	}
}

// showing returns what shows a sender other steps than there are.
func showing(steps func(e schema.ChatEvent) []schema.ChatEvent) func(*broken, schema.Services) {
	return func(b *broken, s schema.Services) {
		b.chat.send = func(ctx context.Context, r schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
			return func(yield func(schema.ChatEvent, error) bool) {
				for e, err := range s.Chat.Send(ctx, r) {
					if err != nil {
						yield(e, err)
						return
					}
					for _, e := range steps(e) {
						if !yield(e, nil) {
							return
						}
					}
				}
			}
		}
	}
}

func inChat() map[string]service {
	of := func(e schema.ChatEvent, is func(schema.EventType) bool) bool {
		return e.Event != nil && is(e.Event.Type)
	}
	return map[string]service{
		"the end of a turn is not told": {"chat/send once/send events/follow", showing(func(e schema.ChatEvent) []schema.ChatEvent {
			if of(e, schema.EventType.Terminal) {
				return nil
			}
			return []schema.ChatEvent{e}
		})},
		"the end of a turn is told twice": {"chat/send", showing(func(e schema.ChatEvent) []schema.ChatEvent {
			if of(e, schema.EventType.Terminal) {
				return []schema.ChatEvent{e, e}
			}
			return []schema.ChatEvent{e}
		})},
		"the route is not told": {"chat/route-on-send", showing(func(e schema.ChatEvent) []schema.ChatEvent {
			if e.Accepted != nil {
				a := *e.Accepted
				a.Route = nil
				e.Accepted = &a
			}
			return []schema.ChatEvent{e}
		})},
		"messages are trimmed":  {"chat/send-text-is-kept", sending(func(r *schema.SendRequest) { r.Message = strings.TrimSpace(r.Message) })},
		"runs have other ids":   {"chat/run-id-is-the-callers chat/run-id-twice chat/run-id-twice-at-once", sending(func(r *schema.SendRequest) { r.RunID = "" })},
		"OnBusy is ignored":     {"runs/busy-reject runs/busy-interrupt", sending(func(r *schema.SendRequest) { r.OnBusy = "" })},
		"who leaves cancels":    {"chat/break-does-not-stop-the-turn chat/cancelled-context-does-not-stop-the-turn", leavingCancels},
		"one turn at a time":    {"chat/parallel-across-conversations", oneAtATime},
		"conversations are new": {"chat/conversation-id-is-the-callers chat/conversation-goes-on", sending(func(r *schema.SendRequest) { r.ConversationID = "" })},
		"nyx answers":           {"chat/conversation-goes-on chat/conversation-changes-agent", sending(func(r *schema.SendRequest) { r.AgentID = "nyx" })},
		"what is over cannot be cancelled": {"chat/cancel-is-idempotent chat/cancel-finished", func(b *broken, s schema.Services) {
			b.chat.cancel = func(ctx context.Context, id string) (schema.Run, error) {
				if r, err := s.Chat.Run(ctx, id); err == nil && r.Status.Terminal() {
					return r, schema.Errorf(schema.CodeFailedPrecondition, "it is over")
				}
				return s.Chat.Cancel(ctx, id)
			}
		}},
		"hints are ignored": {"chat/route-by-skill", func(b *broken, s schema.Services) {
			b.chat.route = func(ctx context.Context, r schema.RouteRequest) (schema.RouteDecision, error) {
				r.Context = schema.Object{"skill": "programming"}
				return s.Chat.Route(ctx, r)
			}
		}},
		"routing begins a conversation": {"chat/route-sends-nothing", func(b *broken, s schema.Services) {
			b.chat.route = func(ctx context.Context, r schema.RouteRequest) (schema.RouteDecision, error) {
				_, _ = s.Chat.CreateConversation(ctx, schema.NewConversation{})
				return s.Chat.Route(ctx, r)
			}
		}},
		"nyx always fits": {"chat/route-skips-stopped chat/route-nobody-fits", func(b *broken, s schema.Services) {
			b.chat.route = func(context.Context, schema.RouteRequest) (schema.RouteDecision, error) {
				return schema.RouteDecision{AgentID: "nyx", Reason: "it does"}, nil
			}
		}},
		"a run begins at the head": {"runs/runs-since-shows-all-of-a-run", func(b *broken, s schema.Services) {
			b.chat.run = func(ctx context.Context, id string) (schema.Run, error) {
				r, err := s.Chat.Run(ctx, id)
				head, _ := s.Events.Head(ctx)
				r.Since = head.String()
				return r, err
			}
		}},
		"a run has no status": {"chat/send-reads-own-writes", func(b *broken, s schema.Services) {
			b.chat.run = func(ctx context.Context, id string) (schema.Run, error) {
				r, err := s.Chat.Run(ctx, id)
				r.Status = schema.RunQueued
				return r, err
			}
		}},
		"runs are of any conversation": {"runs/runs-list", func(b *broken, s schema.Services) {
			b.chat.runs = func(ctx context.Context, q schema.RunsQuery) (schema.RunPage, error) {
				q.ConversationID = ""
				return s.Chat.Runs(ctx, q)
			}
		}},
	}
}

// leavingCancels has who stops watching stop the turn.
func leavingCancels(b *broken, s schema.Services) {
	b.chat.send = func(ctx context.Context, r schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
		return func(yield func(schema.ChatEvent, error) bool) {
			id, over := "", false
			for e, err := range s.Chat.Send(ctx, r) {
				if e.Accepted != nil {
					id = e.Accepted.RunID
				}
				over = over || e.Event != nil && e.Event.Type.Terminal()
				if !yield(e, err) || ctx.Err() != nil {
					break
				}
			}
			if !over {
				_, _ = s.Chat.Cancel(context.WithoutCancel(ctx), id)
			}
		}
	}
}

// oneAtATime has every turn wait for all others.
func oneAtATime(b *broken, s schema.Services) {
	var turn sync.Mutex
	b.chat.send = func(ctx context.Context, r schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
		return func(yield func(schema.ChatEvent, error) bool) {
			turn.Lock()
			defer turn.Unlock()
			s.Chat.Send(ctx, r)(yield)
		}
	}
}

func inConversations() map[string]service {
	one := func(change func(q *schema.ConversationQuery, c *schema.Conversation)) func(*broken, schema.Services) {
		return func(b *broken, s schema.Services) {
			b.chat.conversation = func(ctx context.Context, q schema.ConversationQuery) (schema.Conversation, error) {
				change(&q, new(schema.Conversation))
				c, err := s.Chat.Conversation(ctx, q)
				if err == nil {
					change(new(schema.ConversationQuery), &c)
				}
				return c, err
			}
		}
	}
	many := func(change func(q *schema.ConversationsQuery, p *schema.ConversationPage)) func(*broken, schema.Services) {
		return func(b *broken, s schema.Services) {
			b.chat.conversations = func(ctx context.Context, q schema.ConversationsQuery) (schema.ConversationPage, error) {
				change(&q, new(schema.ConversationPage))
				p, err := s.Chat.Conversations(ctx, q)
				change(new(schema.ConversationsQuery), &p)
				return p, err
			}
		}
	}
	return map[string]service{
		"messages stand backwards": {
			"chat/order-within-a-conversation chat/messages-both-ways chat/messages-since chat/conversation-pages",
			one(func(_ *schema.ConversationQuery, c *schema.Conversation) { slices.Reverse(c.Messages) }),
		},
		"the last message is not seen yet": {
			"chat/send-reads-own-writes chat/conversation-goes-on",
			one(func(_ *schema.ConversationQuery, c *schema.Conversation) {
				c.Messages = c.Messages[:max(0, len(c.Messages)-1)]
			}),
		},
		"Since is ignored": {
			"chat/messages-since chat/messages-since-badly",
			one(func(q *schema.ConversationQuery, _ *schema.Conversation) { q.Since = "" }),
		},
		"conversations are listed backwards": {
			"chat/conversations-pages", many(func(_ *schema.ConversationsQuery, p *schema.ConversationPage) { slices.Reverse(p.Conversations) }),
		},
		"conversations are any agent's": {
			"chat/conversations-of-agent", many(func(q *schema.ConversationsQuery, _ *schema.ConversationPage) { q.AgentID = "" }),
		},
		"every conversation is found": {
			"chat/conversations-found chat/conversations-found-follow-changes chat/conversations-found-are-the-callers",
			many(func(q *schema.ConversationsQuery, _ *schema.ConversationPage) { q.Text = "" }),
		},
		"nothing is archived": {"chat/conversation-archived", func(b *broken, s schema.Services) {
			b.chat.update = func(ctx context.Context, id string, p schema.ConversationPatch) (schema.ConversationSummary, error) {
				p.Archived = schema.Field[bool]{}
				return s.Chat.UpdateConversation(ctx, id, p)
			}
		}},
		"IfRevision of a conversation is ignored": {"chat/conversation-revisions", func(b *broken, s schema.Services) {
			b.chat.update = func(ctx context.Context, id string, p schema.ConversationPatch) (schema.ConversationSummary, error) {
				p.IfRevision = 0
				return s.Chat.UpdateConversation(ctx, id, p)
			}
		}},
		"a deleted conversation stays": {
			"chat/conversation-deleted chat/conversation-deleted-while-busy chat/conversations-found-follow-changes",
			func(b *broken, _ schema.Services) {
				b.chat.delete = func(context.Context, string, int64) error { return nil }
			},
		},
	}
}
