package wire_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

// TestOnceTravels: there with every call, and back what it says of the answer, of a stream with its first item, and of an
// error too.
func TestOnceTravels(t *testing.T) {
	answer := error(nil)
	f := all(func(ctx context.Context) error {
		o := schema.OnceFrom(ctx)
		if o == nil {
			return errors.New("no key has arrived")
		}
		if fmt.Sprint(o.Key, o.Scope, o.Digest) != "ksd" {
			return fmt.Errorf("%+v has arrived", o)
		}
		o.Replay()
		return answer
	})
	f.send = func(ctx context.Context, _ schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
		return func(yield func(schema.ChatEvent, error) bool) {
			if err := f.any(ctx); err != nil {
				yield(schema.ChatEvent{}, err)
				return
			}
			yield(schema.ChatEvent{Accepted: &schema.Accepted{}}, nil)
		}
	}
	s := dial(t, f.services())
	once := func() (context.Context, *schema.Once) {
		o := &schema.Once{Key: "k", Scope: "s", Digest: "d"}
		return schema.WithOnce(as(t, "p"), o), o
	}
	for _, answer = range []error{nil, schema.Errorf(schema.CodeNotFound, "there is none")} {
		for name, call := range map[string]func(ctx context.Context) error{
			"start":  func(ctx context.Context) error { _, err := s.Agents.Start(ctx, "x"); return err },
			"cancel": func(ctx context.Context) error { _, err := s.Chat.Cancel(ctx, "x"); return err },
			"store": func(ctx context.Context) error {
				_, err := s.Memory.Store(ctx, schema.NewMemory{})
				return err
			},
			"send": func(ctx context.Context) error {
				for _, err := range s.Chat.Send(ctx, schema.SendRequest{}) {
					return err
				}
				return errors.New("nothing came")
			},
		} {
			ctx, o := once()
			if err := call(ctx); schema.CodeOf(err) != schema.CodeOf(answer) {
				t.Errorf("%s: %v", name, err)
			} else if !o.Replayed() {
				t.Errorf("%s: that the answer %v is a replay has not arrived", name, answer)
			}
		}
	}
	if _, err := s.Agents.Start(as(t, "p"), "x"); err == nil {
		t.Error("a key has arrived that nobody gave")
	}
}

func TestDetailsOfAnErrorTravel(t *testing.T) {
	want := &schema.Error{Code: schema.CodeConversationBusy, Message: "busy", Details: schema.Object{schema.DetailRunID: "run_1"}}
	s := dial(t, all(func(context.Context) error { return want }).services())
	_, err := s.Chat.Run(as(t, "p"), "x")
	if got := schema.AsError(err); got.Code != want.Code || got.Details[schema.DetailRunID] != "run_1" {
		t.Errorf("%+v has arrived", got)
	}
}
