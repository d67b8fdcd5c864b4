//go:build unix

package plugin_test

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// large is more than gRPC lets through unless it is told otherwise, on each side and for each direction.
const large = 5 << 20

// largeAgents answers with much, and says how much it was given.
type largeAgents struct{ schema.Agents }

func (largeAgents) Get(context.Context, string) (schema.Agent, error) {
	return schema.Agent{Persona: strings.Repeat("x", large)}, nil
}

func (largeAgents) Update(_ context.Context, _ string, p schema.AgentPatch) (schema.Agent, error) {
	return schema.Agent{Revision: int64(len(p.Persona.Value))}, nil
}

// TestLargeMessagesPassTheBoundary from an extension to its host and back, on the connection that it dials, which has no
// options of the one that it was called on.
func TestLargeMessagesPassTheBoundary(t *testing.T) {
	services := schema.Services{Agents: largeAgents{}}
	offered, _ := startRelay(t, services)
	conn, err := grpc.NewClient("passthrough:///"+offered, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessageSize), grpc.MaxCallSendMsgSize(wire.MaxMessageSize)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	agents := wire.Dial(conn, services.Names()).Agents
	ctx := schema.WithCaller(t.Context(), schema.Caller{Principal: "p", Scopes: []schema.Scope{schema.ScopeAdmin}})
	if a, err := agents.Get(ctx, "nyx"); err != nil || len(a.Persona) != large {
		t.Errorf("%d bytes came from the host, %v", len(a.Persona), err)
	}
	patch := schema.AgentPatch{Persona: schema.Set(strings.Repeat("x", large))}
	if a, err := agents.Update(ctx, "nyx", patch); err != nil || a.Revision != large {
		t.Errorf("%d bytes came to the host, %v", a.Revision, err)
	}
}

// TestALargeBlockReachesItsExtension, which has something to say about it.
func TestALargeBlockReachesItsExtension(t *testing.T) {
	h := newHost(t, schema.Services{})
	spec := relaySpec(t, `{"large":"`+strings.Repeat("x", large)+`"}`)
	if err := h.Start(t.Context(), spec); err == nil || !strings.Contains(err.Error(), `unknown key "large"`) {
		t.Errorf("error = %.300v", err)
	}
}
