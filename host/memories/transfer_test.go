package memories_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stagehouse/stagehouse/host/memories"
	"github.com/stagehouse/stagehouse/host/memories/memoriestest"
	"github.com/stagehouse/stagehouse/schema"
)

// export returns what is exported, as lines, and the memories.
func (h house) export(t testing.TB, agentID string) (lines string, items []schema.MemoryItem) {
	t.Helper()
	var b strings.Builder
	for m, err := range h.Export(t.Context(), agentID) {
		if err != nil {
			t.Fatal(err)
		}
		if err := json.NewEncoder(&b).Encode(m); err != nil {
			t.Fatal(err)
		}
		items = append(items, m)
	}
	return b.String(), items
}

func (h house) importLines(t testing.TB, lines string, o memories.Importing) memories.Imported {
	t.Helper()
	out, err := h.Import(t.Context(), strings.NewReader(lines), o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestWhatIsExportedIsImported: to another house, whole and in order; and twice, which doubles nothing.
func TestWhatIsExportedIsImported(t *testing.T) {
	from, to := open(t, t.TempDir()), open(t, t.TempDir())
	importance, soon := 0.9, time.Now().Add(time.Hour)
	for i := range 250 { // more than a page, and than a commit
		m := schema.NewMemory{AgentID: "nyx", Content: fmt.Sprint("memory ", i)}
		if i%50 == 0 {
			m.Tags, m.Importance, m.ExpiresAt = []string{"a", "b"}, &importance, &soon
			m.Metadata = schema.Object{"n": json.Number("9007199254740993"), "deep": map[string]any{"list": []any{"é", nil}}}
			m.Shared, m.Content = true, "lines\n\ttabs \u2028 東京 "+m.Content
		}
		if _, err := from.Store(ctxOf(t, []string{"alice", "bob"}[i%2]), m); err != nil {
			t.Fatal(err)
		}
	}
	lines, items := from.export(t, "")
	if len(items) != 250 {
		t.Fatalf("%d memories were exported", len(items))
	}
	if got := to.importLines(t, lines, memories.Importing{}); got.Kept != 250 || got.There != 0 || len(got.Bad) != 0 {
		t.Errorf("imported %+v", got)
	}
	if got := to.importLines(t, lines, memories.Importing{}); got.Kept != 0 || got.There != 250 || len(got.Bad) != 0 {
		t.Errorf("the second time: %+v", got)
	}
	again, _ := to.export(t, "nyx")
	if again != lines {
		t.Error("what was imported is not what was exported")
	}
	to.UseBrains(&memoriestest.Brain{})
	to.UseEmbedder(toy("m"))
	if x := to.untilReady(t); x.Placed != 250 {
		t.Errorf("the index is %+v", x)
	}
	if err := to.importLines(t, `{"agentId":"nyx","principal":"alice","content":"one more"}`, memories.Importing{}); err.Kept != 1 {
		t.Errorf("imported %+v", err)
	}
	to.until(t, "ready with what was imported", func(x memories.Index) bool { return x.State == memories.StateReady && x.Placed == 251 })
}

func TestExportOfAnAgent(t *testing.T) {
	h := open(t, t.TempDir())
	addAgents(t, h.store, "aria")
	h.remember(t, "of nyx")
	if lines, items := h.export(t, "aria"); len(items) != 0 || lines != "" {
		t.Errorf("aria remembers %q", lines)
	}
	for _, err := range h.Export(t.Context(), "nobody") {
		if schema.CodeOf(err) != schema.CodeNotFound {
			t.Errorf("of nobody: %v", err)
		}
	}
}

// TestBadLines: each is told by its number and its reason, and the others are kept.
func TestBadLines(t *testing.T) {
	h := open(t, t.TempDir())
	taken := h.remember(t, "mine")[0]
	past := time.Now().Add(-time.Hour).Format(time.RFC3339)
	good := func(content string) string {
		return fmt.Sprintf(`{"agentId":"nyx","principal":"alice","content":%q}`, content)
	}
	lines := []struct{ text, reason string }{
		{good("first"), ""},
		{``, ""},
		{`{"agentId":"nyx","principal":"alice","content":"x"`, "the JSON ends too early"},
		{`[1]`, "not a JSON object"},
		{`{"agentId":"nyx","principal":"alice","contnet":"x"}`, `unknown key "contnet"; did you mean "content"?`},
		{`{"agentId":"nyx","principal":"alice","content":"x","colour":"red"}`, `unknown key "colour"; the keys are id, agentId`},
		{`{"agentId":"nyx","principal":"alice","content":7}`, "content cannot be a number"},
		{`{"agentId":"nyx","principal":"alice","content":" "}`, "content must not be empty"},
		{`{"agentId":"nyx","principal":"alice","content":"x","importance":2}`, "importance"},
		{`{"agentId":"nyx","principal":"alice","content":"x","expiresAt":"tomorrow"}`, "tomorrow"},
		{`{"agentId":"nyx","principal":"alice","content":"` + strings.Repeat("y", schema.MaxMemoryBytes+1) + `"}`, "content has 65537 bytes; at most 65536"},
		{`{"agentId":"nyx","principal":"alice","content":"` + strings.Repeat("z", 2<<20) + `"}`, "longer than"},
		{`{"agentId":"nobody","principal":"alice","content":"x"}`, `there is no agent "nobody"`},
		{`{"agentId":"a b","principal":"alice","content":"x"}`, "agentId must be"},
		{`{"agentId":"nyx","content":"x"}`, "principal is missing"},
		{`{"principal":"alice","content":"x"}`, "agentId is missing"},
		{`{"id":"a b","agentId":"nyx","principal":"alice","content":"x"}`, "id must be"},
		{`{"id":"` + taken.ID + `","agentId":"nyx","principal":"alice","content":"not mine"}`, "there is another memory with the id"},
		{`{"id":"` + taken.ID + `","agentId":"nyx","principal":"alice","content":"mine"}`, ""},
		{`{"agentId":"nyx","principal":"alice","content":"gone","expiresAt":"` + past + `"}`, ""},
		{`{"agentId":"nyx","principal":"alice","content":"x","expiresAt":"9999-12-31T23:59:59-23:59"}`, "expiresAt must not be after the year 9999"},
		{`{"agentId":"nyx","principal":"alice","content":"x","createdAt":"9999-12-31T23:59:59-23:59"}`, "createdAt must be after 1970"},
		{`{"agentId":"nyx","principal":"alice","content":"x","createdAt":"1970-01-01T00:00:00Z"}`, "createdAt must be after 1970"},
		{`{"agentId":"nyx","principal":"alice","content":"x","createdAt":"0000-01-01T00:00:00+23:59"}`, "createdAt must be after 1970"},
		{good("last"), ""},
		{good("last"), ""},
	}
	var texts []string
	want := map[int]string{}
	for i, l := range lines {
		texts = append(texts, l.text)
		if l.reason != "" {
			want[101+i] = l.reason
		}
	}
	got := h.importLines(t, strings.Join(texts, "\n"), memories.Importing{FirstLine: 101})
	if got.Kept != 2 || got.There != 2 || got.Expired != 1 || len(got.Bad) != len(want) {
		t.Errorf("imported %+v", got)
	}
	for i, bad := range got.Bad {
		if reason := want[bad.Line]; reason == "" || !strings.Contains(bad.Reason, reason) || i > 0 && bad.Line <= got.Bad[i-1].Line {
			t.Errorf("line %d: %.200s; want %q", bad.Line, bad.Reason, reason)
		}
	}
	_, items := h.export(t, "")
	var contents []string
	for _, m := range items {
		contents = append(contents, m.Content)
	}
	if !reflect.DeepEqual(contents, []string{"mine", "first", "last"}) {
		t.Errorf("now there is %.100q", contents)
	}
}

// TestImportFillsInWhatIsNotSaid for lines that people write.
func TestImportFillsInWhatIsNotSaid(t *testing.T) {
	h := open(t, t.TempDir())
	if got := h.importLines(t, `{"content":"the door code is in the safe","shared":true}`, memories.Importing{AgentID: "nyx", Principal: "ops"}); got.Kept != 1 {
		t.Fatalf("imported %+v", got)
	}
	_, items := h.export(t, "")
	if m := items[0]; m.AgentID != "nyx" || m.Principal != "ops" || !m.Shared || m.Importance != schema.DefaultImportance || m.CreatedAt.IsZero() || m.Tags == nil {
		t.Errorf("kept %+v", m)
	}
	if got := h.find(t, "door code"); len(got) != 1 {
		t.Errorf("found %q", got)
	}
}

// TestAnImportThatIsCutOff keeps what came before, and can be made again.
func TestAnImportThatIsCutOff(t *testing.T) {
	h := open(t, t.TempDir())
	var b strings.Builder
	for i := range 150 {
		fmt.Fprintf(&b, "{\"agentId\":\"nyx\",\"principal\":\"alice\",\"content\":\"number %d\"}\n", i)
	}
	cut := io.MultiReader(strings.NewReader(b.String()), iotest.ErrReader(io.ErrUnexpectedEOF))
	got, err := h.Import(t.Context(), cut, memories.Importing{})
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "line 151") || got.Kept != 100 {
		t.Errorf("imported %+v, %v", got, err)
	}
	if got := h.importLines(t, b.String(), memories.Importing{}); got.Kept != 50 || got.There != 100 {
		t.Errorf("the second time: %+v", got)
	}
}
