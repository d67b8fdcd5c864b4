package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/schema"
)

type (
	storeMemoryInput struct{ Body storeMemoryBody }
	storeMemoryBody  struct {
		AgentID    string        `json:"agentId" doc:"Who is to remember it" example:"nyx"`
		Content    string        `json:"content" doc:"What to remember" example:"Remember this"`
		Metadata   schema.Object `json:"metadata,omitempty" doc:"Given back as it is"`
		Tags       []string      `json:"tags,omitempty" nullable:"false" doc:"Up to 64 words of your own to find it by"`
		Importance *float64      `json:"importance,omitempty" minimum:"0" maximum:"1" doc:"How much it matters; 0.5 if absent. It weighs a little in a search"`
		ExpiresAt  *time.Time    `json:"expiresAt,omitempty" doc:"From when on it does not exist any more; in the future. Never if absent"`
		Shared     bool          `json:"shared,omitempty" doc:"Whether everybody who talks to the agent may be told; needs the scope admin"`
	}
	storeMemoryOutput struct {
		Location string `header:"Location" doc:"Path of the memory" example:"/api/agents/nyx/memories/mem_01m87vmz2c5d8e6f4g3h1jkm0n"`
		Body     schema.MemoryItem
	}

	searchMemoryInput struct {
		Text          string   `query:"q" doc:"Plain words; nothing in them is an operator. Without it, which needs anything else to search by, the newest come first" example:"query"`
		AgentID       string   `query:"agentId" doc:"Only memories of this agent" example:"nyx"`
		Limit         int      `query:"limit" minimum:"1" maximum:"200" doc:"How many at most; 10 if absent" example:"10"`
		Tags          []string `query:"tag,explode" nullable:"false" doc:"Only memories with this tag; with all of them if there are more" example:"pets"`
		MinImportance float64  `query:"minImportance" minimum:"0" maximum:"1" doc:"Only memories that matter as much" example:"0.5"`

		metadata []schema.MetadataEquals
	}
	searchMemoryOutput struct{ Body searchMemoryAnswer }
	searchMemoryAnswer struct {
		Results []schema.MemoryHit `json:"results" nullable:"false" doc:"Best first"`
	}

	memoryInput struct {
		MemoryID string `path:"memoryId" doc:"Id of the memory" example:"mem_01m87vmz2c5d8e6f4g3h1jkm0n"`
	}
	agentMemoryInput struct {
		AgentID  string `path:"agentId" doc:"Id of the agent" example:"nyx"`
		MemoryID string `path:"memoryId" doc:"Id of the memory" example:"mem_01m87vmz2c5d8e6f4g3h1jkm0n"`
	}
	memoryOutput struct{ Body schema.MemoryItem }
)

func (s *Server) registerMemory(api huma.API) {
	register(api, route{
		id: "store-memory", method: http.MethodPost, path: "/api/memory/store", tag: tagMemory, summary: "Store memory", scope: schema.ScopeChat,
		description: "Lets an agent remember something. It is told to you, and to everybody if it is `shared`, which needs the scope `admin`. The agent need not be running.",
		codes:       []schema.ErrorCode{schema.CodeNotFound}, status: http.StatusCreated,
		sends: exampleNewMemories(), answers: []example{exampleMemory()},
	}, callTimeout, s.storeMemory)
	register(api, route{
		id: "search-memory", method: http.MethodGet, path: "/api/memory/search", tag: tagMemory, summary: "Search memories", scope: schema.ScopeRead,
		description: "Memories that share a word with `q`, or, where a model embeds them, mean something near to it; best first, of equals the newer one. " +
			"Without `q`, all that fit the rest, the newest first. There are no pages: raise `limit`, or ask for less. Large ones may leave room for fewer than `limit`.",
		parameters: []*huma.Param{metadataParameter()},
		answers:    []example{exampleSearchAnswer()},
	}, callTimeout, s.searchMemory)
	const one, ofAgent = "/api/memory/{memoryId}", "/api/agents/{agentId}/memories/{memoryId}"
	register(api, reading("get-memory-by-id", one, "Get memory"), callTimeout,
		func(ctx context.Context, in *memoryInput) (*memoryOutput, error) {
			return s.getMemory(ctx, "", in.MemoryID)
		})
	register(api, reading("get-memory", ofAgent, "Get memory of an agent"), callTimeout,
		func(ctx context.Context, in *agentMemoryInput) (*memoryOutput, error) {
			return s.getMemory(ctx, in.AgentID, in.MemoryID)
		})
	register(api, forgetting("delete-memory-by-id", one, "Delete memory"), callTimeout,
		func(ctx context.Context, in *memoryInput) (*struct{}, error) {
			return nil, s.deleteMemory(ctx, "", in.MemoryID)
		})
	register(api, forgetting("delete-memory", ofAgent, "Delete memory of an agent"), callTimeout,
		func(ctx context.Context, in *agentMemoryInput) (*struct{}, error) {
			return nil, s.deleteMemory(ctx, in.AgentID, in.MemoryID)
		})
}

// reading is what the routes that read a memory have in common.
func reading(id, path, summary string) route {
	return route{
		id: id, method: http.MethodGet, path: path, tag: tagMemory, summary: summary, scope: schema.ScopeRead,
		description: "A memory that you stored, that was learnt in your conversations, or that is shared. One that has expired is not there any more.",
		codes:       []schema.ErrorCode{schema.CodeNotFound}, answers: []example{exampleMemory()},
	}
}

// forgetting is what the routes that delete a memory have in common.
func forgetting(id, path, summary string) route {
	return route{
		id: id, method: http.MethodDelete, path: path, tag: tagMemory, summary: summary, scope: schema.ScopeChat,
		description: "Has a memory of your own forgotten, for ever. That of somebody else which is shared with you is a 403, unless you have the scope `admin`. Repeated, it is a 404.",
		codes:       []schema.ErrorCode{schema.CodeNotFound}, status: http.StatusNoContent,
	}
}

func (s *Server) storeMemory(ctx context.Context, in *storeMemoryInput) (*storeMemoryOutput, error) {
	item, err := s.services.Memory.Store(ctx, schema.NewMemory{
		AgentID: in.Body.AgentID, Content: in.Body.Content, Metadata: in.Body.Metadata, Shared: in.Body.Shared,
		Tags: in.Body.Tags, Importance: in.Body.Importance, ExpiresAt: in.Body.ExpiresAt,
	})
	if err != nil {
		return nil, within("body", err)
	}
	return &storeMemoryOutput{
		Location: "/api/agents/" + url.PathEscape(item.AgentID) + "/memories/" + url.PathEscape(item.ID), Body: item,
	}, nil
}

func (s *Server) searchMemory(ctx context.Context, in *searchMemoryInput) (*searchMemoryOutput, error) {
	hits, err := s.services.Memory.Search(ctx, schema.MemoryQuery{
		AgentID: in.AgentID, Text: in.Text, Limit: in.Limit, Tags: in.Tags, MinImportance: in.MinImportance, Metadata: in.metadata,
	})
	if err != nil {
		return nil, within("query", err)
	}
	if hits == nil {
		hits = []schema.MemoryHit{}
	}
	return &searchMemoryOutput{Body: searchMemoryAnswer{Results: hits}}, nil
}

// getMemory returns a memory of the agent, "" = of whichever.
func (s *Server) getMemory(ctx context.Context, agentID, id string) (*memoryOutput, error) {
	item, err := s.services.Memory.Get(ctx, agentID, id)
	if err != nil {
		return nil, within("path", err)
	}
	return &memoryOutput{Body: item}, nil
}

func (s *Server) deleteMemory(ctx context.Context, agentID, id string) error {
	if err := s.services.Memory.Delete(ctx, agentID, id); err != nil {
		return within("path", err)
	}
	return nil
}
