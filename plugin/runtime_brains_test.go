//go:build unix

package plugin_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
)

type counting struct {
	UpTo int `json:"upTo" minimum:"1" maximum:"1000" default:"100"`
}

// Brain counts, and goes on where it was broken off.
func (c *crew) Brain() sdk.Brain {
	return sdk.NewBrain("Counts.", func(ctx context.Context, r sdk.ThinkRequest, o counting) iter.Seq2[sdk.ThinkEvent, error] {
		return func(yield func(sdk.ThinkEvent, error) bool) {
			said := 0
			if last := r.Messages[len(r.Messages)-1]; last.Role == sdk.ThinkAgent {
				said = len(strings.Fields(last.Text))
			}
			if !yield(sdk.ThinkEvent{Thought: "for " + schema.CallerFrom(ctx).Principal}, nil) {
				return
			}
			for n := said + 1; n <= o.UpTo; n++ {
				select {
				case <-time.After(2 * time.Millisecond):
				case <-ctx.Done():
					return
				}
				if !yield(sdk.ThinkEvent{Text: fmt.Sprintf("%d ", n)}, nil) {
					return
				}
			}
			yield(sdk.ThinkEvent{Done: &sdk.ThinkDone{Stop: sdk.StopEnd, Model: "counter"}}, nil)
		}
	}, sdk.Embeds(func(_ context.Context, r sdk.EmbedRequest) (sdk.Embeddings, error) {
		out := sdk.Embeddings{Model: "length"}
		for _, t := range r.Texts {
			out.Vectors = append(out.Vectors, []float32{float32(len(t)), 1})
		}
		return out, nil
	}))
}

// counted is what the brain says in all.
func counted(upTo int) string {
	var b strings.Builder
	for n := range upTo {
		fmt.Fprintf(&b, "%d ", n+1)
	}
	return b.String()
}

// speaks says a message to an agent and returns what it thinks, its deltas, joined, its reply, and what ended the turn. at is
// called when the first delta has come.
func (r *stagedRuntime) speaks(ctx context.Context, at func()) (mind, said, reply string, end schema.EventType) {
	r.t.Helper()
	for e, err := range r.Services().Chat.Send(ctx, schema.SendRequest{AgentID: "nyx", Message: "Count."}) {
		if err != nil {
			r.t.Fatal(err)
		}
		if e.Event == nil {
			continue
		}
		switch e.Event.Type {
		case schema.EventThought:
			var x schema.Thought
			r.read(e.Event, &x)
			mind += x.Thought + "\n"
		case schema.EventDelta:
			var d schema.Delta
			r.read(e.Event, &d)
			if said += d.Delta; d.Index == 0 {
				at()
			}
		case schema.EventReply:
			var x schema.Reply
			r.read(e.Event, &x)
			reply = x.Reply.Content
		}
		if e.Event.Type.Terminal() {
			end = e.Event.Type
		}
	}
	return mind, said, reply, end
}

// TestAgentsOfARuntimeProcessHaveBrains: an agent lives in one process, and thinks with another one, which is replaced and killed
// while it speaks.
func TestAgentsOfARuntimeProcessHaveBrains(t *testing.T) {
	const upTo = 100
	spec := runtimeSpec(t, nil)
	r := openProcess(t, spec)
	m := plugin.New(guard.New(r.Services()), plugin.WithRunDir(t.TempDir()))
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	admin := as(t, "root")
	brain := schema.AgentPatch{Brain: schema.Set(schema.Brain{Provider: "crew", Options: schema.Object{"upTo": upTo}})}
	if _, err := r.Services().Agents.Update(admin, "nyx", brain); err == nil || !strings.Contains(err.Error(), `there is no brain "crew"`) {
		t.Errorf("without extensions: %v", err)
	}
	r.UseCommands(m.Commands())
	r.UseBrains(m.Brains())
	extension := relaySpec(t, `{}`)
	extension.Name, extension.Env = "crew", map[string]string{envCrew: "1", "GORACE": "exitcode=0 atexit_sleep_ms=0"}
	if err := m.Start(admin, extension); err != nil {
		t.Fatal(err)
	}
	wrong := schema.AgentPatch{Brain: schema.Set(schema.Brain{Provider: "crew", Options: schema.Object{"upTwo": upTo}})}
	if _, err := r.Services().Agents.Update(admin, "nyx", wrong); schema.CodeOf(err) != schema.CodeInvalidArgument || !strings.Contains(err.Error(), "upTo") {
		t.Errorf("options that do not fit: %v", err)
	}
	if _, err := r.Services().Agents.Update(admin, "nyx", brain); err != nil {
		t.Fatal(err)
	}
	ann := schema.WithCaller(as(t, "ann"), schema.Caller{Principal: "ann", Scopes: []schema.Scope{schema.ScopeChat}})
	for _, x := range []struct {
		name   string
		strike func()
	}{
		{"nothing happens", func() {}},
		{"its brain is replaced", func() {
			if err := m.Reload(admin, extension); err != nil {
				t.Error(err)
			}
		}},
		{"its brain is killed", func() {
			if err := syscall.Kill(m.Status()[0].PID, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}},
		{"both are replaced", func() {
			if err := m.Reload(admin, extension); err != nil {
				t.Error(err)
			}
			if err := r.Reload(admin, spec); err != nil {
				t.Error(err)
			}
		}},
	} {
		mind, said, reply, end := r.speaks(ann, x.strike)
		if end != schema.EventReply || said != counted(upTo) || reply != said || !strings.Contains(mind, "for ann\n") {
			t.Errorf("%s: it thinks %q, says %q and replies %q; the end is %s", x.name, mind, said, reply, end)
		}
	}
}
