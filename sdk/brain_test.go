//go:build unix

package sdk_test

import (
	"context"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func stepOf(options schema.Object) sdk.ThinkRequest {
	return sdk.ThinkRequest{
		ID: "step_1", Provider: "commander", Options: options, AgentID: "nyx",
		Messages: []sdk.ThinkMessage{{Role: sdk.ThinkUser, Text: "Count."}},
	}
}

// thought is what came of a step.
type thought struct {
	mind, text string
	done       *sdk.ThinkDone
	err        error
}

// gather reads a step to its end; said is called with all of its text after each piece.
func gather(events iter.Seq2[sdk.ThinkEvent, error], said func(text string)) (t thought) {
	for e, err := range events {
		if err != nil {
			t.err = err
			return t
		}
		t.mind += e.Thought
		t.text += e.Text
		if e.Done != nil {
			t.done = e.Done
		}
		if e.Text != "" && said != nil {
			said(t.text)
		}
	}
	return t
}

func startThinker(t *testing.T) (*plugin.Manager, plugin.Spec) {
	t.Helper()
	m, _ := newManager(t)
	spec := commanderSpec(t, "commander")
	if err := m.Start(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	return m, spec
}

// TestABrainThinks: in memory, and on behalf of who speaks.
func TestABrainThinks(t *testing.T) {
	x := sdktest.Start(t, commanderDefinition(), "", schema.Services{})
	got := gather(x.Think(t.Context(), stepOf(schema.Object{"upTo": 3})), nil)
	if got.err != nil || got.text != "1 2 3 " || got.mind != "generation 1 for ann" || got.done == nil ||
		got.done.Stop != sdk.StopEnd || got.done.Usage.OutputTokens != 3 || got.done.Model != "counter" {
		t.Errorf("it thinks %+v", got)
	}
	e, err := x.Embed(t.Context(), sdk.EmbedRequest{Provider: "commander", Texts: []string{"a", "bcd"}})
	if err != nil || e.Model != "length" || len(e.Vectors) != 2 || !slices.Equal(e.Vectors[1], []float32{3, 1}) {
		t.Errorf("it embeds %+v, %v", e, err)
	}
}

// TestABrainGoesOn: where the text of a broken step ends.
func TestABrainGoesOn(t *testing.T) {
	x := sdktest.Start(t, commanderDefinition(), "", schema.Services{})
	q := stepOf(schema.Object{"upTo": 5})
	q.Messages = append(q.Messages, sdk.ThinkMessage{Role: sdk.ThinkAgent, Text: "1 2 3 "})
	if got := gather(x.Think(t.Context(), q), nil); got.err != nil || got.text != "4 5 " {
		t.Errorf("it goes on with %+v", got)
	}
}

// TestWhatABrainIsNotAsked: what cannot be is refused before it is called, with the place of what is wrong.
func TestWhatABrainIsNotAsked(t *testing.T) {
	x := sdktest.Start(t, commanderDefinition(), "", schema.Services{})
	for name, c := range map[string]struct {
		change func(*sdk.ThinkRequest)
		want   string
	}{
		"an option of the wrong type": {func(q *sdk.ThinkRequest) { q.Options = schema.Object{"upTo": "many"} }, "/brain/upTo"},
		"an unknown option":           {func(q *sdk.ThinkRequest) { q.Options = schema.Object{"upTwo": 2} }, "upTo"},
		"no message":                  {func(q *sdk.ThinkRequest) { q.Messages = nil }, "messages"},
		"a stranger":                  {func(q *sdk.ThinkRequest) { q.Messages[0].Role = "system" }, "system"},
		"a call without its result": {func(q *sdk.ThinkRequest) {
			q.Messages = append(q.Messages, sdk.ThinkMessage{Role: sdk.ThinkAgent, Calls: []sdk.ToolCall{{ID: "1", Name: "x"}}})
		}, "no results"},
		"a tool without a name": {func(q *sdk.ThinkRequest) { q.Tools = []sdk.Tool{{InputSchema: []byte(`{}`)}} }, "tools"},
	} {
		q := stepOf(nil)
		c.change(&q)
		if got := gather(x.Think(t.Context(), q), nil); schema.CodeOf(got.err) != schema.CodeInvalidArgument || !strings.Contains(got.err.Error(), c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestWhatABrainDoesWrong is told to who asked, and the extension goes on.
func TestWhatABrainDoesWrong(t *testing.T) {
	m, _ := startThinker(t)
	for fault, want := range map[string]struct {
		code schema.ErrorCode
		text string
	}{
		"panic":  {schema.CodeInternal, "failed unexpectedly"},
		"busy":   {schema.CodeRateLimited, "too much"},
		"quits":  {schema.CodeUnavailable, "gave up"},
		"silent": {schema.CodeUnavailable, "without saying how"},
		"twice":  {schema.CodeInternal, "goes on after the end"},
	} {
		got := gather(m.Brains().Think(ann(schema.ScopeChat), stepOf(schema.Object{"fault": fault})), nil)
		if schema.CodeOf(got.err) != want.code || !strings.Contains(got.err.Error(), want.text) {
			t.Errorf("%s: %+v", fault, got)
		}
		if fault == "busy" && schema.AsError(got.err).RetryAfter.Seconds() != 7 {
			t.Errorf("when to ask again got lost: %+v", schema.AsError(got.err))
		}
	}
	if got := gather(m.Brains().Think(ann(schema.ScopeChat), stepOf(nil)), nil); got.err != nil || got.mind != "generation 1 for ann" {
		t.Errorf("afterwards: %+v", got)
	}
	q := stepOf(nil)
	q.Provider = "nobody"
	if got := gather(m.Brains().Think(ann(), q), nil); schema.CodeOf(got.err) != schema.CodeNotFound || !strings.Contains(got.err.Error(), "commander") {
		t.Errorf("of a brain that is not there: %v", got.err)
	}
}

// TestAStepEndsWhereItBegan: the extension is replaced in the middle of an answer, which is not cut; the next one is the new
// generation's.
func TestAStepEndsWhereItBegan(t *testing.T) {
	m, spec := startThinker(t)
	until := filepath.Join(t.TempDir(), "until")
	begun, held := make(chan struct{}), make(chan thought, 1)
	go func() {
		options := schema.Object{"upTo": 4, "until": until}
		held <- gather(m.Brains().Think(ann(schema.ScopeChat), stepOf(options)), func(text string) {
			if text == "1 " {
				close(begun)
			}
		})
	}()
	<-begun
	if err := m.Reload(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	if got := gather(m.Brains().Think(ann(schema.ScopeChat), stepOf(nil)), nil); got.err != nil || got.mind != "generation 2 for ann" {
		t.Errorf("after the swap: %+v", got)
	}
	if err := os.WriteFile(until, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := <-held; got.err != nil || got.text != "1 2 3 4 " || got.mind != "generation 1 for ann" {
		t.Errorf("the step that was under way: %+v", got)
	}
}

// TestAnAnswerThatIsOnItsWay: the generation has said everything, and leaves, while who asked has not read it all.
func TestAnAnswerThatIsOnItsWay(t *testing.T) {
	m, spec := startThinker(t)
	said := filepath.Join(t.TempDir(), "said")
	begun, read, held := make(chan struct{}), make(chan struct{}), make(chan thought, 1)
	go func() {
		options := schema.Object{"upTo": 190, "wide": 1000, "said": said} // more than one side of the connection holds, and less than both do
		held <- gather(m.Brains().Think(ann(schema.ScopeChat), stepOf(options)), func(text string) {
			if len(text) == 1001 {
				close(begun)
				<-read
			}
		})
	}()
	<-begun
	old := m.Status()[0].PID
	if err := m.Reload(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all to be said", func() bool { _, err := os.Stat(said); return err == nil })
	for deadline := time.Now().Add(200 * time.Millisecond); time.Now().Before(deadline); <-time.After(5 * time.Millisecond) {
		if err := syscall.Kill(old, 0); err != nil {
			t.Error("the process was ended before its answer was read:", err)
			break
		}
	}
	close(read)
	if got := <-held; got.err != nil || len(got.text) != 190*1001 || got.done == nil {
		t.Errorf("of %d bytes %d are here, and then: %v", 190*1001, len(got.text), got.err)
	}
}

// TestABrainThatDies: who asked has what was said so far, and knows that nothing more comes; then it is there again.
func TestABrainThatDies(t *testing.T) {
	m, _ := startThinker(t)
	got := gather(m.Brains().Think(ann(schema.ScopeChat), stepOf(schema.Object{"fault": "exit"})), nil)
	if got.text != "1 " || schema.CodeOf(got.err) != schema.CodeUnavailable || !strings.Contains(got.err.Error(), "went away") {
		t.Errorf("of a process that died: %+v", got)
	}
	if all, err := m.Brains().List(ann()); err != nil || len(all) != 1 || all[0].Provider != "commander" || !all[0].Embeds {
		t.Errorf("while it is restarted there is %+v, %v", all, err)
	}
	eventually(t, "the brain to be there again", func() bool {
		return gather(m.Brains().Think(ann(schema.ScopeChat), stepOf(nil)), nil).err == nil
	})
}

// TestABrainIsStopped: breaking out of a step reaches the extension.
func TestABrainIsStopped(t *testing.T) {
	m, _ := startThinker(t)
	stopped := filepath.Join(t.TempDir(), "stopped")
	for e := range m.Brains().Think(ann(schema.ScopeChat), stepOf(schema.Object{"fault": "wait", "until": stopped})) {
		if e.Text != "" {
			break
		}
	}
	eventually(t, "the extension to notice", func() bool { _, err := os.Stat(stopped); return err == nil })
}

// TestABrainThatIsNotGranted is none.
func TestABrainThatIsNotGranted(t *testing.T) {
	m, _ := newManager(t)
	spec := commanderSpec(t, "commander")
	spec.Grants = []string{schema.GrantCommands}
	if err := m.Start(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	if all, err := m.Brains().List(ann()); err != nil || len(all) != 0 {
		t.Errorf("there is %+v, %v", all, err)
	}
	if got := gather(m.Brains().Think(ann(), stepOf(nil)), nil); schema.CodeOf(got.err) != schema.CodeNotFound {
		t.Errorf("it thinks: %+v", got)
	}
}

// TestAStepThatOutlastsTheDrain is cut off at its deadline, and may be asked for again: nobody has cancelled it.
func TestAStepThatOutlastsTheDrain(t *testing.T) {
	m, _ := newManager(t)
	spec := commanderSpec(t, "commander")
	spec.DrainTimeout = 200 * time.Millisecond
	if err := m.Start(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	begun, held := make(chan struct{}), make(chan thought, 1)
	go func() {
		options := schema.Object{"fault": "wait", "until": filepath.Join(t.TempDir(), "until")}
		held <- gather(m.Brains().Think(ann(schema.ScopeChat), stepOf(options)), func(string) { close(begun) })
	}()
	<-begun
	if err := m.Reload(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	if got := <-held; got.text != "1 " || schema.CodeOf(got.err) != schema.CodeUnavailable {
		t.Errorf("it ends with %+v", got)
	}
}
