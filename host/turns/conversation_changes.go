package turns

import (
	"context"
	"errors"
	"strings"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/internal/ids"
	"github.com/stagehouse/stagehouse/host/once"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// CreateConversation begins a conversation without a message.
func (s *Chat) CreateConversation(ctx context.Context, n schema.NewConversation) (schema.ConversationSummary, error) {
	caller, err := fault.Someone(ctx)
	if err != nil {
		return schema.ConversationSummary{}, err
	}
	now := s.now()
	c := schema.ConversationSummary{
		ID: n.ID, Principal: caller.Principal, Title: n.Title, AgentID: n.AgentID, Revision: 1, CreatedAt: now, UpdatedAt: now,
	}
	if c.ID == "" {
		c.ID = s.ids.Next(ids.Conversation)
	}
	explain := func(err error) error { return fault.OrNotFound(s.log, err, "create conversation", "agent", n.AgentID) }
	return once.Do(ctx, s.once, explain, func(tx store.Tx) (schema.ConversationSummary, error) {
		return c, begin(tx, c, n.ID == "")
	})
}

// begin inserts a conversation. given says that its id is one that the runtime has just given.
func begin(tx store.Tx, c schema.ConversationSummary, given bool) error {
	_, err := tx.ConversationKey(c.Principal, c.ID)
	switch {
	case err == nil:
		return schema.Errorf(schema.CodeAlreadyExists, "you have a conversation %s already; send messages to it, or choose another id", c.ID)
	case !errors.Is(err, store.ErrNotFound):
		return err
	case !given && strings.HasPrefix(c.ID, ids.Conversation):
		return schema.Invalid("id", "must not begin with %q, as the ids do that the runtime gives; leave it out, or choose another one", ids.Conversation)
	}
	if c.AgentID != "" {
		if _, err := tx.Agent(c.AgentID); err != nil {
			return err
		}
	}
	_, err = tx.InsertConversation(c)
	return err
}

// UpdateConversation changes a conversation of the caller's own.
func (s *Chat) UpdateConversation(ctx context.Context, id string, p schema.ConversationPatch) (schema.ConversationSummary, error) {
	explain := func(err error) error { return fault.OrNotFound(s.log, err, "update conversation", "conversation", id) }
	return once.Do(ctx, s.once, explain, func(tx store.Tx) (schema.ConversationSummary, error) {
		key, before, err := changeable(ctx, tx, id, p.IfRevision)
		if err != nil {
			return before, err
		}
		c := before
		c.Archived = p.Archived.Apply(c.Archived, false)
		c.Title = p.Title.Apply(c.Title, "")
		if p.Title.Null {
			if c.Title, err = derivedTitle(tx, key); err != nil {
				return c, err
			}
		}
		if c == before {
			return c, nil
		}
		c.Revision++
		c.UpdatedAt = s.now()
		return c, tx.UpdateConversation(key, c)
	})
}

// derivedTitle is what a conversation is called that nobody has given a title.
func derivedTitle(tx store.Tx, key int64) (string, error) {
	first, _, err := tx.MessagesAfter(key, 0, 1)
	if err != nil || len(first) == 0 {
		return "", err
	}
	return title(first[0].Content), nil
}

// DeleteConversation cancels what is unfinished of a conversation of the caller's own, and deletes it.
func (s *Chat) DeleteConversation(ctx context.Context, id string, ifRevision int64) error {
	err := s.store.Update(ctx, func(tx store.Tx) error {
		key, _, err := changeable(ctx, tx, id, ifRevision)
		if err != nil {
			return err
		}
		unfinished, err := tx.UnfinishedRuns(key)
		if err != nil {
			return err
		}
		for _, runID := range unfinished {
			if err := s.cancelFor(tx, runID, schema.ReasonDeleted); err != nil {
				return err
			}
		}
		return tx.DeleteConversation(key)
	})
	return fault.OrNotFound(s.log, err, "delete conversation", "conversation", id)
}

// changeable finds a conversation that the caller may change: one of its own, of the revision that it wants, 0 for any.
func changeable(ctx context.Context, tx store.Tx, id string, revision int64) (int64, schema.ConversationSummary, error) {
	key, c, err := tx.ConversationOf(fault.Viewer(ctx), id)
	switch {
	case err != nil:
		return 0, c, err
	case c.Principal != schema.CallerFrom(ctx).Principal:
		return 0, c, schema.Errorf(schema.CodePermissionDenied, "conversation %s belongs to somebody else; only its owner may change or delete it", id)
	case revision != 0 && revision != c.Revision:
		return 0, c, schema.Errorf(schema.CodeRevisionMismatch,
			"conversation %s has revision %d and not %d; read it again and repeat the change", id, c.Revision, revision)
	}
	return key, c, nil
}
