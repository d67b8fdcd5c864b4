package turns_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/stagehouse/stagehouse/host/eventlog"
	"github.com/stagehouse/stagehouse/host/roster"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/memory"
	"github.com/stagehouse/stagehouse/host/turns"
	"github.com/stagehouse/stagehouse/schema"
)

// An agent that shouts back what it is told, with a conversation, runs and events around it.
func Example() {
	ctx := schema.WithCaller(context.Background(), schema.Caller{Principal: "alice", Scopes: []schema.Scope{schema.ScopeChat}})
	s := memory.New()
	log, err := eventlog.Open(ctx, s)
	if err != nil {
		panic(err)
	}
	chat, err := turns.New(turns.Options{Store: s, Events: log, Work: func(_ context.Context, t *turns.Turn) (turns.Reply, error) {
		err := t.Tell(schema.EventThought, schema.Thought{Thought: "They are far away"})
		return turns.Reply{Content: strings.ToUpper(t.Message.Content) + "!"}, err
	}})
	if err != nil {
		panic(err)
	}
	err = s.Update(ctx, func(tx store.Tx) error {
		echo := schema.NewAgent{ID: "echo"}.Agent(schema.Brain{Provider: "none"})
		_, err := roster.Insert(tx, store.Agent{Agent: echo, Desired: true}, store.Clock(nil)())
		return err
	})
	if err != nil {
		panic(err)
	}

	for step, err := range chat.Send(ctx, schema.SendRequest{AgentID: "echo", Message: "hello"}) {
		switch {
		case err != nil:
			panic(err)
		case step.Accepted != nil:
			fmt.Println("accepted")
		default:
			fmt.Println(step.Event.Type)
		}
	}
	page, err := chat.Conversations(ctx, schema.ConversationsQuery{})
	if err != nil {
		panic(err)
	}
	c, err := chat.Conversation(ctx, schema.ConversationQuery{ID: page.Conversations[0].ID})
	if err != nil {
		panic(err)
	}
	for _, m := range c.Messages {
		fmt.Println(m.Role, m.Content)
	}
	if err := chat.Close(ctx); err != nil {
		panic(err)
	}
	log.Close()
	if err := s.Close(); err != nil {
		panic(err)
	}
	// Output:
	// accepted
	// chat:queued
	// chat:started
	// agent:thought
	// chat:reply
	// user hello
	// agent HELLO!
}
