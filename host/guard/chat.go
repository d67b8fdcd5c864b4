package guard

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
)

// givenPrefix begins the conversation ids that a runtime gives; the contract has an unknown one be CodeNotFound.
const givenPrefix = "conv_"

type chat struct {
	next   schema.Chat
	agents schema.Agents // nil = not offered
}

var _ schema.Chat = chat{}

func (g chat) Send(ctx context.Context, r schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
	c, err := reader(ctx)
	if err != nil {
		return refuse[schema.ChatEvent](err)
	}
	if err := r.Validate(); err != nil {
		return refuse[schema.ChatEvent](err)
	}
	return func(yield func(schema.ChatEvent, error) bool) {
		if err := needOn(c, schema.ScopeChat, func() error { return g.lookAtTurn(ctx, r) }); err != nil {
			yield(schema.ChatEvent{}, err)
			return
		}
		for e, err := range g.next.Send(ctx, r) {
			if !yield(e, err) {
				return
			}
		}
	}
}

// lookAtTurn returns whether the caller may see what a turn is about.
func (g chat) lookAtTurn(ctx context.Context, r schema.SendRequest) error {
	if err := lookAt(ctx, g.agents, r.AgentID); err != nil {
		return err
	}
	if !strings.HasPrefix(r.ConversationID, givenPrefix) {
		return nil
	}
	_, err := g.Conversation(ctx, schema.ConversationQuery{ID: r.ConversationID, Limit: 1})
	return err
}

func (g chat) Route(ctx context.Context, r schema.RouteRequest) (schema.RouteDecision, error) {
	c, err := reader(ctx)
	if err != nil {
		return schema.RouteDecision{}, err
	}
	if err := r.Validate(); err != nil {
		return schema.RouteDecision{}, err
	}
	if err := need(c, schema.ScopeChat); err != nil {
		return schema.RouteDecision{}, err
	}
	return g.next.Route(ctx, r)
}

func (g chat) Conversation(ctx context.Context, q schema.ConversationQuery) (schema.Conversation, error) {
	c, err := reader(ctx)
	if err != nil {
		return schema.Conversation{}, err
	}
	if err := q.Validate(); err != nil {
		return schema.Conversation{}, err
	}
	q.Limit = bounded(q.Limit)
	conversation, err := g.next.Conversation(ctx, q)
	if err != nil {
		return schema.Conversation{}, err
	}
	if !mayOwn(c, conversation.Principal) {
		return schema.Conversation{}, hidden("conversation", q.ID)
	}
	return conversation, nil
}

func (g chat) Conversations(ctx context.Context, q schema.ConversationsQuery) (schema.ConversationPage, error) {
	c, err := reader(ctx)
	if err != nil {
		return schema.ConversationPage{}, err
	}
	if err := q.Validate(); err != nil {
		return schema.ConversationPage{}, err
	}
	q.Limit = bounded(q.Limit)
	page, err := g.next.Conversations(ctx, q)
	page.Conversations = slices.DeleteFunc(page.Conversations, func(s schema.ConversationSummary) bool {
		return !mayOwn(c, s.Principal)
	})
	return page, err
}

func (g chat) CreateConversation(ctx context.Context, n schema.NewConversation) (schema.ConversationSummary, error) {
	c, err := reader(ctx)
	if err != nil {
		return schema.ConversationSummary{}, err
	}
	if err := n.Validate(); err != nil {
		return schema.ConversationSummary{}, err
	}
	if err := needOn(c, schema.ScopeChat, func() error { return lookAt(ctx, g.agents, n.AgentID) }); err != nil {
		return schema.ConversationSummary{}, err
	}
	return g.next.CreateConversation(ctx, n)
}

func (g chat) UpdateConversation(ctx context.Context, id string, p schema.ConversationPatch) (schema.ConversationSummary, error) {
	if err := g.mayChange(ctx, id, p.Validate); err != nil {
		return schema.ConversationSummary{}, err
	}
	return g.next.UpdateConversation(ctx, id, p)
}

func (g chat) DeleteConversation(ctx context.Context, id string, ifRevision int64) error {
	if err := g.mayChange(ctx, id, nil); err != nil {
		return err
	}
	return g.next.DeleteConversation(ctx, id, ifRevision)
}

// mayChange checks everything before an act on a conversation: it must be the caller's own, whatever else the caller may see.
func (g chat) mayChange(ctx context.Context, id string, validate func() error) error {
	c, err := reader(ctx)
	if err != nil {
		return err
	}
	if err := checkID("conversationId", id); err != nil {
		return err
	}
	if validate != nil {
		if err := validate(); err != nil {
			return err
		}
	}
	conversation, err := g.Conversation(ctx, schema.ConversationQuery{ID: id, Limit: 1})
	if err != nil {
		return err
	}
	if err := need(c, schema.ScopeChat); err != nil {
		return err
	}
	if conversation.Principal != c.Principal {
		return schema.Errorf(schema.CodePermissionDenied, "conversation %s belongs to somebody else; only its owner may change or delete it", id)
	}
	return nil
}

func (g chat) Runs(ctx context.Context, q schema.RunsQuery) (schema.RunPage, error) {
	c, err := reader(ctx)
	if err != nil {
		return schema.RunPage{}, err
	}
	if err := q.Validate(); err != nil {
		return schema.RunPage{}, err
	}
	q.Limit = bounded(q.Limit)
	page, err := g.next.Runs(ctx, q)
	page.Runs = slices.DeleteFunc(page.Runs, func(r schema.Run) bool { return !mayOwn(c, r.Principal) })
	return page, err
}

func (g chat) Run(ctx context.Context, id string) (schema.Run, error) {
	c, err := reader(ctx)
	if err != nil {
		return schema.Run{}, err
	}
	if err := checkID("runId", id); err != nil {
		return schema.Run{}, err
	}
	run, err := g.next.Run(ctx, id)
	if err != nil {
		return schema.Run{}, err
	}
	if !mayOwn(c, run.Principal) {
		return schema.Run{}, hidden("run", id)
	}
	return run, nil
}

func (g chat) Cancel(ctx context.Context, runID string) (schema.Run, error) {
	if _, err := g.Run(ctx, runID); err != nil {
		return schema.Run{}, err
	}
	if err := need(schema.CallerFrom(ctx), schema.ScopeChat); err != nil {
		return schema.Run{}, err
	}
	return g.next.Cancel(ctx, runID)
}

// mayOwn reports whether a caller may see a thing that always belongs to somebody, unlike an event: one without an owner
// is a runtime's mistake, and not public.
func mayOwn(c schema.Caller, owner string) bool {
	return c.Can(schema.ScopeAdmin) || owner == c.Principal
}
