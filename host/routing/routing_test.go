package routing_test

import (
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/stagehouse/stagehouse/host/routing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func agents() []routing.Agent {
	return []routing.Agent{
		{ID: "aria", Name: "Aria", Description: "A writer and a good listener", Persona: "You love stories, poems and letters.", Skills: []string{"writing", "empathy"}},
		{ID: "nyx", Name: "Nyx", Description: "A programmer with a security mindset", Persona: "You care about source code and protocols.", Skills: []string{"programming", "security"}},
	}
}

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		message string
		skills  []string
		change  func(a []routing.Agent)
		want    string
		reason  string
	}{
		{"I need help with coding", []string{"programming"}, nil, "nyx", "has the skill programming that was asked for"},
		{"I need help with coding", nil, nil, "nyx", "about its skill programming (“coding”)"},
		{"Can you hack this?", nil, nil, "nyx", "security (“hack”)"},
		{"Please write me a poem", nil, nil, "aria", "writing"},
		{"I feel so lonely", nil, nil, "aria", "“lonely”"},
		{"anything", []string{"Coding"}, nil, "nyx", "programming that was asked for"},
		{"anything", []string{"EMPATHY"}, nil, "aria", "empathy that was asked for"},
		{"anything", []string{"surgery", "writing"}, nil, "aria", "writing that was asked for"},
		{"Nyx, write me a poem", nil, nil, "nyx", "addressed by name"},
		{"protocols", nil, nil, "nyx", "profile mentions “protocols”"},
		{"how is my cat", nil, func(a []routing.Agent) { a[1].Memories = []string{"my cat is called Miro"} }, "nyx", "remembers something about “cat”"},
		{"Hello!", nil, nil, "aria", "least busy"},
		{"Hello!", nil, func(a []routing.Agent) { a[0].Unfinished = 1 }, "nyx", "least busy"},
		{"🐈", nil, nil, "aria", "least busy"},
		{"I need help with coding", nil, func(a []routing.Agent) { a[1].Unfinished = 1000 }, "nyx", "1000 unfinished turns"},
		{"write code", []string{"surgery"}, nil, "", "no agent fits"},
		{"Nyx, operate on me", []string{"surgery"}, nil, "", "no agent fits"},
	} {
		a := agents()
		if c.change != nil {
			c.change(a)
		}
		d := routing.Decide(routing.Request{Message: c.message, Skills: c.skills}, a)
		if d.AgentID != c.want || !strings.Contains(d.Reason, c.reason) || len(d.Candidates) != 2 {
			t.Errorf("%q %q goes to %q because %q (%+v); want %q because %q", c.message, c.skills, d.AgentID, d.Reason, d.Candidates, c.want, c.reason)
		}
	}
	if d := routing.Decide(routing.Request{Message: "x"}, nil); d.AgentID != "" || d.Candidates == nil {
		t.Errorf("without agents: %+v", d)
	}
}

func TestHasSkill(t *testing.T) {
	if !routing.HasSkill([]string{"data analysis", "Programming"}, []string{"coding"}) || routing.HasSkill([]string{"writing"}, []string{"coding"}) ||
		!routing.HasSkill([]string{"data analysis"}, []string{"analysis data"}) || routing.HasSkill([]string{"data analysis"}, []string{"data"}) {
		t.Error("skills are not compared as the fields that they name")
	}
}

// TestAlways checks what holds for any request: scores are bounded and ordered, the chosen one is the first and reaches the
// threshold, somebody is found when nothing is asked for, and the order of the agents does not matter.
func TestAlways(t *testing.T) {
	word := rapid.SampledFrom([]string{"code", "poem", "cat", "nyx", "aria", "security", "sad", "xyz", "the", "?"})
	rapid.Check(t, func(t *rapid.T) {
		r := routing.Request{
			Message: strings.Join(rapid.SliceOfN(word, 1, 8).Draw(t, "message"), " "),
			Skills:  rapid.SliceOfN(word, 0, 3).Draw(t, "skills"),
		}
		a := agents()
		for i := range a {
			a[i].Unfinished = rapid.IntRange(0, 100_000).Draw(t, "unfinished")
			a[i].Memories = rapid.SliceOfN(word, 0, 3).Draw(t, "memories")
		}
		d := routing.Decide(r, a)
		for i, c := range d.Candidates {
			if c.Score < 0 || c.Score > 1 || i > 0 && c.Score > d.Candidates[i-1].Score || len(c.Reasons) == 0 {
				t.Fatalf("candidates %+v", d.Candidates)
			}
		}
		switch {
		case d.AgentID == "" && len(r.Skills) == 0:
			t.Fatal("nobody fits although nothing was asked for")
		case d.AgentID != "" && (d.AgentID != d.Candidates[0].AgentID || d.Candidates[0].Score < d.Threshold):
			t.Fatalf("chosen: %+v", d)
		}
		slices.Reverse(a)
		if other := routing.Decide(r, a); other.AgentID != d.AgentID {
			t.Fatalf("the order of the agents decides: %s or %s", d.AgentID, other.AgentID)
		}
	})
}
