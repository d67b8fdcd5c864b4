package local

import (
	"context"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// Conversation returns a conversation with a page of its messages.
func (s chat) Conversation(ctx context.Context, q schema.ConversationQuery) (schema.Conversation, error) {
	at, err := placeOf(q.Cursor)
	if err != nil {
		return schema.Conversation{}, err
	}
	var c schema.Conversation
	err = s.store.View(ctx, func(r store.Reader) error {
		key, summary, err := r.ConversationOf(viewer(ctx), q.ID)
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
		return schema.Conversation{}, s.orNotFound(err, "read conversation", "conversation", q.ID)
	}
	return c, nil
}

// Conversations lists the conversations that the caller may see, the last changed first.
func (s chat) Conversations(ctx context.Context, q schema.ConversationsQuery) (schema.ConversationPage, error) {
	before, err := conversationList.number(q.Cursor)
	if err != nil {
		return schema.ConversationPage{}, err
	}
	limit := schema.PageSize(q.Limit)
	var page schema.ConversationPage
	err = s.store.View(ctx, func(r store.Reader) error {
		all, numbers, err := r.Conversations(store.ConversationsQuery{
			Viewer: viewer(ctx), Text: q.Text, AgentID: q.AgentID, Archived: q.Archived, Before: before, Limit: limit + 1,
		})
		page.Conversations, page.NextCursor = cut(conversationList, all, numbers, limit)
		return err
	})
	if err != nil {
		return schema.ConversationPage{}, s.fault("list conversations", err)
	}
	return page, nil
}

// cut returns the page that was read with one entry more than limit, to see whether there are more, and the cursor of the next
// page.
func cut[T any](l list, all []T, numbers []int64, limit int) (page []T, next string) {
	if len(all) > limit {
		all, next = all[:limit], l.numbered(numbers[limit-1])
	}
	return orNone(all), next
}

// orNone returns a list that is empty rather than nil: clients see [], not null.
func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
