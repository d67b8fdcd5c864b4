package client_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/client"
)

func Example() {
	if err := greet(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// nyx begins
	// nyx has replied
}

// greet says hello to nyx and follows what nyx does about it.
func greet(ctx context.Context) error {
	c, err := client.New(os.Getenv("STAGEHOUSE_URL"), client.WithToken(os.Getenv("STAGEHOUSE_TOKEN")))
	if err != nil {
		return err
	}
	defer c.Close()
	events, err := c.Events(ctx, client.Filter{Agents: []string{"nyx"}, Events: []schema.EventType{"chat:*"}})
	if err != nil {
		return err
	}
	defer events.Close()

	turn, err := c.Chat(ctx, client.Message{AgentID: "nyx", Text: "Hello!"}) // accepted once, whatever dies meanwhile
	if err != nil {
		return err
	}
	reply, err := turn.Reply(ctx) // or range over turn.Deltas(ctx), to show it as it is formed
	if err != nil {
		return err
	}

	for e, err := range events.All(ctx) {
		switch {
		case err != nil:
			return err // the end: the token is not good any more, or ctx has ended
		case e.Type == schema.EventGap:
			fmt.Println("some events are gone: read the state anew")
		case e.Type == schema.EventStarted:
			fmt.Println(e.AgentID, "begins")
		case e.RunID == reply.RunID && e.Type == schema.EventReply:
			fmt.Println(e.AgentID, "has replied")
			return nil // to go on later, keep e.Cursor: it is the Since of a Filter
		}
	}
	return nil
}

// TestDocsShowTheExample keeps the chapter for clients true.
func TestDocsShowTheExample(t *testing.T) {
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	chapter, err := os.ReadFile(filepath.Join("..", "..", "docs", "clients.md"))
	if err != nil {
		t.Fatal(err)
	}
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(chapter), -1)
	if len(snippets) != 1 || !strings.Contains(string(source), snippets[0][1]) {
		t.Errorf("docs/clients.md shows %q, which is not in this file", snippets)
	}
}
