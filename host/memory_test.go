package host_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/host/memories"
	"github.com/stagehouse/stagehouse/host/memories/memoriestest"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/sqlite"
	"github.com/stagehouse/stagehouse/schema"
)

// keeper is a runtime that keeps memories and nothing else. Its one agent is nyx.
type keeper struct {
	nothing
	store  store.Store
	memory *memories.Memory
}

func (k keeper) Memories() *memories.Memory { return k.memory }

func (k keeper) Close(context.Context) error {
	k.memory.Close()
	return k.store.Close()
}

// keeping starts a host whose memories are embedded as set says, which a reload reads.
func keeping(t *testing.T, embedder func() *memories.Embedder) (*host.Host, *host.Client) {
	t.Helper()
	dir := shortDir(t)
	data, err := host.OpenDataDir(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), filepath.Join(data.Path(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), func(tx store.Tx) error {
		return tx.PutAgent(store.Agent{Agent: schema.Agent{ID: "nyx", Status: schema.AgentStopped}})
	})
	if err != nil {
		t.Fatal(err)
	}
	k := keeper{store: s, memory: memories.New(s, nil, slog.New(slog.DiscardHandler))}
	k.memory.UseBrains(&memoriestest.Brain{})
	read := func() *config.Config { return &config.Config{Memory: config.Memory{Embedder: embedder()}} }
	h := host.New(read(), data, k, host.WithSource(func(context.Context) (*config.Config, error) { return read(), nil }))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := h.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := host.Connect(t.Context(), data.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return h, c
}

func untilEmbedded(t *testing.T, c *host.Client, by string) memories.Index {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		x, err := c.MemoryIndex(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if x.Done() && slices.Equal(x.Searched, []string{by}) {
			return x
		}
		if time.Now().After(deadline) {
			t.Fatalf("the index is %+v", x)
		}
	}
}

// TestMemoriesAreEmbeddedAsConfigured: from the start, by another model after a reload that says so, and not at all in the end.
func TestMemoriesAreEmbeddedAsConfigured(t *testing.T) {
	e := &memories.Embedder{Provider: memoriestest.Provider, Model: "one", PerMinute: 1e6}
	h, c := keeping(t, func() *memories.Embedder { return e })
	lines := `{"agentId":"nyx","principal":"alice","content":"one"}` + "\n" + `{"agentId":"nyx","principal":"alice","content":"my cat"}`
	if got, err := c.ImportMemories(t.Context(), strings.NewReader(lines), memories.Importing{FirstLine: 1}); err != nil || got.Kept != 2 {
		t.Fatalf("imported %+v, %v", got, err)
	}
	if x := untilEmbedded(t, c, "toy/one"); x.Placed != 2 || x.Embedder.Model != "one" {
		t.Errorf("the index is %+v", x)
	}
	for _, next := range []*memories.Embedder{
		{Provider: memoriestest.Provider, Model: "two", PerMinute: 1e6}, {Provider: memoriestest.Provider, Model: "one", PerMinute: 1e6},
	} {
		e = next
		if err := h.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		untilEmbedded(t, c, "toy/"+next.Model)
	}
	if _, err := c.Reindex(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	untilEmbedded(t, c, "toy/one#2")
	e = nil
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if x, err := c.MemoryIndex(t.Context()); err != nil || x.State != memories.StateOff || x.Embedder != nil {
		t.Errorf("without an embedder the index is %+v, %v", x, err)
	}
	if _, err := c.Reindex(t.Context(), false); refused(err).Status != http.StatusConflict || !strings.Contains(err.Error(), "memory.embedder") {
		t.Errorf("Reindex = %v", err)
	}
}

func TestMemoriesOverTheControlSocket(t *testing.T) {
	_, c := keeping(t, func() *memories.Embedder { return nil })
	lines := "{\"content\":\"one\"}\nnonsense\n{\"content\":\"two\"}"
	got, err := c.ImportMemories(t.Context(), strings.NewReader(lines), memories.Importing{AgentID: "nyx", Principal: "alice", FirstLine: 11})
	if err != nil || got.Kept != 2 || len(got.Bad) != 1 || got.Bad[0].Line != 12 {
		t.Errorf("imported %+v, %v", got, err)
	}
	var out strings.Builder
	if err := c.ExportMemories(t.Context(), "nyx", &out); err != nil || strings.Count(out.String(), "\n") != 2 || !strings.Contains(out.String(), `"principal":"alice"`) {
		t.Errorf("exported %q, %v", out.String(), err)
	}
	if again, err := c.ImportMemories(t.Context(), strings.NewReader(out.String()), memories.Importing{FirstLine: 1}); err != nil || again.There != 2 {
		t.Errorf("the second time: %+v, %v", again, err)
	}
	if err := c.ExportMemories(t.Context(), "nobody", &out); refused(err).Status != http.StatusNotFound {
		t.Errorf("export of nobody: %v", err)
	}
	if err := c.ExportMemories(t.Context(), "", failingWriter{}); err == nil || !strings.Contains(err.Error(), "write the export") {
		t.Errorf("export to a full disk: %v", err)
	}
	tooMuch := strings.Repeat(`{"content":"`+strings.Repeat("x", 60_000)+`"}`+"\n", 160)
	if _, err := c.ImportMemories(t.Context(), strings.NewReader(tooMuch), memories.Importing{AgentID: "nyx", Principal: "alice", FirstLine: 1}); err == nil {
		t.Error("more than 8 MiB were imported at once")
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

// TestRuntimeWithoutTheseMemories says what there is not.
func TestRuntimeWithoutTheseMemories(t *testing.T) {
	c := newHouse(t).client()
	var out strings.Builder
	for what, ask := range map[string]func() error{
		"index":   func() error { _, err := c.MemoryIndex(t.Context()); return err },
		"reindex": func() error { _, err := c.Reindex(t.Context(), false); return err },
		"export":  func() error { return c.ExportMemories(t.Context(), "", &out) },
		"import": func() error {
			_, err := c.ImportMemories(t.Context(), strings.NewReader("{}"), memories.Importing{FirstLine: 1})
			return err
		},
	} {
		if e := refused(ask()); e.Status != http.StatusNotImplemented || !strings.Contains(e.Message, "in its own way") {
			t.Errorf("%s: %+v", what, e)
		}
	}
}
