package api

import (
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/schema"
)

// example is a body that the document shows. Its name is that of a component, and there is one of each name; its value is of
// the type that the route reads or answers, so that it cannot be of another shape.
type example struct {
	name    string
	summary string
	value   any
}

// shown keeps the examples among the components, and returns them by their names.
func shown(c *huma.Components, all []example) map[string]*huma.Example {
	out := map[string]*huma.Example{}
	for _, e := range all {
		c.Examples[e.name] = &huma.Example{Summary: e.summary, Value: e.value}
		out[e.name] = &huma.Example{Ref: "#/components/examples/" + e.name}
	}
	return out
}

func exampleAgent() example { return example{"Agent", "An agent that runs", sampleNyx()} }

func exampleAgentPage() example {
	return example{"AgentPage", "The last page", schema.AgentPage{Agents: []schema.Agent{sampleNyx()}}}
}

func exampleStoppedAgent() example {
	a := sampleNyx()
	a.Status, a.Revision, a.UpdatedAt = schema.AgentStopped, a.Revision+2, sampleTime(0)
	return example{"StoppedAgent", "An agent that does not run", a}
}

func exampleNewAgent() example { return example{"NewAgent", "An agent just created", sampleVera()} }

func exampleNewAgents() []example {
	a := sampleVera()
	return []example{
		{"CreateAgent", "An agent with a skill", createAgentBody{
			ID: a.ID, Name: a.Name, Description: a.Description, Skills: a.Skills, Persona: a.Persona,
		}},
		{"CreateBareAgent", "An id is enough; this one does not run yet", createAgentBody{ID: "echo", Start: new(bool)}},
	}
}

func exampleAgentPatches() []example {
	return []example{
		{"ChangeAgent", "What is given is changed", schema.AgentPatch{
			Skills: schema.Set([]string{"programming", "security", "databases"}), Metadata: schema.Set(schema.Object{"team": "platform"}),
		}},
		{"ClearAgent", "Null clears: the name is the id again, the brain the default", schema.AgentPatch{
			Name: schema.Clear[string](), Brain: schema.Clear[schema.Brain](),
		}},
	}
}

func exampleMessages() []example {
	return []example{
		{"Message", "To an agent, in a new conversation", sendBody{AgentID: "nyx", Message: "Hello!"}},
		{"MessageToRoute", "To whoever fits best", sendBody{Message: "I need help with coding", Context: schema.Object{"skill": "programming"}}},
		{"MessageInstead", "In a conversation, in the place of what is under way there", sendBody{
			ConversationID: sampleConversationID, Message: "Never mind, do this instead", OnBusy: string(schema.BusyInterrupt), OnDisconnect: disconnectCancels,
		}},
	}
}

func exampleReplies() []example {
	reply, route := sampleReply(), sampleDecision()
	routed := answerOf(sampleAccepted(), &reply)
	routed.Route = &route
	return []example{
		{"Reply", "The reply of the agent that was named", answerOf(sampleAccepted(), &reply)},
		{"RoutedReply", "The reply of the agent that was chosen", routed},
	}
}

func exampleAccepted() example {
	return example{"Accepted", "The turn goes on; there is no reply yet", answerOf(sampleAccepted(), nil)}
}

func exampleQuestions() []example {
	return []example{{"Question", "Who would answer this?", routeBody{Message: "I need help with coding"}}}
}

func exampleDecision() example {
	return example{"Decision", "An agent with a skill for it", sampleDecision()}
}

func exampleConversationSummary() example {
	c := sampleConversation()
	c.Title, c.Revision, c.UpdatedAt = "Coding", c.Revision+1, sampleTime(60_000)
	return example{"ConversationSummary", "A conversation with a title", c}
}

func exampleConversation() example {
	return example{"Conversation", "A message and its reply", schema.Conversation{
		ConversationSummary: sampleConversation(), Messages: []schema.Message{sampleMessage(), sampleReply()},
	}}
}

func exampleConversationPage() example {
	return example{"ConversationPage", "The first page of several", schema.ConversationPage{
		Conversations: []schema.ConversationSummary{sampleConversation()}, NextCursor: "Y29udmVyc2F0aW9uczo2",
	}}
}

func exampleNewConversations() []example {
	return []example{
		{"CreateConversation", "With an id of your own", createConversationBody{ID: "optional-id", Title: "Whales", AgentID: "vera"}},
		{"CreateEmptyConversation", "Everything is optional", createConversationBody{}},
	}
}

func exampleNewConversation() example {
	return example{"NewConversation", "A conversation without a message", schema.ConversationSummary{
		ID: "optional-id", Principal: "alice", Title: "Whales", AgentID: "vera", Revision: 1, CreatedAt: sampleTime(0), UpdatedAt: sampleTime(0),
	}}
}

func exampleConversationPatches() []example {
	return []example{
		{"Rename", "Give it a title", schema.ConversationPatch{Title: schema.Set("Coding")}},
		{"Archive", "Put it away, and call it after its first message again", schema.ConversationPatch{
			Title: schema.Clear[string](), Archived: schema.Set(true),
		}},
	}
}

func exampleRun() example { return example{"Run", "A run that has come to its reply", sampleRun()} }

func exampleRunPage() example {
	r := sampleRun()
	r.Reply, r.Usage = nil, nil
	return example{"RunPage", "The last page", schema.RunPage{Runs: []schema.Run{r}}}
}

func exampleCancelledRun() example {
	r := sampleRun()
	partial := *r.Reply
	partial.Content, partial.Partial = "Tell me the language, ", true
	r.Status, r.Reason, r.Reply = schema.RunCancelled, schema.ReasonCancelled, &partial
	return example{"CancelledRun", "A run that was cancelled, and what the agent had said", r}
}

func exampleMemory() example {
	return example{"Memory", "Something that an agent remembers", sampleMemory()}
}

func exampleNewMemories() []example {
	m, until := sampleMemory(), sampleTime(365*86_400_000)
	return []example{
		{"StoreMemory", "Something to remember", storeMemoryBody{AgentID: "nyx", Content: "Remember this"}},
		{"StoreTaggedMemory", "With everything to find it by", storeMemoryBody{
			AgentID: m.AgentID, Content: m.Content, Metadata: m.Metadata, Tags: m.Tags, Importance: &m.Importance, ExpiresAt: &until,
		}},
	}
}

func exampleSearchAnswer() example {
	return example{"FoundMemories", "One memory was found", searchMemoryAnswer{Results: []schema.MemoryHit{{Memory: sampleMemory(), Score: 1.2}}}}
}

func exampleUsageReport() example {
	large, local := sampleUsage(), schema.UsageSum{Steps: 1, TokenUsage: schema.TokenUsage{InputTokens: 640, OutputTokens: 88}, UnpricedTokens: 728}
	return example{"UsageReport", "By model; the price of one of them is not known", schema.UsageReport{
		Currency: "USD", Total: large.Add(local), Groups: []schema.UsageGroup{{Key: "ollama/llama3.2", UsageSum: local}, {Key: "openai/gpt-4o", UsageSum: large}},
	}}
}

func exampleHealth() example { return example{"Health", "All is well", healthy().Body} }

func exampleEventsPage() example {
	head := schema.Cursor{Epoch: sampleEpoch, Seq: 36}.String()
	return example{"EventsPage", "All there is for now", eventsPage{Events: sampleTurn(), NextCursor: head, Head: head}}
}

func exampleTurnStream() example {
	return example{"TurnStream", "A turn as it happens", string(slices.Concat(
		ackBlock(sampleAccepted(), sampleAccepted().Since), blocks(sampleTurn(), sampleAccepted().Since.Seq), commentBlock("the run is over")))}
}

func exampleEventStream() example {
	since := sampleAccepted().Since
	q := schema.EventQuery{Since: since, Agents: []string{"nyx"}, Types: []schema.EventType{schema.EventThought}}
	return example{"EventStream", "The thoughts of an agent as it has them", string(slices.Concat(
		openingBlock(q, since, 2*time.Second), blocks(sampleTurn()[2:3], since.Seq), commentBlock("still here")))}
}

// blocks returns events as a stream has them that stands at prev.
func blocks(events []schema.Event, prev uint64) (all []byte) {
	for _, e := range events {
		b, err := eventBlock(e, prev)
		if err != nil {
			panic("api: encode an example: " + err.Error()) // it is the same at every start
		}
		all, prev = append(all, b...), e.Cursor.Seq
	}
	return all
}
