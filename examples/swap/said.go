package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/client"
)

// says has turns and stores memories by the client library, one after the other, until the end. Whatever happens to the server, no
// call may fail: a turn may, because its host died under it.
func (l *load) says(ctx context.Context, conversation string) error {
	c, err := client.New("http://"+l.host.address, client.WithToken(l.host.token), client.WithOpenTimeout(patience),
		client.WithBackoff(250*time.Millisecond, 5*time.Second))
	if err != nil {
		return err
	}
	defer c.Close()
	for sends := false; !l.ending(); sends = !sends {
		m := client.Message{AgentID: "aria", ConversationID: conversation, Text: fmt.Sprintf("swap message number %d", l.number.Add(1))}
		ask := chat
		if sends {
			ask = send
		}
		if err := ask(ctx, c, m); err != nil {
			l.unsaidOf(ctx, m.Text, err)
			continue
		}
		l.keep(func(l *load) { l.messages[m.Text] = conversation })
		memory := schema.NewMemory{AgentID: "aria", Content: fmt.Sprintf("swap memory number %d", l.number.Add(1))}
		item, err := c.StoreMemory(ctx, memory)
		if err != nil {
			l.unsaidOf(ctx, memory.Content, err)
			continue
		}
		l.keep(func(l *load) { l.memories[item.ID] = memory.Content })
		l.said.Add(1)
	}
	return nil
}

// unsaidOf counts a call that failed, unless everything ends.
func (l *load) unsaidOf(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return
	}
	l.unsaid.Add(1)
	l.alarm("a call of the client library failed", fmt.Errorf("%s: %w", what, err))
	_ = pause(ctx)
}

// pause keeps what fails at once from filling the screen.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(100 * time.Millisecond):
		return nil
	}
}

// chat says something over a socket, and waits for the end of the turn.
func chat(ctx context.Context, c *client.Client, m client.Message) error {
	turn, err := c.Chat(ctx, m)
	if err != nil {
		return err
	}
	defer turn.Close()
	_, err = turn.Reply(ctx)
	if ended := (*client.TurnError)(nil); errors.As(err, &ended) && left(ended.Reason) {
		return nil
	}
	return err
}

// send says something over REST, and waits for the end of the turn.
func send(ctx context.Context, c *client.Client, m client.Message) error {
	_, err := c.Send(ctx, m)
	e := (*client.Error)(nil)
	if !errors.As(err, &e) || e.RunID == "" {
		return err
	}
	run, err := c.Run(ctx, e.RunID)
	if err == nil && !left(run.Reason) {
		err = e
	}
	return err
}

// left reports whether a turn with that reason has failed because its host was gone.
func left(reason string) bool {
	return reason == schema.ReasonHostRestarted || reason == schema.ReasonShutdown
}
