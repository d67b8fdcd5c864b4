package local

import (
	"context"
	"errors"
	"testing"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
)

// TestFactoriesThatHangAreBounded asks a factory that never returns for more brains than may be in the making.
func TestFactoriesThatHangAreBounded(t *testing.T) {
	entered, release := make(chan struct{}, 2*maxMaking), make(chan struct{})
	m := newMakers(map[string]brain.Factory{"deaf": func(context.Context, string, schema.Object) (brain.Brain, error) {
		entered <- struct{}{}
		<-release
		return nil, nil
	}})["deaf"]
	for range maxMaking {
		ctx, leave := context.WithCancelCause(t.Context())
		go func() {
			<-entered
			leave(errSlow)
		}()
		if _, err := m.make(ctx, "a", nil); !errors.Is(err, errSlow) {
			t.Fatalf("a factory that hangs: %v", err)
		}
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := m.make(gone, "a", nil); !errors.Is(err, context.Canceled) || len(entered) != 0 {
		t.Errorf("one too many: %v, %d calls more", err, len(entered))
	}
	if m.shut(gone) {
		t.Error("it is shut although its factory is at work")
	}
	close(release)
	if !m.shut(t.Context()) {
		t.Error("it is not shut although its factory has returned")
	}
}
