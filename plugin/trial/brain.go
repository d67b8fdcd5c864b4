package trial

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/problem"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// Bounds of a brain that is checked.
const (
	stepTimeout = time.Minute     // of one answer
	soon        = 2 * time.Second // until nothing is thought any more that nobody wants
	atOnce      = 8               // steps
)

// brainGroup has the checks of what an extension thinks with. Where the model behind it cannot be asked, those that need an answer
// are skipped.
func (p Program) brainGroup() conform.Group {
	return conform.Group{Name: "extension/brain", Checks: []conform.Check{
		{Name: "agrees", Expect: "it has the same brain when it runs as when it is asked what it is, and its options have a JSON Schema that can be used", Contract: "schema.BrainInfo", Run: p.brainAgrees},
		{Name: "answers", Expect: "a step says something or calls tools, and ends with done, once, and for a known reason", Contract: "schema.ThinkEvent", Run: p.brainAnswers},
		{Name: "options-are-checked", Expect: "options that do not fit their JSON Schema are CodeInvalidArgument", Contract: "schema.Brains.Think", Run: p.brainOptions},
		{Name: "cancelled-soon", Expect: "when the caller leaves in the middle of an answer, the step ends soon", Contract: "schema.Brains.Think", Run: p.brainCancelled},
		{Name: "goes-on", Expect: "an answer that was broken off is gone on with where it ends, and nothing is repeated or left out", Contract: "schema.ThinkMessage", Run: p.brainGoesOn},
		{Name: "at-once", Expect: "of several steps at once each one gets its own whole answer", Contract: "schema.Brains.Think", Run: p.brainAtOnce},
		{Name: "drain", Expect: "while it drains a step that has begun is finished, and one that has not is ABORTED, and not begun", Contract: itsLife, Run: p.brainDrains},
		{Name: "embeds", Expect: "one vector comes for each text, in any script, and all have one length", Contract: "schema.Brains.Embed", Run: p.brainEmbeds},
		{Name: "embeds-many", Expect: "as many texts as a request may have get their vectors", Contract: "schema.EmbedRequest", Run: p.brainEmbedsMany},
	}}
}

// brain returns the brain of the description, or skips the check.
func (p Program) brain(t conform.T) schema.BrainInfo {
	t.Helper()
	b := p.describe(t).Description.Brain
	if b == nil {
		t.Skipf("it has no brain")
	}
	return *b
}

// thinking returns a process that serves, and a step for it, or skips the check.
func (p Program) thinking(t conform.T) (*running, schema.ThinkRequest) {
	t.Helper()
	options := p.options(t, p.brain(t))
	r, _, _ := p.begun(t)
	return r, schema.ThinkRequest{
		Provider: r.name, Options: options, System: "You are exact.", AgentID: "nyx", ConversationID: "conv_trial", RunID: "run_trial",
		Messages: []schema.ThinkMessage{{Role: schema.ThinkUser, Text: "Count from one to twenty, in words."}},
	}
}

// answer is what has come of a step.
type answer struct {
	pieces []string // of its text
	calls  int
	done   *schema.ThinkDone // the first one
	after  int               // events behind it
	err    error
}

func (a answer) text() string { return strings.Join(a.pieces, "") }

// whole returns nil or what is wrong with an answer.
func (a answer) whole() error {
	reasons := []schema.StopReason{schema.StopEnd, schema.StopCalls, schema.StopLength, schema.StopFilter}
	switch {
	case a.err != nil:
		return a.err
	case a.done == nil:
		return fmt.Errorf("it ends without done, behind %q", a.text())
	case a.after > 0:
		return fmt.Errorf("%d more events come behind done", a.after)
	case a.text() == "" && a.calls == 0:
		return fmt.Errorf("it says nothing, and calls nothing")
	case !slices.Contains(reasons, a.done.Stop):
		return fmt.Errorf("it stops for the reason %q; the reasons are %q", a.done.Stop, reasons)
	}
	return nil
}

// step has a process take a step on behalf of somebody who may chat. at is called with each event, and ends the step with false.
func (r *running) step(ctx context.Context, q schema.ThinkRequest, at func() bool) (a answer) {
	ctx = schema.WithCaller(ctx, schema.Caller{Principal: "trial", Scopes: []schema.Scope{schema.ScopeChat}})
	q.ID = ulid.Make().String()
	for e, err := range wire.Think(ctx, pb.NewBrainsClient(r.proc.Conn()), q) {
		switch {
		case err != nil:
			a.err = err
			return a
		case a.done != nil:
			a.after++
		case e.Done != nil:
			a.done = e.Done
		case e.Call != nil:
			a.calls++
		case e.Text != "":
			a.pieces = append(a.pieces, e.Text)
		}
		if !at() {
			return a
		}
	}
	return a
}

// think has a process give a whole answer.
func (r *running) think(ctx context.Context, q schema.ThinkRequest) answer {
	return r.step(ctx, q, func() bool { return true })
}

// begins has a process begin an answer, and wants no more of it than that.
func (r *running) begins(ctx context.Context, q schema.ThinkRequest) error {
	return r.step(ctx, q, func() bool { return false }).err
}

// can ends the check if a call of a brain has failed: it is skipped where what is behind the brain cannot be asked.
func (r *running) can(t conform.T, what string, err error) {
	t.Helper()
	elsewhere := []schema.ErrorCode{
		schema.CodeUnavailable, schema.CodeUnauthenticated, schema.CodePermissionDenied, schema.CodeRateLimited, schema.CodeBusy,
		schema.CodeFailedPrecondition,
	}
	switch {
	case err == nil:
	case slices.Contains(elsewhere, schema.CodeOf(err)) && !wire.NotBegun(err) && r.Health(bound(t, callTimeout)) == nil:
		t.Skipf("its model cannot be asked here: %v", err)
	default:
		t.Fatalf("%s = %v", what, err)
	}
}

// said returns the answer to a step, which must be whole.
func (r *running) said(t conform.T, q schema.ThinkRequest) answer {
	t.Helper()
	a := r.think(bound(t, stepTimeout), q)
	r.can(t, "Think", a.err)
	if err := a.whole(); err != nil {
		t.Fatalf("the answer to a step: %v", err)
	}
	return a
}

// repeats returns the answer that a process gives to a step twice; ok is false if the second one is another.
func (r *running) repeats(t conform.T, q schema.ThinkRequest) (a answer, ok bool) {
	t.Helper()
	a = r.said(t, q)
	return a, r.said(t, q).text() == a.text()
}

func (p Program) brainAgrees(t conform.T) {
	described := p.brain(t)
	if err := described.Validate(); err != nil {
		t.Errorf("%v", err)
	}
	if _, err := (problem.Schema{Raw: described.OptionsSchema}).Check(map[string]any{}); err != nil {
		t.Errorf("the JSON Schema of its options cannot be used: %v", err)
	}
	r := p.open(t, p.Services(t))
	if _, err := r.Init(bound(t, callTimeout)); err != nil {
		t.Fatalf("Init: %v", err)
	}
	if r.introduced.GetBrain() == nil {
		t.Fatalf("it describes itself with a brain, and runs without one")
	}
	if running := wire.FromBrainInfo(r.introduced.GetBrain()); !same(t, running, described) {
		t.Errorf("it runs with the brain %v, and describes itself with %v", plain(t, running), plain(t, described))
	}
}

func (p Program) brainAnswers(t conform.T) {
	r, q := p.thinking(t)
	r.said(t, q)
}

func (p Program) brainOptions(t conform.T) {
	b := p.brain(t)
	bad := misfits(b.OptionsSchema, p.options(t, b))
	if len(bad) == 0 {
		t.Skipf("any options fit, as far as can be found out")
	}
	r, q := p.thinking(t)
	for _, q.Options = range bad {
		wants(t, fmt.Sprintf("a step with the options %v", q.Options), r.begins(bound(t, stepTimeout), q), schema.CodeInvalidArgument)
	}
}

// brainCancelled leaves in the middle of an answer. Nothing comes to a caller who has left: it is the drain that waits for the step.
func (p Program) brainCancelled(t conform.T) {
	r, q := p.thinking(t)
	r.can(t, "Think", r.begins(bound(t, stepTimeout), q))
	if unfinished, err := r.Drain(bound(t, callTimeout), soon); unfinished > 0 || err != nil {
		t.Errorf("%v after the caller had left, %d steps were still under way (%v)", soon, unfinished, err)
	}
}

func (p Program) brainGoesOn(t conform.T) {
	r, q := p.thinking(t)
	whole, ok := r.repeats(t, q)
	switch {
	case !ok:
		t.Skipf("it answers the same question differently each time")
	case len(whole.pieces) < 2:
		t.Skipf("its answer is one piece; give it options with which it says more")
	}
	half := strings.Join(whole.pieces[:len(whole.pieces)/2], "")
	q.Messages = append(q.Messages, schema.ThinkMessage{Role: schema.ThinkAgent, Text: half})
	rest := r.think(bound(t, stepTimeout), q)
	r.can(t, "Think", rest.err)
	if rest.done == nil || half+rest.text() != whole.text() {
		t.Errorf("behind %.300q it says %.300q; the whole answer was %.300q", half, rest.text(), whole.text())
	}
}

func (p Program) brainAtOnce(t conform.T) {
	r, q := p.thinking(t)
	alone, equal := r.repeats(t, q)
	ctx := bound(t, stepTimeout)
	answers := make([]answer, atOnce)
	var thinking sync.WaitGroup
	for i := range answers {
		thinking.Go(func() { answers[i] = r.think(ctx, q) })
	}
	thinking.Wait()
	for _, a := range answers {
		r.can(t, "Think at once with others", a.err)
		if err := a.whole(); err != nil {
			t.Errorf("the answer to one of %d steps at once: %v", atOnce, err)
		}
		if equal && a.text() != alone.text() {
			t.Errorf("one of %d steps at once gets the answer %.300q; alone it is %.300q", atOnce, a.text(), alone.text())
		}
	}
}

func (p Program) brainDrains(t conform.T) {
	r, q := p.thinking(t)
	ctx := bound(t, stepTimeout)
	begun, ended := make(chan struct{}), make(chan answer, 1)
	go func() {
		begin := sync.OnceFunc(func() { close(begun) })
		ended <- r.step(ctx, q, func() bool { begin(); return true })
	}()
	select {
	case <-begun:
	case a := <-ended:
		r.can(t, "Think", a.err)
		t.Fatalf("a step comes to nothing")
	}
	drained := make(chan error, 1)
	late := false
	go func() {
		begun := time.Now()
		unfinished, err := r.Drain(ctx, startTimeout)
		late = unfinished > 0 && time.Since(begun) >= startTimeout
		drained <- err
		close(drained)
	}()
	r.refuses(ctx, t, q, drained)
	a := <-ended
	if err := <-drained; err != nil {
		t.Errorf("Drain = %v", err)
	}
	if late && a.err != nil {
		t.Skipf("its answer takes longer than a drain of %v", startTimeout)
	}
	if err := a.whole(); err != nil {
		t.Errorf("the answer to a step that had begun when it was drained: %v", err)
	}
}

// refuses fails the check unless a process begins no step any more, at the latest when it has drained.
func (r *running) refuses(ctx context.Context, t conform.T, q schema.ThinkRequest, drained <-chan error) {
	t.Helper()
	for over := false; ; {
		select {
		case err := <-drained:
			if over = true; err != nil {
				t.Errorf("Drain = %v", err)
			}
		default:
		}
		err := r.begins(ctx, q)
		if wire.NotBegun(err) {
			return
		}
		if over || err != nil {
			t.Errorf("a step after its drain has begun = %v, want the status ABORTED without details", err)
			return
		}
	}
}

// embed returns the vectors of texts, or skips the check.
func (p Program) embed(t conform.T, texts []string) schema.Embeddings {
	t.Helper()
	if !p.brain(t).Embeds {
		t.Skipf("its brain has no embeddings")
	}
	r, _, _ := p.begun(t)
	ctx := schema.WithCaller(bound(t, stepTimeout), schema.Caller{Principal: "trial", Scopes: []schema.Scope{schema.ScopeChat}})
	e, err := wire.Embed(ctx, pb.NewBrainsClient(r.proc.Conn()), schema.EmbedRequest{Provider: r.name, Texts: texts})
	if schema.CodeOf(err) == schema.CodeUnimplemented { // what it is does not depend on its block, and this may
		t.Skipf("it makes no embeddings with this block: %v", err)
	}
	r.can(t, "Embed", err) // which holds the vectors against the texts
	return e
}

func (p Program) brainEmbeds(t conform.T) {
	p.embed(t, []string{"A fox.", "Ein Füchschen läuft über die Straße.", "狐が道を渡る。", "🦊", strings.Repeat("The fox crosses the road. ", 20)})
}

func (p Program) brainEmbedsMany(t conform.T) {
	texts := make([]string, schema.MaxEmbedTexts)
	for i := range texts {
		texts[i] = fmt.Sprintf("Fox number %d.", i+1)
	}
	p.embed(t, texts)
}
