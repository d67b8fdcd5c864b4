package client_test

import (
	"context"
	"fmt"
	"os"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/client"
)

func Example() {
	if err := talk(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Nyx is running
	// Nyx has answered
}

func talk(ctx context.Context) error {
	c, err := client.New(os.Getenv("STAGEHOUSE_URL"), client.WithToken(os.Getenv("STAGEHOUSE_TOKEN")))
	if err != nil {
		return err
	}
	defer c.Close()

	nyx, err := c.Agent(ctx, "nyx")
	if err != nil {
		return err
	}
	fmt.Println(nyx.Name, "is", nyx.Status)

	events, err := c.Events(ctx, client.Filter{Agents: []string{"nyx"}, Events: []schema.EventType{"chat:reply"}})
	if err != nil {
		return err
	}
	defer events.Close()

	turn, err := c.Chat(ctx, client.Message{AgentID: "nyx", Text: "Hello!"})
	if err != nil {
		return err
	}
	var reply string
	for piece, err := range turn.Deltas(ctx) {
		if err != nil {
			return err
		}
		reply += piece
	}
	for e, err := range events.All(ctx) { // keep e.Cursor, and a later Filter goes on from there
		if err != nil {
			return err
		}
		if e.RunID == turn.RunID {
			break
		}
	}
	if reply != "" {
		fmt.Println(nyx.Name, "has answered")
	}
	return nil
}
