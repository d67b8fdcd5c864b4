package memories_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stagehouse/stagehouse/host/memories"
	"github.com/stagehouse/stagehouse/host/memories/memoriestest"
	"github.com/stagehouse/stagehouse/host/store/sqlite"
	"github.com/stagehouse/stagehouse/schema"
)

// killedDir names the environment variable that makes this binary the process which is killed.
const killedDir = "STAGEHOUSE_TEST_MEMORIES_DIR"

// embedUntilKilled embeds the memories in a directory, says so after each batch, and is killed after some of them.
func embedUntilKilled(dir string) {
	s, err := sqlite.Open(context.Background(), filepath.Join(dir, "stagehouse.db"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	m := memories.New(s, nil, slog.New(slog.DiscardHandler))
	batches := 0
	m.UseBrains(&memoriestest.Brain{Before: func(context.Context, schema.EmbedRequest) error {
		if batches++; batches == 4 { // three are kept
			fmt.Println("three")
			select {}
		}
		return nil
	}})
	e := toy("m")
	e.Batch = 5
	m.UseEmbedder(e)
	select {}
}

// TestKilledWhileEmbedding: who goes on embeds what is left, and nothing twice.
func TestKilledWhileEmbedding(t *testing.T) {
	dir := t.TempDir()
	contents := map[string]bool{}
	t.Run("before", func(t *testing.T) {
		h := open(t, dir)
		for i := range 40 {
			c := fmt.Sprintf("cat number %d", i)
			contents[c] = true
			h.remember(t, c)
		}
	})
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), killedDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()

	h := open(t, dir)
	if x, err := h.Index(t.Context()); err != nil || x.Memories != 40 {
		t.Fatalf("the index is %+v, %v", x, err)
	}
	var mu sync.Mutex
	again := map[string]int{}
	h.UseBrains(&memoriestest.Brain{Before: func(_ context.Context, r schema.EmbedRequest) error {
		mu.Lock()
		defer mu.Unlock()
		for _, text := range r.Texts {
			again[text]++
		}
		return nil
	}})
	h.UseEmbedder(toy("m"))
	if x := h.untilReady(t); x.Placed != 40 || x.Nowhere != 0 {
		t.Errorf("the index is %+v", x)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(again) != 25 {
		t.Errorf("%d memories were embedded after the kill, of 25 that were left", len(again))
	}
	for text, n := range again {
		if n != 1 || !contents[text] {
			t.Errorf("%q was embedded %d times", text, n)
		}
	}
}
