package builtin

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/host/internal/words"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/local/brain/facts"
	"github.com/stagehouse/stagehouse/schema"
)

const (
	recallLimit = 20
	sure        = 0.6 // share of a question's words that an answer has to have
	near        = 0.2 // and that something has to have to be mentioned at all
	mostListed  = 5
)

// source says where something was found.
type source int

const (
	fromOwn    source = iota // the person told this agent
	fromShared               // somebody else shared it
	fromTalk                 // the person said it earlier in this conversation
)

// finding is something that may answer.
type finding struct {
	content string
	from    source
	share   float64 // of the question's words
	focus   float64 // of its own words that are the question's
	at      time.Time
}

// generic words are in so many memories that they alone say little about which one is meant.
var generic = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range stems("call name favourite favorite like love live work remember know tell say said told today") {
		m[w] = true
	}
	return m
}()

func weight(stem string) float64 {
	if generic[stem] {
		return 0.35
	}
	return 1
}

// rate says how well a text fits the words of a question.
func rate(question []string, content string) (share, focus float64) {
	have := words.Content(content)
	_, common := words.Overlap(question, have)
	if len(common) == 0 {
		return 0, 0
	}
	return total(common) / total(question), float64(len(common)) / float64(len(have))
}

func total(stems []string) (sum float64) {
	for _, w := range stems {
		sum += weight(w)
	}
	return sum
}

// recall looks through the memories and the conversation, visibly, and returns what fits, best first.
func (m *mind) recall(text string, about []string) []finding {
	if m.ended || len(about) == 0 {
		return nil
	}
	hits, err := m.turn.Memory.Recall(m.ctx, text, recallLimit)
	if err != nil {
		m.fail(err)
		return nil
	}
	var found []finding
	for _, h := range hits {
		f := finding{content: h.Memory.Content, at: h.Memory.CreatedAt}
		if h.Memory.Principal != m.turn.Principal {
			f.from = fromShared
		}
		found = append(found, f)
	}
	found = append(found, m.saidEarlier(found)...)
	for i := range found {
		found[i].share, found[i].focus = rate(about, found[i].content)
	}
	found = slices.DeleteFunc(found, func(f finding) bool { return f.share < near })
	slices.SortStableFunc(found, func(a, b finding) int {
		return cmp.Or(cmp.Compare(b.share, a.share), cmp.Compare(a.from, b.from), cmp.Compare(b.focus, a.focus), b.at.Compare(a.at))
	})
	m.showRecall(text, found)
	return found
}

// saidEarlier returns what the person stated earlier in this conversation and is not among what was found already.
func (m *mind) saidEarlier(known []finding) []finding {
	var out []finding
	for _, h := range m.turn.History {
		said := strings.TrimSpace(h.Content)
		if h.Role != schema.RoleUser || said == "" || strings.HasSuffix(said, "?") {
			continue
		}
		if !slices.ContainsFunc(known, func(f finding) bool { return strings.Contains(said, f.content) }) {
			out = append(out, finding{content: said, from: fromTalk, at: h.CreatedAt})
		}
	}
	return out
}

// showRecall yields the action of having looked.
func (m *mind) showRecall(text string, found []finding) {
	result := schema.Object{"found": len(found)}
	if len(found) > 0 {
		result["best"] = found[0].content
	}
	m.do(brain.Step{Action: &brain.Action{Name: "memory.recall", Input: schema.Object{"query": text, "limit": recallLimit}, Result: result}})
}

// knows reports whether the person told exactly this before.
func (m *mind) knows(content string) bool {
	if m.ended {
		return false
	}
	hits, err := m.turn.Memory.Recall(m.ctx, content, recallLimit)
	if err != nil {
		m.fail(err)
		return false
	}
	return slices.ContainsFunc(hits, func(h schema.MemoryHit) bool {
		return h.Memory.Principal == m.turn.Principal && strings.EqualFold(h.Memory.Content, content)
	})
}

// name returns what the person wants to be called, or "".
func (m *mind) name() string {
	var newest finding
	name := ""
	for _, f := range m.recall("my name is, call me, called", []string{"name", "call"}) {
		if n := nameIn(f.content); n != "" && f.from != fromShared && f.at.After(newest.at) {
			newest, name = f, n
		}
	}
	return name
}

func nameIn(content string) string {
	for _, f := range facts.In(content) {
		if f.Kind != "name" {
			continue
		}
		for _, before := range []string{"my name is ", "my name's ", "call me ", "i am called ", "i'm called "} {
			if i := strings.Index(strings.ToLower(f.Content), before); i >= 0 {
				name, _, _ := strings.Cut(f.Content[i+len(before):], ",")
				return strings.TrimSpace(name)
			}
		}
	}
	return ""
}

// tell says what was found, to the person it is for.
func tell(f finding) string {
	switch f.from {
	case fromShared:
		return "I was told: “" + strings.TrimSpace(f.content) + "”"
	case fromTalk:
		return "earlier in this conversation you said: “" + strings.TrimSpace(f.content) + "”"
	}
	return toSecondPerson(f.content)
}
