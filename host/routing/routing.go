// Package routing decides which agent should answer a message, and says why. It is a pure function of what it is given.
//
// Signals, each 0 to 1, with what a full one is worth:
//
//	asked skill   0.80  the agent declares a skill that the request's context asks for
//	name          0.90  the message addresses the agent by name
//	skill         0.60  the message is about a skill that the agent declares
//	profile       0.40  words of the message stand in its name, description or persona
//	memory        0.40  words of the message stand in one of its memories that the caller may see
//	availability  0.20  1 for an idle agent, less with every unfinished turn, never less than a half
//
// They are combined as independent reasons, score = 1 - Π(1 - worth·signal), so more reasons always make a higher score and
// none makes one above 1. "About" compares concepts (package words): "coding" is about programming.
//
// An agent fits if its score reaches the threshold. When nothing was asked for, the threshold is what availability alone
// gives: everybody who runs fits, and small talk goes to the least busy agent, of equals the first by id. When skills were
// asked for, the threshold is 0.5 and whoever has none of them counts for half, which cannot reach it: somebody who asks
// for a surgeon is not sent to a poet for being free.
package routing

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/host/internal/words"
	"github.com/stagehouse/stagehouse/schema"
)

// What a full signal is worth, and the thresholds.
const (
	worthAsked        = 0.80
	worthName         = 0.90
	worthSkill        = 0.60
	worthProfile      = 0.40
	worthMemory       = 0.40
	worthAvailability = 0.20

	ThresholdOpen  = 0.1 // nothing was asked for
	ThresholdAsked = 0.5 // skills were asked for
)

// Request is what is to be answered.
type Request struct {
	Message string
	Skills  []string // asked for
}

// Agent is one that runs.
type Agent struct {
	ID          string
	Name        string
	Description string
	Persona     string
	Skills      []string
	Unfinished  int      // turns that it has not finished
	Memories    []string // what it remembers that may have to do with the message
}

// Decide scores the agents. AgentID is empty if none fits; the rest of the decision is there in any case.
func Decide(r Request, agents []Agent) schema.RouteDecision {
	d := schema.RouteDecision{Threshold: ThresholdOpen, Candidates: []schema.RouteCandidate{}}
	if len(r.Skills) > 0 {
		d.Threshold = ThresholdAsked
	}
	q := newQuestion(r)
	evident := map[string]bool{}
	for _, a := range agents {
		c, evidence := q.score(a)
		d.Candidates = append(d.Candidates, c)
		evident[a.ID] = evidence
	}
	slices.SortFunc(d.Candidates, func(x, y schema.RouteCandidate) int {
		return cmp.Or(cmp.Compare(y.Score, x.Score), cmp.Compare(x.AgentID, y.AgentID))
	})
	if len(d.Candidates) == 0 || d.Candidates[0].Score < d.Threshold {
		d.Reason = "no agent fits"
		return d
	}
	best := d.Candidates[0]
	d.AgentID = best.AgentID
	d.Reason = best.AgentID + ": " + strings.Join(best.Reasons, "; ")
	if !evident[best.AgentID] {
		d.Reason = fmt.Sprintf("nothing in the message points to one agent; %s is the least busy, of equals the first by id", best.AgentID)
	}
	return d
}

// question is a request, taken apart once for all agents.
type question struct {
	asked    []string
	words    []string            // as they were written, in lower case
	content  []string            // stems
	written  map[string]string   // stem → the word as it was written
	concepts map[string][]string // concept → the words that are about it
}

func newQuestion(r Request) question {
	q := question{asked: r.Skills, words: words.Split(r.Message), content: words.Content(r.Message),
		written: map[string]string{}, concepts: map[string][]string{}}
	for _, w := range q.words {
		q.written[words.Stem(w)] = w
		if c := words.Concept(w); !words.Stop(w) && !slices.Contains(q.concepts[c], w) {
			q.concepts[c] = append(q.concepts[c], w)
		}
	}
	return q
}

// tally combines signals as independent reasons.
type tally struct {
	rest    float64 // Π(1 - worth·signal)
	reasons []string
}

func (t *tally) add(worth, signal float64, reason string, args ...any) {
	if signal > 0 {
		t.rest *= 1 - worth*min(signal, 1)
		t.reasons = append(t.reasons, fmt.Sprintf(reason, args...))
	}
}

// score returns the candidate, and whether anything but its being there speaks for it.
func (q question) score(a Agent) (schema.RouteCandidate, bool) {
	t := tally{rest: 1, reasons: []string{}}
	has := q.askedSkills(a)
	if len(has) > 0 {
		share := float64(len(has)) / float64(len(q.asked))
		t.add(worthAsked, 0.7+0.3*share, "has the skill %s that was asked for", strings.Join(has, ", "))
	}
	if q.named(a) {
		t.add(worthName, 1, "is addressed by name")
	}
	if skill, said := q.aboutSkill(a); skill != "" {
		t.add(worthSkill, 1, "the message is about its skill %s (%s)", skill, quote(said))
	}
	share, common := words.Overlap(q.content, words.Content(a.Name+" "+a.Description+" "+a.Persona))
	t.add(worthProfile, share, "its profile mentions %s", quote(q.asWritten(common)))
	share, common = q.remembered(a)
	t.add(worthMemory, share, "it remembers something about %s", quote(q.asWritten(common)))
	evidence := len(t.reasons) > 0
	q.availability(a, &t)
	score := 1 - t.rest
	if len(q.asked) > 0 && len(has) == 0 {
		score /= 2
		t.reasons = append(t.reasons, "does not have the skill "+strings.Join(q.asked, " or ")+" that was asked for")
	}
	return schema.RouteCandidate{AgentID: a.ID, Score: math.Round(score*1000) / 1000, Reasons: t.reasons}, evidence
}

func (q question) availability(a Agent, t *tally) {
	reason := "is idle"
	switch {
	case a.Unfinished == 1:
		reason = "has 1 unfinished turn"
	case a.Unfinished > 1:
		reason = fmt.Sprintf("has %d unfinished turns", a.Unfinished)
	}
	t.add(worthAvailability, 0.5+0.5/(1+float64(a.Unfinished)/8), "%s", reason)
}

// askedSkills returns the asked skills that the agent declares, as it declares them.
func (q question) askedSkills(a Agent) []string {
	var has []string
	for _, want := range q.asked {
		for _, skill := range a.Skills {
			if sameSkill(want, skill) && !slices.Contains(has, skill) {
				has = append(has, skill)
			}
		}
	}
	return has
}

// HasSkill reports whether one of the skills is one of those asked for.
func HasSkill(skills, asked []string) bool {
	return len((question{asked: asked}).askedSkills(Agent{Skills: skills})) > 0
}

func sameSkill(a, b string) bool {
	ca, cb := conceptsOf(a), conceptsOf(b)
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b)) || len(ca) > 0 && slices.Equal(ca, cb)
}

func conceptsOf(skill string) []string {
	var out []string
	for _, w := range words.Split(skill) {
		if c := words.Concept(w); !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	slices.Sort(out)
	return out
}

// aboutSkill returns the first declared skill that the message is about, and the words that say so. A skill of several
// words needs all of them.
func (q question) aboutSkill(a Agent) (string, []string) {
	for _, skill := range a.Skills {
		var said []string
		all := true
		for _, c := range conceptsOf(skill) {
			said = append(said, q.concepts[c]...)
			all = all && len(q.concepts[c]) > 0
		}
		if all && len(said) > 0 {
			return skill, said
		}
	}
	return "", nil
}

// named reports whether the message has the agent's id or name in it.
func (q question) named(a Agent) bool {
	for _, name := range []string{a.ID, a.Name} {
		parts := words.Split(name)
		if len(parts) == 0 || words.Stop(parts[0]) {
			continue
		}
		for i := range q.words {
			if len(q.words)-i >= len(parts) && slices.Equal(q.words[i:i+len(parts)], parts) {
				return true
			}
		}
	}
	return false
}

// remembered returns the best overlap of the message with one memory.
func (q question) remembered(a Agent) (best float64, common []string) {
	for _, m := range a.Memories {
		if share, c := words.Overlap(q.content, words.Content(m)); share > best {
			best, common = share, c
		}
	}
	return best, common
}

func (q question) asWritten(stems []string) []string {
	out := make([]string, len(stems))
	for i, st := range stems {
		out[i] = q.written[st]
	}
	return out
}

func quote(ws []string) string {
	out := make([]string, min(len(ws), 5))
	for i := range out {
		out[i] = "“" + ws[i] + "”"
	}
	return strings.Join(out, ", ")
}
