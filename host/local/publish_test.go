package local_test

import (
	"testing"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/schema"
)

var (
	_ host.Publisher = (*local.Runtime)(nil)
	_ host.Declarer  = (*local.Runtime)(nil)
	_ host.Budgeter  = (*local.Runtime)(nil)
)

// TestPublish: what the host tells is kept over a restart, in its place between what the runtime tells, and only an admin
// sees what is the host's own.
func TestPublish(t *testing.T) {
	o := local.Options{Dir: t.TempDir(), Agents: local.StarterAgents()}
	r := open(t, o)
	since := must[schema.Cursor](t)(r.Services().Events.Head(admin(t)))
	told := schema.Event{
		Type: schema.EventCrashed, Principal: schema.PrincipalHost,
		Payload: schema.NewPayload(schema.Crashed{Extension: "api", Generation: 3, Error: "signal: killed"}),
	}
	if err := r.Publish(t.Context(), told); err != nil {
		t.Fatal(err)
	}
	mustBe(t, r.Publish(t.Context(), schema.Event{Type: schema.EventGap}), schema.CodeInvalidArgument)
	must[schema.Agent](t)(r.Services().Agents.Update(admin(t), "nyx", schema.AgentPatch{Persona: schema.Set("x")}))
	shut(t, r)
	mustBe(t, r.Publish(t.Context(), told), schema.CodeUnavailable)

	r = open(t, o)
	q := schema.EventQuery{Since: since, Types: []schema.EventType{schema.EventCrashed, schema.EventUpdated}}
	for e, err := range r.Services().Events.Subscribe(admin(t), q) {
		if err != nil || e.Type != told.Type || string(e.Payload) != string(told.Payload) || e.Cursor.Seq != since.Seq+1 || e.Time.IsZero() {
			t.Errorf("an admin sees %+v, %v", e, err)
		}
		break
	}
	for e, err := range r.Services().Events.Subscribe(alice(t), q) {
		if err != nil || e.Type != schema.EventUpdated {
			t.Errorf("alice sees %+v, %v", e, err)
		}
		break
	}
	shut(t, r)
}
