package schema_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stagehouse/stagehouse/schema"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// TestEventFlatForm holds the frames of the reference page, member by member.
func TestEventFlatForm(t *testing.T) {
	at := schema.Cursor{Epoch: "e1", Seq: 7}
	for _, c := range []struct {
		event schema.Event
		want  string
	}{
		{
			schema.Event{Cursor: at, Type: schema.EventThought, AgentID: "nyx", Time: noon,
				Payload: schema.NewPayload(schema.Thought{Thought: "hm"})},
			`{"type":"agent:thought","id":"e1-7","seq":7,"agentId":"nyx","time":"2026-01-02T12:00:00Z","thought":"hm"}`,
		},
		{
			schema.Event{Cursor: at, Type: schema.EventEmotion, AgentID: "nyx", ConversationID: "c", RunID: "r", Principal: "p",
				Payload: schema.NewPayload(schema.EmotionChange{Emotion: "curious", Intensity: 0.5, Valence: -1, Arousal: 1})},
			`{"type":"agent:emotion","id":"e1-7","seq":7,"agentId":"nyx","conversationId":"c","runId":"r",` +
				`"emotion":"curious","intensity":0.5,"valence":-1,"arousal":1}`,
		},
		{
			schema.Event{Type: schema.EventAction, AgentID: "nyx", Payload: schema.NewPayload(schema.Action{Action: "memory.store"})},
			`{"type":"agent:action","agentId":"nyx","action":"memory.store","input":{},"result":{}}`,
		},
		{
			schema.Event{Type: schema.EventCancelled, Time: noon.In(time.FixedZone("", 3600)), Payload: []byte(" {\n\"reason\":\"cancelled\" } ")},
			`{"type":"chat:cancelled","time":"2026-01-02T12:00:00Z","reason":"cancelled"}`,
		},
		{schema.Event{Type: schema.EventGap}, `{"type":"gap"}`},
		{schema.Event{Type: schema.EventGap, Payload: []byte("{}")}, `{"type":"gap"}`},
		{schema.Event{Type: schema.EventGap, Payload: []byte(" { \t} ")}, `{"type":"gap"}`},
	} {
		got, err := json.Marshal(c.event)
		if err != nil || string(got) != c.want {
			t.Errorf("%s, %v; want\n%s", got, err, c.want)
		}
	}
}

func TestEventPayloadMustBeAnObject(t *testing.T) {
	for _, payload := range []string{`[]`, `"x"`, `1`, `null`, `{`, `}`, `{]`} {
		if b, err := (schema.Event{Type: schema.EventGap, Payload: []byte(payload)}).MarshalJSON(); err == nil {
			t.Errorf("payload %s made %s", payload, b)
		}
	}
}

func TestEventReadsBack(t *testing.T) {
	const flat = `{"z":1,"type":"agent:action","Type":"kept","id":"e-3","seq":3,"agentId":"a","time":"2026-01-02T13:00:00+01:00",` +
		`"result":{"id":"inner","n":1.50},"runId":"r"}`
	var e schema.Event
	if err := json.Unmarshal([]byte(flat), &e); err != nil {
		t.Fatal(err)
	}
	want := schema.Event{
		Cursor: schema.Cursor{Epoch: "e", Seq: 3}, Type: schema.EventAction, AgentID: "a", RunID: "r", Time: noon,
		Payload: json.RawMessage(`{"z":1,"Type":"kept","result":{"id":"inner","n":1.50}}`),
	}
	if !reflect.DeepEqual(e, want) {
		t.Errorf("read as %+v, payload %s", e, e.Payload)
	}
}

func TestEventRefusesOtherJSON(t *testing.T) {
	for _, text := range []string{`[]`, `"x"`, `1`, `{"type":1}`, `{"id":"no cursor"}`, `{"time":"noon"}`, `{"seq":-1}`} {
		var e schema.Event
		if err := json.Unmarshal([]byte(text), &e); err == nil {
			t.Errorf("%s was read as %+v", text, e)
		}
	}
	e := schema.Event{Type: schema.EventGap}
	if err := json.Unmarshal([]byte("null"), &e); err != nil || e.Type != schema.EventGap {
		t.Errorf("null: %+v, %v", e, err)
	}
}

// TestEventRoundTrip writes and reads any event twice; nothing may be doubled, lost or reordered.
func TestEventRoundTrip(t *testing.T) {
	name := rapid.StringMatching(`[a-z]{2,12}`).Filter(func(s string) bool {
		return !strings.Contains(" type id seq time ", " "+s+" ")
	})
	rapid.Check(t, func(t *rapid.T) {
		payload, err := json.Marshal(rapid.MapOf(name, rapid.OneOf(
			rapid.Map(rapid.String(), func(s string) any { return s }),
			rapid.Map(rapid.Int64(), func(n int64) any { return n }),
			rapid.Map(rapid.SliceOf(rapid.Bool()), func(l []bool) any { return l }),
		)).Draw(t, "payload"))
		if err != nil {
			t.Skip(err)
		}
		e := schema.Event{
			Cursor: schema.Cursor{Epoch: rapid.StringMatching(`[a-z0-9]{1,64}`).Draw(t, "epoch"), Seq: rapid.Uint64().Draw(t, "seq")},
			Type:   rapid.SampledFrom(schema.EventTypes()).Draw(t, "type"), AgentID: rapid.String().Draw(t, "agent"),
			ConversationID: rapid.String().Draw(t, "conversation"), RunID: rapid.String().Draw(t, "run"),
			Time:    time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC(),
			Payload: payload,
		}
		flat, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var back schema.Event
		if err := json.Unmarshal(flat, &back); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, e) {
			t.Fatalf("%+v came back as %+v from %s", e, back, flat)
		}
		if again, err := json.Marshal(back); err != nil || string(again) != string(flat) {
			t.Fatalf("%s became %s, %v", flat, again, err)
		}
	})
}

func TestParseCursor(t *testing.T) {
	for text, want := range map[string]schema.Cursor{
		"": {}, "e-0": {Epoch: "e"}, "0abc-18446744073709551615": {Epoch: "0abc", Seq: 1<<64 - 1},
		strings.Repeat("a", 64) + "-1": {Epoch: strings.Repeat("a", 64), Seq: 1},
	} {
		if got, err := schema.ParseCursor(text); err != nil || got != want || got.String() != text {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"-", "-1", "e", "e-", "e--1", "e-1-2", "e-01", "e-+1", "e- 1", "E-1", "e e-1", "e-18446744073709551616", "e-1 ", "é-1",
		strings.Repeat("a", 65) + "-1", "e-0x1", "e-1e3",
	} {
		if got, err := schema.ParseCursor(text); schema.CodeOf(err) != schema.CodeInvalidArgument {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	for _, seed := range []string{"", "e-1", "e-01", "-", "abc-18446744073709551615", "E-1", "e--1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := schema.ParseCursor(s)
		if err == nil && c.String() != s {
			t.Errorf("%q was accepted and is %q", s, c)
		}
		if err != nil && (schema.CodeOf(err) != schema.CodeInvalidArgument || !c.IsZero() || len(err.Error()) > 600) {
			t.Errorf("%q: %+v, %v", s, c, err)
		}
	})
}

func FuzzEventJSON(f *testing.F) {
	f.Add([]byte(`{"type":"agent:thought","id":"e-1","seq":1,"agentId":"nyx","thought":"hm"}`))
	f.Add([]byte(`{"a":{"b":[1,{}]},"a":2}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e, again schema.Event
		if json.Unmarshal(b, &e) != nil {
			return
		}
		flat, err := json.Marshal(e)
		if err != nil {
			t.Skip(err) // a time that JSON cannot hold
		}
		if err := json.Unmarshal(flat, &again); err != nil {
			t.Fatalf("%s was read, and its own form %s was not: %v", b, flat, err)
		}
		if back, err := json.Marshal(again); err != nil || string(back) != string(flat) {
			t.Errorf("%s became %s, %v", flat, back, err)
		}
	})
}

func TestTerminal(t *testing.T) {
	for _, typ := range schema.EventTypes() {
		want := typ == schema.EventReply || typ == schema.EventFailed || typ == schema.EventCancelled
		if typ.Terminal() != want {
			t.Errorf("%s is terminal: %v", typ, !want)
		}
	}
	for status, want := range map[schema.RunStatus]bool{
		schema.RunQueued: false, schema.RunRunning: false, schema.RunCompleted: true, schema.RunFailed: true, schema.RunCancelled: true,
	} {
		if status.Terminal() != want {
			t.Errorf("run %s is terminal: %v", status, !want)
		}
	}
}
