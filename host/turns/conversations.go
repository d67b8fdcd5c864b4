package turns

import (
	"context"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/paging"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// Conversation returns a conversation with a page of its messages.
func (s *Chat) Conversation(ctx context.Context, q schema.ConversationQuery) (schema.Conversation, error) {
	at, err := placeOf(q.Cursor)
	if err != nil {
		return schema.Conversation{}, err
	}
	var c schema.Conversation
	err = s.store.View(ctx, func(r store.Reader) error {
		key, summary, err := r.ConversationOf(fault.Viewer(ctx), q.ID)
		if err != nil {
			return err
		}
		if q.Since != "" {
			if at, err = since(r, key, q); err != nil {
				return err
			}
		}
		c, err = at.page(r, key, schema.PageSize(q.Limit))
		c.ConversationSummary = summary
		return err
	})
	if err != nil {
		return schema.Conversation{}, fault.OrNotFound(s.log, err, "read conversation", "conversation", q.ID)
	}
	return c, nil
}

// Conversations lists the conversations that the caller may see, the last changed first.
func (s *Chat) Conversations(ctx context.Context, q schema.ConversationsQuery) (schema.ConversationPage, error) {
	before, err := conversationList.Number(q.Cursor)
	if err != nil {
		return schema.ConversationPage{}, err
	}
	limit := schema.PageSize(q.Limit)
	var page schema.ConversationPage
	err = s.store.View(ctx, func(r store.Reader) error {
		all, numbers, err := r.Conversations(store.ConversationsQuery{
			Viewer: fault.Viewer(ctx), Text: q.Text, AgentID: q.AgentID, Archived: q.Archived, Before: before, Limit: limit + 1,
		})
		page.Conversations, page.NextCursor = paging.Cut(conversationList, all, numbers, limit)
		return err
	})
	if err != nil {
		return schema.ConversationPage{}, fault.Of(s.log, "list conversations", err)
	}
	return page, nil
}
