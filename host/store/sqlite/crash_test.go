package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/sqlite"
	"github.com/stagehouse/stagehouse/schema"
)

const crashWriters = 8

// writeUntilKilled is what the process does that TestCrash kills: it writes with several writers at once, and says which
// write it has been promised.
func writeUntilKilled(dir string) {
	s, err := sqlite.Open(context.Background(), filepath.Join(dir, "test.db"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var out sync.Mutex
	var wg sync.WaitGroup
	for w := range crashWriters {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("w%d-%d", w, i)
				err := s.Update(context.Background(), func(tx store.Tx) error { return crashWrite(tx, id) })
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				out.Lock()
				fmt.Println(id)
				out.Unlock()
			}
		})
	}
	wg.Wait()
}

// crashWrite changes several tables at once.
func crashWrite(tx store.Tx, id string) error {
	return errors.Join(
		tx.PutAgent(agent(id)),
		tx.InsertMemory(schema.MemoryItem{ID: "mem_" + id, AgentID: id, Principal: "p", Content: "about " + strings.ReplaceAll(id, "-", "x")}),
		tx.AppendEvent(event(0)),
	)
}

// TestCrash kills a writing process several times at the same database. Everything that was acknowledged must be there
// afterwards, and every write must be there whole or not at all.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for round := range 3 {
		for _, id := range killWriter(t, dir, 200) {
			acknowledged[id] = true
		}
		if !t.Run(fmt.Sprint("after kill ", round+1), func(t *testing.T) { verifyCrashed(t, dir, acknowledged) }) {
			return
		}
		if err := os.Rename(filepath.Join(dir, "test.db"), filepath.Join(dir, "old.db")); err != nil { // ids begin anew
			t.Fatal(err)
		}
		clear(acknowledged)
	}
}

// killWriter returns what the process said until it was killed.
func killWriter(t *testing.T, dir string, after int) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		ids = append(ids, lines.Text())
		if len(ids) == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || len(ids) < after {
		t.Fatalf("the writer ended by itself after %d writes: %v", len(ids), err)
	}
	if last := ids[len(ids)-1]; strings.Count(last, "-") != 1 || !strings.HasPrefix(last, "w") {
		ids = ids[:len(ids)-1] // the line was cut off
	}
	return ids
}

func verifyCrashed(t *testing.T, dir string, acknowledged map[string]bool) {
	s := open(t, dir)
	view(t, s, func(r store.Reader) error {
		all, err := r.Agents()
		if err != nil {
			return err
		}
		kept := map[string]bool{}
		for _, a := range all {
			kept[a.ID] = true
			if _, err := r.Memory("mem_" + a.ID); err != nil {
				t.Errorf("write %s is there in part: %v", a.ID, err)
			}
			hits, err := r.SearchMemories(store.MemoryQuery{Viewer: store.Viewer{Principal: "p"}, Text: strings.ReplaceAll(a.ID, "-", "x"), Limit: 2})
			if err != nil || len(hits) != 1 {
				t.Errorf("write %s is found %d times (%v)", a.ID, len(hits), err)
			}
		}
		for id := range acknowledged {
			if n, _ := strconv.Atoi(id[strings.IndexByte(id, '-')+1:]); !kept[id] {
				t.Errorf("write %s (number %d of its writer) was acknowledged and is gone", id, n)
			}
		}
		if extra := len(kept) - len(acknowledged); extra > crashWriters*2 {
			t.Errorf("%d writes more than were acknowledged", extra)
		}
		first, last, err := r.EventBounds()
		if first != 1 || int(last) != len(all) {
			t.Errorf("events 1 to %d for %d writes", last, len(all))
		}
		return err
	})
}
