//go:build unix

package plugin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
)

const envCrew = "STAGEHOUSE_TEST_CREW"

// crewMain makes this process the extension crew, if a test has started it as that.
func crewMain() {
	if os.Getenv(envCrew) != "" {
		sdk.Main(sdk.Definition{Name: "crew", Version: "1", New: func() sdk.Extension { return &crew{} }})
	}
}

// crew is an extension that agents can ask who asks it.
type crew struct{ host *sdk.Host }

func (c *crew) Start(_ context.Context, h *sdk.Host) error {
	c.host = h
	return nil
}

func (c *crew) Commands() []sdk.Command {
	return []sdk.Command{
		sdk.NewCommand("who", "Tells who asks.", c.who),
		sdk.NewCommand("never", "Is never done.", c.never),
		sdk.NewCommand("rule", "Is for administrators.", c.never, sdk.NeedsScope(sdk.ScopeAdmin)),
	}
}

type asking struct {
	Note string `json:"note" doc:"What is told again"`
}

type asked struct {
	Principal    string `json:"principal"`
	Agent        string `json:"agent"`
	Conversation string `json:"conversation"`
	Run          string `json:"run"`
	Note         string `json:"note"`
	Generation   uint64 `json:"generation"`
}

func (c *crew) who(ctx context.Context, call sdk.CommandCall, in asking) (asked, error) {
	return asked{
		Principal: schema.CallerFrom(ctx).Principal, Agent: call.AgentID, Conversation: call.ConversationID, Run: call.RunID,
		Note: in.Note, Generation: c.host.Generation,
	}, nil
}

func (*crew) never(context.Context, sdk.CommandCall, struct{}) (struct{}, error) {
	return struct{}{}, schema.Errorf(schema.CodeNotFound, "nobody is there")
}

// acts says a message to an agent of a runtime and returns the reply and the actions on the way to it.
func (r *stagedRuntime) acts(ctx context.Context, conversation, text string) (run, reply string, actions []schema.Action) {
	r.t.Helper()
	for e, err := range r.Services().Chat.Send(ctx, schema.SendRequest{AgentID: "nyx", ConversationID: conversation, Message: text}) {
		if err != nil {
			r.t.Fatalf("%s: %v", text, err)
		}
		if e.Accepted != nil {
			continue
		}
		switch e.Event.Type {
		case schema.EventAction:
			var a schema.Action
			r.read(e.Event, &a)
			actions = append(actions, a)
		case schema.EventReply:
			var said schema.Reply
			r.read(e.Event, &said)
			run, reply = e.Event.RunID, said.Reply.Content
		}
	}
	return run, reply, slices.DeleteFunc(actions, func(a schema.Action) bool { return strings.HasPrefix(a.Action, "memory.") })
}

// read decodes what an event has to tell.
func (r *stagedRuntime) read(e *schema.Event, into any) {
	r.t.Helper()
	d := json.NewDecoder(bytes.NewReader(e.Payload))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		r.t.Fatalf("%s: %v", e.Payload, err)
	}
}

// TestAgentsOfARuntimeProcessHaveCommands: an agent lives in one process, and what it can do is in another one. Both are replaced.
func TestAgentsOfARuntimeProcessHaveCommands(t *testing.T) {
	for name, env := range map[string]string{"one connection": "", "two connections": envSeparate} {
		t.Run(name, func(t *testing.T) {
			spec := runtimeSpec(t, nil)
			if env != "" {
				spec.Env[env] = "1"
			}
			r := openProcess(t, spec)
			ann := schema.WithCaller(as(t, "ann"), schema.Caller{Principal: "ann", Scopes: []schema.Scope{schema.ScopeChat}})
			if _, _, actions := r.acts(ann, "one", "/who"); len(actions) != 0 {
				t.Errorf("without extensions there are the actions %+v", actions)
			}
			m := plugin.New(guard.New(r.Services()), plugin.WithRunDir(t.TempDir()))
			t.Cleanup(func() {
				if err := m.Close(context.Background()); err != nil {
					t.Error(err)
				}
			})
			r.UseCommands(m.Commands())
			extension := relaySpec(t, `{}`)
			extension.Name, extension.Env = "crew", map[string]string{envCrew: "1", "GORACE": "exitcode=0 atexit_sleep_ms=0"}
			if err := m.Start(ann, extension); err != nil {
				t.Fatal(err)
			}
			r.asksWho(ann, "1")
			if err := m.Reload(ann, extension); err != nil {
				t.Fatal(err)
			}
			r.asksWho(ann, "2")
			if err := r.Reload(ann, spec); err != nil {
				t.Fatal(err)
			}
			r.asksWho(ann, "2")
			r.isRefused(ann)
			if err := m.Stop(ann, "crew"); err != nil {
				t.Fatal(err)
			}
			if _, _, actions := r.acts(ann, "one", "/who now"); len(actions) != 0 {
				t.Errorf("after the end of the extension there are the actions %+v", actions)
			}
		})
	}
}

// asksWho checks what an extension of a generation is told of who asks it.
func (r *stagedRuntime) asksWho(ctx context.Context, generation json.Number) {
	r.t.Helper()
	run, reply, actions := r.acts(ctx, "one", "/who ünïcödé")
	conversations, err := r.Services().Chat.Conversations(ctx, schema.ConversationsQuery{})
	if err != nil || len(conversations.Conversations) != 1 {
		r.t.Fatalf("%+v, %v", conversations, err)
	}
	want := []schema.Action{{Action: "who", Input: schema.Object{"note": "ünïcödé"}, Result: schema.Object{
		"principal": "ann", "agent": "nyx", "conversation": conversations.Conversations[0].ID, "run": run, "note": "ünïcödé", "generation": generation,
	}}}
	if !reflect.DeepEqual(actions, want) || !strings.Contains(reply, "principal: ann") {
		r.t.Errorf("the actions are %+v, want %+v; the reply is %s", actions, want, reply)
	}
}

// isRefused checks how a command fails, and that one is not there for who lacks its scope.
func (r *stagedRuntime) isRefused(ctx context.Context) {
	r.t.Helper()
	_, reply, actions := r.acts(ctx, "one", "/never")
	failed, _ := json.Marshal(actions)
	if want := `[{"action":"never","input":{},"result":{"error":{"code":"not_found","message":"nobody is there"}}}]`; string(failed) != want || !strings.HasSuffix(reply, "Nobody is there.") {
		r.t.Errorf("the actions are %s; the reply is %s", failed, reply)
	}
	_, reply, actions = r.acts(ctx, "one", "/rule")
	if len(actions) != 0 || !strings.HasPrefix(reply, "I know no command /rule.") || !strings.Contains(reply, "/who") {
		r.t.Errorf("a command of administrators: %+v, %s", actions, reply)
	}
	if _, reply, _ = r.acts(as(r.t, "bob"), "two", "/rule"); !strings.HasSuffix(reply, "Nobody is there.") {
		r.t.Errorf("an administrator hears %s", reply)
	}
}
