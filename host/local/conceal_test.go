package local_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
)

// notebook is a log that can be read while it is written.
type notebook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *notebook) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

func (n *notebook) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// damage takes a table away under a runtime that is open.
func damage(t *testing.T, dir, table string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(dir, "stagehouse.db"))+"?_pragma=busy_timeout(5000)&_pragma=legacy_alter_table(1)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), "ALTER TABLE "+table+" RENAME TO gone_"+table); err != nil {
		t.Fatal(err)
	}
}

// TestErrorsKeepTheInsideToThemselves breaks the database and looks at what callers are told, and at what the log is told.
func TestErrorsKeepTheInsideToThemselves(t *testing.T) {
	const inside = "no such table"
	for table, call := range map[string]func(context.Context, schema.Services) error{
		"memories": func(ctx context.Context, s schema.Services) error {
			return must2(s.Memory.Store(ctx, schema.NewMemory{AgentID: "bot", Content: "x"}))
		},
		"messages": func(ctx context.Context, s schema.Services) error {
			return firstError(s.Chat.Send(ctx, schema.SendRequest{AgentID: "bot", Message: "x"}))
		},
		"conversations": func(ctx context.Context, s schema.Services) error {
			return must2(s.Chat.Conversations(ctx, schema.ConversationsQuery{}))
		},
		"runs":   func(ctx context.Context, s schema.Services) error { return must2(s.Chat.Run(ctx, "run_x")) },
		"agents": func(ctx context.Context, s schema.Services) error { return must2(s.Agents.Stop(ctx, "bot")) },
	} {
		t.Run(table, func(t *testing.T) {
			var log notebook
			o := scripted(echo)
			o.Dir, o.Logger = t.TempDir(), slog.New(slog.NewTextHandler(&log, nil))
			r := must[*local.Runtime](t)(local.Open(t.Context(), o))
			damage(t, o.Dir, table)
			err := call(admin(t), r.Services())
			_ = r.Close(t.Context()) // it cannot write what it should
			var e *schema.Error
			if !errors.As(err, &e) || e.Code != schema.CodeInternal || strings.Contains(err.Error(), inside) || !strings.Contains(e.Message, "log") {
				t.Errorf("the caller is told %v", err)
			}
			if e == nil || e.Cause == nil || !strings.Contains(e.Cause.Error(), inside) || !strings.Contains(log.String(), inside) {
				t.Errorf("the cause is %#v, the log says %s", e, log.String())
			}
		})
	}
}

// TestFailedTurnsKeepTheInsideToThemselves breaks the database in the middle of a turn.
func TestFailedTurnsKeepTheInsideToThemselves(t *testing.T) {
	const inside = "no such table"
	for name, do := range map[string]func(context.Context, brain.Turn, func(brain.Step, error) bool){
		"what is kept": func(_ context.Context, _ brain.Turn, yield func(brain.Step, error) bool) {
			_ = yield(brain.Step{Action: &brain.Action{Name: "memory.store", Store: &brain.Memo{Content: "x"}}}, nil) &&
				yield(brain.Step{Reply: "x"}, nil)
		},
		"what is recalled": func(ctx context.Context, turn brain.Turn, yield func(brain.Step, error) bool) {
			_, err := turn.Memory.Recall(ctx, "word", 1)
			yield(brain.Step{}, fmt.Errorf("look up: %w", err))
		},
		"what is recent": func(ctx context.Context, turn brain.Turn, yield func(brain.Step, error) bool) {
			_, err := turn.Memory.Recent(ctx, 1)
			yield(brain.Step{}, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log notebook
			o := scripted(do)
			o.Dir, o.Logger = t.TempDir(), slog.New(slog.NewTextHandler(&log, nil))
			r := open(t, o)
			damage(t, o.Dir, "memories")
			damage(t, o.Dir, "memory_words")
			ctx := alice(t)
			seen := must[turn](t)(say(ctx, r, schema.SendRequest{AgentID: "bot", Message: "x"}))
			run := must[schema.Run](t)(r.Services().Chat.Run(ctx, seen.accepted.RunID))
			if run.Status != schema.RunFailed || run.Error == "" || strings.Contains(run.Error, inside) || strings.Contains(string(seen.last().Payload), inside) {
				t.Errorf("run is %+v, its last event %s", run, seen.last().Payload)
			}
			if !strings.Contains(log.String(), inside) {
				t.Errorf("the log says %s", log.String())
			}
		})
	}
}
