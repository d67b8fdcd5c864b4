package memories_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/memories"
	"github.com/stagehouse/stagehouse/host/memories/memoriestest"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

var pets = []string{"cat dog animal"}

// TestFindsByMeaning: memories that were there before the embedder, and those that come after it, are found without a shared word.
func TestFindsByMeaning(t *testing.T) {
	h := open(t, t.TempDir())
	h.remember(t, "my cat sleeps", "a lorry passes")
	h.UseBrains(&memoriestest.Brain{Synonyms: pets})
	if x, err := h.Index(t.Context()); err != nil || x.State != memories.StateOff || x.Memories != 2 || !x.Done() {
		t.Errorf("without an embedder the index is %+v, %v", x, err)
	}
	h.UseEmbedder(toy("m"))
	h.untilReady(t)
	h.remember(t, "the dog barks")
	if x := h.untilReady(t); x.Placed != 3 || x.Nowhere != 0 || !slices.Equal(x.Searched, []string{"toy/m"}) {
		t.Errorf("the index is %+v", x)
	}
	if got := h.find(t, "animals"); len(got) != 2 || got[0] == "a lorry passes" || got[1] == "a lorry passes" {
		t.Errorf("found %q", got)
	}
	if hits, err := h.Search(ctxOf(t, "bob"), schema.MemoryQuery{Text: "animals"}); err != nil || len(hits) != 0 {
		t.Errorf("somebody else finds %+v, %v", hits, err)
	}
	h.UseEmbedder(nil)
	if got := h.find(t, "animals"); len(got) != 0 {
		t.Errorf("without the embedder %q is found", got)
	}
}

// failing answers with errors for as long as a test wants.
type failing struct{ err atomic.Pointer[schema.Error] }

func (f *failing) before(context.Context, schema.EmbedRequest) error {
	if e := f.err.Load(); e != nil {
		return e
	}
	return nil
}

// TestWithoutItsEmbedder: a provider that is not there, refuses or has gone costs no search its words, is told, and comes back.
func TestWithoutItsEmbedder(t *testing.T) {
	h, f := open(t, t.TempDir()), &failing{}
	h.remember(t, "my cat sleeps")
	h.UseEmbedder(toy("m")) // no extension is known
	h.until(t, "waiting", func(x memories.Index) bool {
		return x.State == memories.StateWaiting && x.Error != "" && x.RetryAt != nil
	})
	if got := h.find(t, "cat"); len(got) != 1 {
		t.Errorf("before there are extensions %q is found", got)
	}
	f.err.Store(schema.Errorf(schema.CodeUnauthenticated, "401: the key was refused"))
	h.UseBrains(&memoriestest.Brain{Synonyms: pets, Before: f.before})
	h.until(t, "waiting for the key", func(x memories.Index) bool { return strings.Contains(x.Error, "401") })
	f.err.Store(nil)
	if err := h.Reindex(false); err != nil { // else it would wait
		t.Fatal(err)
	}
	h.untilReady(t)
	f.err.Store(schema.Errorf(schema.CodeUnavailable, "the extension toy does not run"))
	if got := h.find(t, "cat animal"); len(got) != 1 {
		t.Errorf("without the provider %q is found", got)
	}
	if x, err := h.Index(t.Context()); err != nil || !strings.Contains(x.Words, "does not run") {
		t.Errorf("the index is %+v, %v", x, err)
	}
	f.err.Store(nil)
	if got := h.find(t, "animal"); len(got) != 1 {
		t.Errorf("with the provider again %q is found", got)
	}
	if x, err := h.Index(t.Context()); err != nil || x.Words != "" {
		t.Errorf("the index is %+v, %v", x, err)
	}
}

// TestASlowEmbedderKeepsNobodyWaiting for more than one search.
func TestASlowEmbedderKeepsNobodyWaiting(t *testing.T) {
	h := open(t, t.TempDir())
	var slow atomic.Bool
	var asked atomic.Int32
	h.UseBrains(&memoriestest.Brain{Before: func(ctx context.Context, r schema.EmbedRequest) error {
		if slow.Load() {
			asked.Add(1)
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}})
	h.UseEmbedder(toy("m"))
	h.remember(t, "my cat sleeps")
	h.untilReady(t)
	slow.Store(true)
	began := time.Now()
	for i := range 20 {
		if got := h.find(t, fmt.Sprint("cat ", i)); len(got) != 1 {
			t.Errorf("found %q", got)
		}
	}
	if n := asked.Load(); n != 1 || time.Since(began) > 10*time.Second {
		t.Errorf("20 searches asked %d times and took %s", n, time.Since(began))
	}
}

// TestATextThatIsRefusedBlocksNoOther, whether the model refuses it or breaks on it; a long one is embedded by its beginning.
func TestATextThatIsRefusedBlocksNoOther(t *testing.T) {
	h := open(t, t.TempDir())
	h.remember(t, "one cat", "poison dog", "two cats", "long dog "+strings.Repeat("and so on ", 2000), "three cats", "crash dog", "four cats")
	var healed atomic.Bool
	h.UseBrains(&memoriestest.Brain{Synonyms: pets, Before: func(_ context.Context, r schema.EmbedRequest) error {
		for _, text := range r.Texts {
			switch {
			case strings.Contains(text, "poison"):
				return schema.Errorf(schema.CodeInvalidArgument, "the text breaks a rule")
			case len(text) > 8000:
				return schema.Errorf(schema.CodeTooLarge, "the text is too long")
			case strings.Contains(text, "crash") && !healed.Load():
				return schema.Errorf(schema.CodeInternal, "the model crashed")
			}
		}
		return nil
	}})
	h.UseEmbedder(toy("m"))
	h.until(t, "past the texts", func(x memories.Index) bool {
		if x.State == memories.StateWaiting {
			if err := h.Reindex(false); err != nil { // it need not wait
				t.Fatal(err)
			}
		}
		return x.Placed == 6
	})
	if got := h.find(t, "animal"); len(got) != 5 {
		t.Errorf("found %.40q", got)
	}
	healed.Store(true)
	h.until(t, "ready", func(x memories.Index) bool {
		if err := h.Reindex(false); err != nil {
			t.Fatal(err)
		}
		return x.State == memories.StateReady && x.Placed == 7 && x.Nowhere == 1
	})
	if got := h.find(t, "animal"); len(got) != 6 {
		t.Errorf("found %.40q once the model does not break any more", got)
	}
}

// TestAConfigurationThatIsRefusedGivesNothingUp: a model that refuses everything is no reason to think that the texts are wrong.
func TestAConfigurationThatIsRefusedGivesNothingUp(t *testing.T) {
	h, f := open(t, t.TempDir()), &failing{}
	f.err.Store(schema.Errorf(schema.CodeInvalidArgument, "there is no model m"))
	h.remember(t, "cat one", "cat two", "cat three")
	h.UseBrains(&memoriestest.Brain{Before: f.before})
	h.UseEmbedder(toy("m"))
	x := h.until(t, "waiting", func(x memories.Index) bool { return x.State == memories.StateWaiting })
	if x.Placed != 0 || !strings.Contains(x.Error, "no model m") {
		t.Errorf("the index is %+v", x)
	}
	f.err.Store(nil)
	if err := h.Reindex(false); err != nil {
		t.Fatal(err)
	}
	if x := h.untilReady(t); x.Placed != 3 || x.Nowhere != 0 {
		t.Errorf("the index is %+v", x)
	}
}

// gated lets requests of one model through one by one.
type gated struct {
	model string
	pass  chan struct{}
}

func (g gated) before(ctx context.Context, r schema.EmbedRequest) error {
	if r.Model != g.model || len(r.Texts) == 1 { // which is a question
		return nil
	}
	select {
	case <-g.pass:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestAnotherModelTakesOver: while all memories are embedded by another model, every search finds them by the old one, what is
// stored meanwhile is found too, and in the end there is nothing left of the old one.
func TestAnotherModelTakesOver(t *testing.T) {
	h, g := open(t, t.TempDir()), gated{model: "new", pass: make(chan struct{})}
	h.UseBrains(&memoriestest.Brain{Synonyms: pets, Before: g.before, Length: func(model string) int { return 1000 + len(model) }})
	for i := range 20 {
		h.remember(t, fmt.Sprintf("cat number %d", i))
	}
	least := 0.1 // of the cosine that a cat has with an animal and two numbers
	old := toy("old")
	old.MinSimilarity = &least
	h.UseEmbedder(old)
	h.untilReady(t)

	ctx, stop := context.WithCancel(t.Context())
	var searching sync.WaitGroup
	var searches atomic.Int32
	for i := range 4 {
		searching.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if got := h.find(t, fmt.Sprintf("animal %d %d", i, n)); len(got) != schema.DefaultSearchLimit {
					t.Errorf("search %d finds %d memories", n, len(got))
					return
				}
				searches.Add(1)
			}
		})
	}
	e := toy("new")
	e.Batch, e.MinSimilarity = 4, &least
	h.UseEmbedder(e)
	for n := range 5 {
		g.pass <- struct{}{}
		if n == 2 {
			x := h.until(t, "half done", func(x memories.Index) bool { return x.Placed >= 8 })
			if !slices.Equal(x.Searched, []string{"toy/old", "toy/new"}) || x.Placed >= 20 {
				t.Errorf("in the middle the index is %+v", x)
			}
			h.remember(t, "my dog is new here") // which the old model never sees
		}
		seen := searches.Load()
		for deadline := time.Now().Add(patience); searches.Load() < seen+8 && !t.Failed() && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
	}
	close(g.pass)
	x := h.until(t, "ready", func(x memories.Index) bool { return x.State == memories.StateReady && len(x.Searched) == 1 })
	stop()
	searching.Wait()
	if !slices.Equal(x.Searched, []string{"toy/new"}) || x.Placed != 21 {
		t.Errorf("in the end the index is %+v", x)
	}
	if spaces := h.spaces(t); !slices.Equal(spaces, []string{"toy/new"}) {
		t.Errorf("in the end there are the spaces %q", spaces)
	}
	if got := h.find(t, "animal new"); len(got) == 0 || got[0] != "my dog is new here" {
		t.Errorf("found %q", got)
	}
}

func (h house) spaces(t testing.TB) (names []string) {
	t.Helper()
	err := h.store.View(t.Context(), func(r store.Reader) error {
		names = nil
		all, err := r.Spaces()
		for _, s := range all {
			names = append(names, s.Name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestWhatIsStoredMeanwhileIsFound by what it means, before the other memories have vectors of the new model.
func TestWhatIsStoredMeanwhileIsFound(t *testing.T) {
	h, g := open(t, t.TempDir()), gated{model: "new", pass: make(chan struct{})}
	h.UseBrains(&memoriestest.Brain{Synonyms: pets, Before: g.before})
	h.remember(t, "one lorry", "two lorries", "three lorries", "four lorries")
	h.UseEmbedder(toy("old"))
	h.untilReady(t)
	e := toy("new")
	e.Batch = 2
	h.UseEmbedder(e)
	h.remember(t, "my dog", "my cat") // the newest are embedded first
	g.pass <- struct{}{}
	h.until(t, "begun", func(x memories.Index) bool { return slices.Equal(x.Searched, []string{"toy/old", "toy/new"}) })
	deadline := time.Now().Add(patience)
	for got := h.find(t, "animal"); len(got) != 2; got = h.find(t, "animal") {
		if time.Now().After(deadline) {
			t.Fatalf("found %q", got)
		}
		select {
		case g.pass <- struct{}{}:
		case <-time.After(time.Millisecond):
		}
	}
	close(g.pass)
	h.untilReady(t)
}

// TestReindexAnew embeds everything again, which a model whose vectors have another length than they had brings about by itself.
func TestReindexAnew(t *testing.T) {
	h := open(t, t.TempDir())
	var length, embedded atomic.Int32
	length.Store(64)
	h.UseBrains(&memoriestest.Brain{
		Synonyms: pets, Length: func(string) int { return int(length.Load()) },
		Before: func(_ context.Context, r schema.EmbedRequest) error { embedded.Add(int32(len(r.Texts))); return nil },
	})
	if err := h.Reindex(true); schema.CodeOf(err) != schema.CodeFailedPrecondition || !strings.Contains(err.Error(), "memory.embedder") {
		t.Errorf("without an embedder: %v", err)
	}
	h.UseEmbedder(toy("m"))
	h.remember(t, "cat one", "cat two", "dog three")
	h.untilReady(t)
	embedded.Store(0)
	if err := h.Reindex(true); err != nil {
		t.Fatal(err)
	}
	h.until(t, "embedded again", func(x memories.Index) bool {
		return x.State == memories.StateReady && slices.Equal(x.Searched, []string{"toy/m#2"})
	})
	if n := embedded.Load(); n != 3 {
		t.Errorf("%d texts were embedded, of 3 memories", n)
	}
	length.Store(32)
	if got := h.find(t, "cat animal"); len(got) < 2 {
		t.Errorf("by words %q is found", got)
	}
	h.until(t, "of the new length", func(x memories.Index) bool {
		return x.State == memories.StateReady && slices.Equal(x.Searched, []string{"toy/m#3"})
	})
	length.Store(16)
	h.remember(t, "cat four") // the background sees it, too
	h.until(t, "of the newest length", func(x memories.Index) bool {
		return x.State == memories.StateReady && slices.Equal(x.Searched, []string{"toy/m#4"})
	})
	if got := h.find(t, "animal"); len(got) != 4 {
		t.Errorf("found %q", got)
	}
}

// TestAModelThatChangesItsMind: editions that are begun again and again do not pile up.
func TestAModelThatChangesItsMind(t *testing.T) {
	h := open(t, t.TempDir())
	var asked, steady atomic.Int32
	h.UseBrains(&memoriestest.Brain{Length: func(string) int { return 16 + int(asked.Add(1)*(1-steady.Load()))%2 }})
	for i := range 8 {
		h.remember(t, fmt.Sprintf("cat number %d", i))
	}
	e := toy("m")
	e.Batch = 4
	h.UseEmbedder(e)
	spaces := func() (all []store.Space) {
		err := h.store.View(t.Context(), func(r store.Reader) (err error) {
			all, err = r.Spaces()
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	h.until(t, "begun often", func(memories.Index) bool {
		if all := spaces(); len(all) > 2 {
			t.Fatalf("there are %+v", all)
		}
		return asked.Load() > 12
	})
	steady.Store(1)
	h.untilReady(t)
	if all := spaces(); len(all) != 1 || all[0].Placed != 8 {
		t.Errorf("in the end there are %+v", all)
	}
}

// TestPace: no more is embedded in the background than the configuration lets.
func TestPace(t *testing.T) {
	h := open(t, t.TempDir())
	for i := range 12 {
		h.remember(t, fmt.Sprint("cat ", i))
	}
	var mu sync.Mutex
	var at []time.Time
	h.UseBrains(&memoriestest.Brain{Before: func(_ context.Context, r schema.EmbedRequest) error {
		mu.Lock()
		defer mu.Unlock()
		if len(r.Texts) > 4 {
			t.Errorf("%d texts at once", len(r.Texts))
		}
		at = append(at, time.Now())
		return nil
	}})
	e := toy("m")
	e.Batch, e.PerMinute = 4, 2400 // a batch in 100 ms
	h.UseEmbedder(e)
	h.untilReady(t)
	if len(at) != 3 || at[2].Sub(at[0]) < 150*time.Millisecond {
		t.Errorf("the requests came at %v", at)
	}
}
