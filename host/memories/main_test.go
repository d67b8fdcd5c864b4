package memories_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/memories"
	"github.com/stagehouse/stagehouse/host/memories/memoriestest"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/sqlite"
	"github.com/stagehouse/stagehouse/schema"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedDir); dir != "" {
		embedUntilKilled(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// patience bounds everything that a test waits for.
const patience = 20 * time.Second

// openStore opens an SQLite database with one agent, nyx, that Close of the test closes.
func openStore(t testing.TB, dir string) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(dir, "stagehouse.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	addAgents(t, s, "nyx")
	return s
}

func addAgents(t testing.TB, s store.Store, ids ...string) {
	t.Helper()
	err := s.Update(t.Context(), func(tx store.Tx) error {
		for _, id := range ids {
			if err := tx.PutAgent(store.Agent{Agent: schema.Agent{ID: id, Name: id, Status: schema.AgentStopped, Revision: 1}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// house is memories in a real store, and what embeds them.
type house struct {
	*memories.Memory
	store store.Store
}

// open opens the memories in a directory, which the test closes.
func open(t testing.TB, dir string) house {
	t.Helper()
	s := openStore(t, dir)
	m := memories.New(s, nil, slog.New(slog.NewTextHandler(t.Output(), nil)))
	t.Cleanup(m.Close)
	return house{m, s}
}

func toy(model string) *memories.Embedder {
	return &memories.Embedder{Provider: memoriestest.Provider, Model: model, PerMinute: 1e6}
}

func ctxOf(t testing.TB, principal string) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return schema.WithCaller(ctx, schema.Caller{Principal: principal, Scopes: []schema.Scope{schema.ScopeChat}})
}

func alice(t testing.TB) context.Context { return ctxOf(t, "alice") }

// remember stores memories of nyx and alice.
func (h house) remember(t testing.TB, contents ...string) (items []schema.MemoryItem) {
	t.Helper()
	for _, c := range contents {
		item, err := h.Store(alice(t), schema.NewMemory{AgentID: "nyx", Content: c})
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, item)
	}
	return items
}

// find returns what a search finds, best first.
func (h house) find(t testing.TB, text string) (contents []string) {
	t.Helper()
	hits, err := h.Search(alice(t), schema.MemoryQuery{AgentID: "nyx", Text: text})
	if err != nil {
		t.Fatalf("search %q: %v", text, err)
	}
	for _, m := range hits {
		contents = append(contents, m.Memory.Content)
	}
	return contents
}

// until polls the index until it is as wanted.
func (h house) until(t testing.TB, what string, wanted func(memories.Index) bool) memories.Index {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		x, err := h.Index(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if wanted(x) {
			return x
		}
		if time.Now().After(deadline) {
			t.Fatalf("the index is not %s: %+v", what, x)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (h house) untilReady(t testing.TB) memories.Index {
	t.Helper()
	return h.until(t, "ready", func(x memories.Index) bool { return x.State == memories.StateReady })
}
