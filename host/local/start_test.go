package local_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
)

// says returns a factory of brains that answer with a word.
func says(word string) brain.Factory {
	return script(func(_ context.Context, _ brain.Turn, yield func(brain.Step, error) bool) {
		yield(brain.Step{Reply: word}, nil)
	}).factory
}

// TestBrainChangedWhileStarting changes the brain of an agent whose old one is being made, to one that can be made and to
// one that cannot.
func TestBrainChangedWhileStarting(t *testing.T) {
	off := false
	for name, c := range map[string]struct {
		options schema.Object
		status  schema.AgentStatus
		old     error
	}{
		"to one that works":         {nil, schema.AgentRunning, nil},
		"from one that cannot work": {nil, schema.AgentRunning, errTest},
		"to one that cannot work":   {schema.Object{"broken": "since"}, schema.AgentFailed, nil},
	} {
		t.Run(name, func(t *testing.T) {
			making, made := make(chan struct{}), make(chan struct{})
			var calls atomic.Int32
			r := open(t, local.Options{
				Agents: []local.AgentSpec{{ID: "bot", Brain: schema.Brain{Provider: "old"}, Autostart: &off}},
				Brains: map[string]brain.Factory{
					"old": func(ctx context.Context, id string, o schema.Object) (brain.Brain, error) {
						making <- struct{}{}
						<-made
						if c.old != nil {
							return nil, c.old
						}
						return says("old")(ctx, id, o)
					},
					"new": func(ctx context.Context, id string, o schema.Object) (brain.Brain, error) {
						if calls.Add(1) > 1 && o["broken"] != nil { // it worked when the change was checked
							return nil, errTest
						}
						return says("new")(ctx, id, o)
					},
				},
			})
			ctx := admin(t)
			s := r.Services()
			started := make(chan schema.Agent, 1)
			go func() {
				a, err := s.Agents.Start(ctx, "bot")
				if err != nil {
					t.Error(err)
				}
				started <- a
			}()
			<-making
			must[schema.Agent](t)(s.Agents.Update(ctx, "bot", schema.AgentPatch{
				Brain: schema.Set(schema.Brain{Provider: "new", Options: c.options}),
			}))
			close(made)
			if a := <-started; a.Status != c.status || c.status == schema.AgentFailed && !strings.Contains(a.StatusReason, errTest.Error()) {
				t.Fatalf("it is %s (%s), want %s", a.Status, a.StatusReason, c.status)
			}
			if c.status == schema.AgentRunning {
				seen := must[turn](t)(say(ctx, r, schema.SendRequest{AgentID: "bot", Message: "x"}))
				if !strings.Contains(string(seen.last().Payload), `"new"`) {
					t.Errorf("it answers %s", seen.last().Payload)
				}
			}
		})
	}
}

// TestAgentsStartTogether has factories that return only when all of them are at work.
func TestAgentsStartTogether(t *testing.T) {
	const n = 20
	var entered atomic.Int32
	all := make(chan struct{})
	o := local.Options{
		StartTimeout: patience,
		Brains: map[string]brain.Factory{"social": func(ctx context.Context, id string, _ schema.Object) (brain.Brain, error) {
			if entered.Add(1) == n {
				close(all)
			}
			select {
			case <-all:
				return script(echo), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}},
	}
	for i := range n {
		o.Agents = append(o.Agents, local.AgentSpec{ID: fmt.Sprint("a", i), Brain: schema.Brain{Provider: "social"}})
	}
	page := must[schema.AgentPage](t)(open(t, o).Services().Agents.List(admin(t), schema.AgentQuery{Status: schema.AgentRunning}))
	if len(page.Agents) != n {
		t.Errorf("%d agents run, want %d", len(page.Agents), n)
	}
}

// TestFactoryThatHangs opens with factories that wait for what is away: one that heeds its context and one that does not.
func TestFactoryThatHangs(t *testing.T) {
	release := make(chan struct{})
	o := local.Options{
		StartTimeout: 50 * time.Millisecond,
		Agents: []local.AgentSpec{
			{ID: "deaf", Brain: schema.Brain{Provider: "deaf"}}, {ID: "patient", Brain: schema.Brain{Provider: "patient"}}, {ID: "fine"},
		},
		Brains: map[string]brain.Factory{
			"deaf": func(context.Context, string, schema.Object) (brain.Brain, error) {
				<-release
				return script(echo), nil
			},
			"patient": func(ctx context.Context, _ string, _ schema.Object) (brain.Brain, error) {
				<-ctx.Done()
				return nil, errors.New("connection refused")
			},
		},
	}
	r := open(t, o)
	defer close(release)
	ctx := admin(t)
	s := r.Services()
	for _, id := range []string{"deaf", "patient"} {
		want := "brain " + id + ": its factory took too long: it made none within 50ms"
		if a := must[schema.Agent](t)(s.Agents.Get(ctx, id)); a.Status != schema.AgentFailed || a.StatusReason != want {
			t.Errorf("%s is %s because of %q, want failed because of %q", id, a.Status, a.StatusReason, want)
		}
		_, err := s.Agents.Update(ctx, "fine", schema.AgentPatch{Brain: schema.Set(schema.Brain{Provider: id})})
		mustBe(t, err, schema.CodeDeadlineExceeded)
		soon, cancel := context.WithTimeout(ctx, time.Millisecond)
		_, err = s.Agents.Update(soon, "fine", schema.AgentPatch{Brain: schema.Set(schema.Brain{Provider: id})})
		mustBe(t, err, schema.CodeDeadlineExceeded)
		cancel()
	}
	if a := must[schema.Agent](t)(s.Agents.Get(ctx, "fine")); a.Status != schema.AgentRunning || a.Brain.Provider != local.BuiltinBrain {
		t.Errorf("the other one is %s with the brain %s", a.Status, a.Brain.Provider)
	}
}

// TestEndWhileStarting ends the runtime, once it is open and once while it opens, with a brain in the making.
func TestEndWhileStarting(t *testing.T) {
	off := false
	making := make(chan struct{}, 2)
	o := local.Options{
		Dir:    t.TempDir(),
		Agents: []local.AgentSpec{{ID: "bot", Brain: schema.Brain{Provider: "patient"}, Autostart: &off}},
		Brains: map[string]brain.Factory{"patient": func(ctx context.Context, _ string, _ schema.Object) (brain.Brain, error) {
			making <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}},
	}
	r := open(t, o)
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := r.Services().Agents.Start(admin(t), "bot")
		if schema.CodeOf(err) != schema.CodeUnavailable {
			t.Errorf("start: %v", err)
		}
	})
	<-making
	shut(t, r)
	wg.Wait()

	ctx, cancel := context.WithCancel(t.Context()) // it should run now, so that opening starts it
	defer cancel()
	go func() {
		<-making
		cancel()
	}()
	if r, err := local.Open(ctx, o); !errors.Is(err, context.Canceled) {
		shut(t, r)
		t.Errorf("open: %v", err)
	}
	o.Brains["patient"] = script(echo).factory
	if a := must[schema.Agent](t)(open(t, o).Services().Agents.Get(admin(t), "bot")); a.Status != schema.AgentRunning {
		t.Errorf("in the end it is %s", a.Status)
	}
}
