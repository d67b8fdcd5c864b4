package turns

import (
	"errors"

	"github.com/stagehouse/stagehouse/host/paging"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// The lists that cursors are places in.
const (
	conversationList paging.List = "conversations"
	messageList      paging.List = "messages" // those before a number
	newerList        paging.List = "newer"    // messages after a number
	runList          paging.List = "runs"
)

// place is where a page of messages ends or begins.
type place struct {
	newer  bool  // the page is what comes after number; otherwise what comes before it
	number int64 // of a message; 0 before = the newest ones
}

// placeOf reads a cursor of either direction; "" is the end of the conversation.
func placeOf(cursor string) (place, error) {
	if n, err := newerList.Number(cursor); err == nil && cursor != "" {
		return place{newer: true, number: n}, nil
	}
	n, err := messageList.Number(cursor)
	return place{number: n}, err
}

// since returns the place after a message that the caller knows.
func since(r store.Reader, conversation int64, q schema.ConversationQuery) (place, error) {
	n, err := r.MessageNumber(conversation, q.Since)
	if errors.Is(err, store.ErrNotFound) {
		err = schema.Invalid("since", "there is no message %.140q in conversation %s; read the conversation without since", q.Since, q.ID)
	}
	return place{newer: true, number: n}, err
}

// page returns the messages of a page, and where to go on from it in both directions.
func (p place) page(r store.Reader, conversation int64, limit int) (c schema.Conversation, err error) {
	var first, last int64
	if p.newer {
		c.Messages, last, err = r.MessagesAfter(conversation, p.number, limit)
		first = p.number + 1 // what comes before the page ends with the message that it comes after
	} else {
		c.Messages, first, err = r.Messages(conversation, p.number, limit)
		last = p.number - 1
	}
	c.Messages = paging.OrNone(c.Messages)
	if err != nil {
		return c, err
	}
	if first > 0 {
		if older, _, err := r.Messages(conversation, first, 1); err != nil {
			return c, err
		} else if len(older) > 0 {
			c.NextCursor = messageList.Numbered(first)
		}
	}
	if last > 0 {
		if newer, _, err := r.MessagesAfter(conversation, last, 1); err != nil {
			return c, err
		} else if len(newer) > 0 {
			c.PrevCursor = newerList.Numbered(last)
		}
	}
	return c, nil
}
