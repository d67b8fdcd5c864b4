package ws

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stagehouse/stagehouse/schema"
)

// FuzzFrame feeds the parser whatever there is: it never panics, it refuses what is not a JSON object for good and all
// else with the places of what is wrong, and what it accepts means the same when it is written out again.
func FuzzFrame(f *testing.F) {
	for _, text := range []string{
		`{"type":"auth","token":"your-auth-token"}`,
		`{"type":"subscribe","agents":["nyx","aria"],"events":["thought","emotion","action"]}`,
		`{"type":"unsubscribe","agents":[],"id":-1.50e3}`,
		`{"type":"chat:route","message":"I need help with coding","context":{"skill":"programming","n":[1,{"a":null}]}}`,
		`{"type":"chat:message","agentId":"nyx","message":"Can you hack this? <&> \ud83d\ude00 \ud800","conversationId":"c","id":"é\u0000"}`,
		`{"type":"chat:message","agentId":"nyx","message":"stop","onBusy":"interrupt","idempotencyKey":"k é"}`,
		`{"type":"chat:route","message":"x","onBusy":"reject"}`, `{"type":"chat:message","agentId":"nyx","message":"x","onBusy":"wait"}`,
		`{"type":"chat:cancel","runId":"run_1","idempotencyKey":"k"}`, `{"type":"chat:cancel","runId":null}`,
		`{"type":"ping","id":7}`, `{"type":"ping","type":"auth"}`, `{"type":"subscribe","since":"e-1"}`, `{"type":"subscribe","since":"0e-18446744073709551616"}`, `{"type":"subscribe","since":"-"}`, `{}`, `[]`, `null`, ``, "\xff", `{"id":[]}`,
	} {
		f.Add([]byte(text))
	}
	p := newParser()
	f.Fuzz(func(t *testing.T, data []byte) {
		c, wrong := p.parse(data)
		switch {
		case wrong == nil:
		case wrong.Code == schema.CodeMalformed:
			var members map[string]json.RawMessage
			if utf8.Valid(data) && json.Unmarshal(data, &members) == nil && members != nil && !strings.Contains(wrong.Message, "deeper") && !strings.Contains(wrong.Message, "surrogate") {
				t.Fatalf("%q is an object and was refused for good: %v", data, wrong)
			}
			return
		case wrong.Code != schema.CodeInvalidArgument || len(wrong.Fields) == 0:
			t.Fatalf("%q was refused by %+v", data, wrong)
		default:
			if c.ID != nil && !json.Valid(c.ID) {
				t.Fatalf("the id of %q would be echoed as %s", data, c.ID)
			}
			return
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatalf("%q cannot be written out: %v", data, err)
		}
		c2, wrong := p.parse(again)
		if wrong != nil {
			t.Fatalf("%q was accepted, and %s is not: %v", data, again, wrong)
		}
		third, err := json.Marshal(c2)
		if err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%q became %s and then %s (%v)", data, again, third, err)
		}
	})
}

func TestParseReadsThePage(t *testing.T) {
	p := newParser()
	for text, want := range map[string]command{
		`{"type":"auth","token":"your-auth-token"}`: {Type: typeAuth, Token: "your-auth-token"},
		`{"type":"subscribe","agents":["nyx","aria"],"events":["thought","emotion","action"]}`: {
			Type: typeSubscribe, Agents: list{true, []string{"nyx", "aria"}}, Events: list{true, []string{"thought", "emotion", "action"}},
		},
		`{"type":"subscribe","since":"e0-12"}`: {Type: typeSubscribe, Since: place{schema.Cursor{Epoch: "e0", Seq: 12}}},
		`{"type":"chat:route","message":"I need help with coding","context":{"skill":"programming"}}`: {
			Type: typeRoute, Message: "I need help with coding", Context: schema.Object{"skill": "programming"},
		},
		`{"type":"chat:message","agentId":"nyx","message":"Can you hack this?"}`: {Type: typeMessage, AgentID: "nyx", Message: "Can you hack this?"},
		`{"type":"chat:message","agentId":"nyx","message":"stop","onBusy":"interrupt","idempotencyKey":"k"}`: {
			Type: typeMessage, AgentID: "nyx", Message: "stop", OnBusy: schema.BusyInterrupt, IdempotencyKey: "k",
		},
		`{"type":"chat:cancel","runId":"run_1","idempotencyKey":"k"}`: {Type: typeCancel, RunID: "run_1", IdempotencyKey: "k"},
		`{"type":"ping","id":12345678901234567890}`:                   {Type: typePing, ID: json.RawMessage("12345678901234567890")},
		`{"type":"ping","id":"\u0061"}`:                               {Type: typePing, ID: json.RawMessage(`"a"`)},
	} {
		if got, err := p.parse([]byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %+v, %v", text, got, err)
		}
	}
}

func TestErrorsEchoTheID(t *testing.T) {
	for _, text := range []string{`{"id":"x","type":"auth","token":"a","token":"b"}`, `{"id":"x","type":"what"}`, `{"id":"x"}`, `{"id":"x","type":"ping","y":1}`, `{"id":"x","type":7}`} {
		if c, err := newParser().parse([]byte(text)); err == nil || string(c.ID) != `"x"` {
			t.Errorf("%s: id %s, error %v", text, c.ID, err)
		}
	}
	if c, err := newParser().parse([]byte(`{"id":"x","type":"ping","id":"y"}`)); err == nil || c.ID != nil {
		t.Errorf("of two ids %s was taken, error %v", c.ID, err)
	}
}

func TestFramesOnTheWire(t *testing.T) {
	for n, head := range map[int][]byte{
		0: {0x81, 0}, 125: {0x81, 125}, 126: {0x81, 126, 0, 126}, 65535: {0x81, 126, 255, 255},
		65536: {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0},
	} {
		payload := bytes.Repeat([]byte("x"), n)
		if got := textFrame(payload); !bytes.Equal(got, append(head, payload...)) {
			t.Errorf("text of %d bytes begins with % x", n, got[:min(len(got), 12)])
		}
	}
	for n, prev := range map[int]uint64{2: 0, 110: 7, 112: 10, 113: 1, 65535 - 13: 99, 65536: 1<<63 - 1} {
		json := append([]byte(`{"x":"`), bytes.Repeat([]byte("x"), n)...)
		json = append(json, `"}`...)
		want := textFrame(fmt.Appendf(nil, `%s,"prevSeq":%d}`, json[:len(json)-1], prev))
		if got := eventItem(json, prev).appendTo([]byte("before")); string(got) != "before"+string(want) {
			t.Errorf("an event of %d bytes after %d ends in %q", len(json), prev, got[len(got)-40:])
		}
	}
	if got := closeFrame(1013, strings.Repeat("x", 200)); len(got) != 2+125 || !bytes.Equal(got[:4], []byte{0x88, 125, 3, 245}) {
		t.Errorf("close is % x", got[:4])
	}
	if got := closeFrame(0, ""); !bytes.Equal(got, []byte{0x88, 0}) {
		t.Errorf("close without a code is % x", got)
	}
	if got := controlFrame(opPing, nil); !bytes.Equal(got, []byte{0x89, 0}) {
		t.Errorf("ping is % x", got)
	}
}
