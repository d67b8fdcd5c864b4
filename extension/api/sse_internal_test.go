package api

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

// FuzzEventBlock holds a block against what a client makes of it: one id, one line of data, which is the event's JSON.
func FuzzEventBlock(f *testing.F) {
	f.Add("agent:thought", "nyx", "{\"thought\": \"a\\r\\n\\nb\"\n, \"x\":\r 1}", uint64(7))
	f.Add("gap", "", "{}", uint64(0))
	f.Add("a\nid: 1\n\n", "\r\ndata: x", "", uint64(1))
	f.Fuzz(func(t *testing.T, kind, agent, payload string, seq uint64) {
		if kind == string(schema.EventGap) {
			kind = "gap of another kind"
		}
		e := schema.Event{Type: schema.EventType(kind), AgentID: agent, Payload: []byte(payload), Cursor: schema.Cursor{Epoch: "e", Seq: seq}}
		block, err := eventBlock(e, 3)
		if err != nil {
			return // it is no JSON
		}
		want, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want[:len(want)-1], `,"prevSeq":3}`...)
		id, data, ok := bytes.Cut(block, []byte("\n"))
		if !ok || string(id) != "id: "+e.Cursor.String() || string(data) != "data: "+string(want)+"\n\n" || bytes.ContainsAny(want, "\r\n") {
			t.Errorf("%+v became %q", e, block)
		}
	})
}

func FuzzQueryList(f *testing.F) {
	f.Add("nyx,aria", "nyx")
	f.Add("", ",,")
	f.Fuzz(func(t *testing.T, first, second string) {
		got := queryList([][]byte{[]byte(first), []byte(second)})
		for _, name := range strings.Split(first+","+second, ",") {
			if !slices.Contains(got, name) {
				t.Errorf("%q is missing in %q", name, got)
			}
		}
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) || strings.Contains(strings.Join(got, ""), ",") {
			t.Errorf("the names are %q", got)
		}
	})
}
