package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/sqlite"
	"github.com/stagehouse/stagehouse/schema"
)

// crashDir names the environment variable that makes this binary the process which crashes; see TestCrash.
const crashDir = "STAGEHOUSE_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		writeUntilKilled(dir)
		return
	}
	// The first connection to a database that modernc opens starts nothing that outlives it; database/sql's opener ends with Close.
	goleak.VerifyTestMain(m)
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 123456789, time.UTC)

func open(t testing.TB, dir string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), filepath.Join(dir, "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func update(t testing.TB, s store.Store, fn func(store.Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, s store.Store, fn func(store.Reader) error) {
	t.Helper()
	if err := s.View(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func agent(id string) store.Agent {
	return store.Agent{
		Agent: schema.Agent{
			ID: id, Name: "Name of " + id, Status: schema.AgentRunning, Skills: []string{"a", "b"},
			Brain: schema.Brain{Provider: "builtin"}, Revision: 3, CreatedAt: noon, UpdatedAt: noon,
		},
		Desired: true,
	}
}

func event(i int) *schema.Event {
	return &schema.Event{Type: schema.EventThought, AgentID: "nyx", Time: noon, Payload: schema.NewPayload(schema.Thought{Thought: fmt.Sprint(i)})}
}
