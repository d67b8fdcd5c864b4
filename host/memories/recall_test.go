package memories_test

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/stagehouse/stagehouse/host/internal/words"
	"github.com/stagehouse/stagehouse/host/memories/memoriestest"
	"github.com/stagehouse/stagehouse/schema"
)

// labelled is the set in testdata/recall.json.
type labelled struct {
	Synonyms  []string
	Memories  []struct{ ID, Content string }
	Questions []question
}

type question struct {
	Ask        string
	Want       []string // the ids of the memories any of which is an answer
	Paraphrase bool
}

func readLabelled(t testing.TB) (set labelled) {
	t.Helper()
	text, err := os.ReadFile("testdata/recall.json")
	if err == nil {
		err = json.Unmarshal(text, &set)
	}
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// quality is how well questions are answered: the share that has an answer among the first five, and the mean of the reciprocal
// rank of the first answer.
type quality struct{ hit5, mrr float64 }

func (set labelled) measure(t testing.TB, h house, ids map[string]string, of func(question) bool) (q quality) {
	t.Helper()
	n := 0
	for _, ask := range set.Questions {
		if !of(ask) {
			continue
		}
		n++
		hits, err := h.Search(alice(t), schema.MemoryQuery{AgentID: "nyx", Text: ask.Ask, Limit: 20})
		if err != nil {
			t.Fatal(err)
		}
		rank := slices.IndexFunc(hits, func(hit schema.MemoryHit) bool { return slices.Contains(ask.Want, ids[hit.Memory.ID]) })
		if rank >= 0 {
			q.mrr += 1 / float64(rank+1)
		}
		if rank >= 0 && rank < 5 {
			q.hit5++
		}
	}
	return quality{q.hit5 / float64(n), q.mrr / float64(n)}
}

// load returns memories that are the set, and the names of their ids there.
func (set labelled) load(t testing.TB) (house, map[string]string) {
	t.Helper()
	h := open(t, t.TempDir())
	ids := map[string]string{}
	for _, m := range set.Memories {
		ids[h.remember(t, m.Content)[0].ID] = m.ID
	}
	return h, ids
}

func all(question) bool          { return true }
func paraphrase(q question) bool { return q.Paraphrase }
func plain(q question) bool      { return !q.Paraphrase }

// TestHybridIsNotWorse: where words are enough nothing is lost, and where they are not, much is won.
func TestHybridIsNotWorse(t *testing.T) {
	set := readLabelled(t)
	h, ids := set.load(t)
	before := map[string]quality{}
	kinds := map[string]func(question) bool{"all": all, "plain": plain, "paraphrase": paraphrase}
	for name, of := range kinds {
		before[name] = set.measure(t, h, ids, of)
	}
	h.UseBrains(&memoriestest.Brain{Synonyms: set.Synonyms})
	h.UseEmbedder(toy("m"))
	h.untilReady(t)
	for name, of := range kinds {
		now := set.measure(t, h, ids, of)
		t.Logf("%-10s words: hit@5 %.3f MRR %.3f; hybrid: hit@5 %.3f MRR %.3f", name, before[name].hit5, before[name].mrr, now.hit5, now.mrr)
		if now.hit5 < before[name].hit5 || now.mrr < before[name].mrr {
			t.Errorf("%s: hybrid search has %+v, and words alone have %+v", name, now, before[name])
		}
	}
}

// TestLabelledSetIsWhatItSays: a paraphrase shares no word that says anything with its answers.
func TestLabelledSetIsWhatItSays(t *testing.T) {
	set := readLabelled(t)
	contents := map[string]string{}
	for _, m := range set.Memories {
		contents[m.ID] = m.Content
	}
	for _, q := range set.Questions {
		shares := false
		for _, id := range q.Want {
			if contents[id] == "" {
				t.Fatalf("%s: there is no memory %s", q.Ask, id)
			}
			share, _ := words.Overlap(words.Content(q.Ask), words.Content(contents[id]))
			shares = shares || share > 0
		}
		if shares == q.Paraphrase {
			t.Errorf("%s: paraphrase is %v, and it shares a word: %v", q.Ask, q.Paraphrase, shares)
		}
	}
}

// BenchmarkRecall reports how well the questions of testdata/recall.json are answered, beside what an answer takes.
func BenchmarkRecall(b *testing.B) {
	set := readLabelled(b)
	for _, c := range []struct {
		name   string
		hybrid bool
	}{{"words", false}, {"hybrid", true}} {
		b.Run(c.name, func(b *testing.B) {
			h, ids := set.load(b)
			if c.hybrid {
				h.UseBrains(&memoriestest.Brain{Synonyms: set.Synonyms})
				h.UseEmbedder(toy("m"))
				h.untilReady(b)
			}
			var q, p quality
			for b.Loop() {
				q = set.measure(b, h, ids, all)
			}
			p = set.measure(b, h, ids, paraphrase)
			b.ReportMetric(q.hit5, "hit@5")
			b.ReportMetric(q.mrr, "MRR")
			b.ReportMetric(p.hit5, "paraphrase-hit@5")
			b.ReportMetric(p.mrr, "paraphrase-MRR")
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(set.Questions)), "µs/question")
		})
	}
}
