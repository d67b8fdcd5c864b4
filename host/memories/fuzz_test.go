package memories_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/memories"
	"github.com/stagehouse/stagehouse/host/store/memory"
)

// FuzzImport: whatever the lines are, a second import keeps nothing and finds the same lines wrong, and what was kept can be exported
// and imported elsewhere, all of it.
func FuzzImport(f *testing.F) {
	f.Add(`{"agentId":"nyx","principal":"alice","content":"hello"}`)
	f.Add("{\"agentId\":\"nyx\",\"principal\":\"alice\",\"content\":\"x\",\"tags\":[\"a\"],\"importance\":0.5,\"metadata\":{\"n\":1}}\n\n{\"content\":\"y\"}\r\n[]")
	f.Add(`{"id":"m1","content":"\ud800","createdAt":"2026-01-02T03:04:05.123456789Z","expiresAt":"9999-01-01T00:00:00Z","shared":true}`)
	f.Fuzz(func(t *testing.T, lines string) {
		empty := func() house {
			s := memory.New()
			addAgents(t, s, "nyx")
			return house{memories.New(s, nil, nil), s}
		}
		here, there := empty(), empty()
		defer here.Close()
		defer there.Close()
		o := memories.Importing{AgentID: "nyx", Principal: "alice"}
		first := here.importLines(t, lines, o)
		if again := here.importLines(t, lines, o); again.Kept != 0 || again.There != first.Kept+first.There || !reflect.DeepEqual(again.Bad, first.Bad) {
			t.Errorf("imported %+v, and then %+v", first, again)
		}
		exported, items := here.export(t, "")
		if len(items) != first.Kept || strings.Count(exported, "\n") != first.Kept {
			t.Errorf("of %d that were kept %d are exported", first.Kept, len(items))
		}
		if got := there.importLines(t, exported, memories.Importing{}); got.Kept != first.Kept || len(got.Bad) > 0 {
			t.Errorf("of %d that were exported, %+v were imported", first.Kept, got)
		}
	})
}
