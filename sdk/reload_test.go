package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

// chameleon takes another colour while it runs.
type chameleon struct {
	Colour string `json:"colour" enum:"green,brown,plaid,glass,torn"`
	Size   int    `json:"size"`

	seen    []string
	reloads chan struct{} // not nil: Reload says that it has begun, and waits for its context
}

func (x *chameleon) Start(context.Context, *sdk.Host) error { return nil }

func (x *chameleon) Validate() []sdk.Problem {
	if x.Colour == "plaid" && x.Size > 1 {
		return []sdk.Problem{{Severity: sdk.SeverityError, Pointer: "/size", Message: "is too large for plaid"}}
	}
	return []sdk.Problem{{Severity: sdk.SeverityWarning, Message: "it bites"}}
}

func (x *chameleon) Reload(ctx context.Context, next sdk.Extension) error {
	n := next.(*chameleon)
	x.seen = append(x.seen, fmt.Sprintf("%s %d", n.Colour, n.Size))
	if x.reloads != nil {
		close(x.reloads)
		<-ctx.Done()
		return ctx.Err()
	}
	switch n.Colour {
	case "plaid":
		return errors.New("no animal is plaid")
	case "glass":
		return fmt.Errorf("glass: %w", sdk.ErrDeclined)
	case "torn":
		panic("on purpose")
	}
	return nil
}

// chameleonRunning returns one that runs, and itself.
func chameleonRunning(t *testing.T) (*sdktest.Running, *chameleon) {
	t.Helper()
	var made []*chameleon
	d := sdk.Definition{Name: "chameleon", Version: "1", New: func() sdk.Extension {
		made = append(made, &chameleon{Colour: "green", Size: 1})
		return made[len(made)-1]
	}}
	running := sdktest.Start(t, d, `{"size": 2}`, sdk.Services{})
	return running, made[len(made)-1]
}

// TestReload: the block is decoded into a new struct with its defaults, judged as for a start, and given to the one that runs.
func TestReload(t *testing.T) {
	running, x := chameleonRunning(t)
	for _, c := range []struct {
		block, pointer, message string
		err                     error
	}{
		{block: `{"colour": "brown"}`, message: "it bites"},
		{block: `{"colour": "red"}`, pointer: "/colour"},
		{block: `{"color": "brown"}`, pointer: "/color"},
		{block: `[`},
		{block: `{"colour": "plaid", "size": 2}`, pointer: "/size", message: "too large"},
		{block: `{"colour": "plaid"}`, message: "no animal is plaid"},
		{block: `{"colour": "glass"}`, err: sdk.ErrDeclined},
		{block: ``, message: "it bites"},
	} {
		problems, err := running.Reload(t.Context(), c.block)
		if !errors.Is(err, c.err) || c.err == nil && len(problems) == 0 {
			t.Errorf("%s: %+v, %v", c.block, problems, err)
			continue
		}
		if c.err == nil {
			if last := problems[len(problems)-1]; last.Pointer != c.pointer || !strings.Contains(last.Message, c.message) {
				t.Errorf("%s: %+v", c.block, problems)
			}
		}
	}
	if got, want := strings.Join(x.seen, ", "), "brown 1, plaid 1, glass 1, green 1"; got != want {
		t.Errorf("it has seen %q, want %q", got, want)
	}
}

// TestAPanicInReloadIsContained, and leaves open which block counts.
func TestAPanicInReloadIsContained(t *testing.T) {
	running, _ := chameleonRunning(t)
	_, err := running.Reload(t.Context(), `{"colour": "torn"}`)
	if err == nil || errors.Is(err, sdk.ErrDeclined) || !strings.Contains(err.Error(), "panic in Reload") {
		t.Errorf("Reload = %v", err)
	}
	if err := running.Health(t.Context()); err != nil {
		t.Errorf("Health = %v", err)
	}
}

// TestReloadEndsWithTheDrain: nothing is taken on that does not count any more.
func TestReloadEndsWithTheDrain(t *testing.T) {
	running, x := chameleonRunning(t)
	x.reloads = make(chan struct{})
	result := make(chan error, 1)
	go func() {
		problems, err := running.Reload(context.Background(), `{}`)
		if err == nil && (len(problems) == 0 || !strings.Contains(problems[len(problems)-1].Message, context.Canceled.Error())) {
			err = fmt.Errorf("problems = %+v", problems)
		}
		result <- err
	}()
	<-x.reloads
	if err := running.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-result; err != nil {
		t.Errorf("Reload during a drain: %v", err)
	}
	if _, err := running.Reload(t.Context(), `{}`); err == nil || sdk.CodeOf(err) != "failed_precondition" {
		t.Errorf("Reload after the drain = %v", err)
	}
}

// rock stays as it is.
type rock struct{}

func (*rock) Start(context.Context, *sdk.Host) error { return nil }

func TestExtensionThatIsNoReloader(t *testing.T) {
	d := sdk.Definition{Name: "rock", Version: "1", New: func() sdk.Extension { return &rock{} }}
	if _, err := sdktest.Start(t, d, ``, sdk.Services{}).Reload(t.Context(), `{}`); !errors.Is(err, sdk.ErrDeclined) {
		t.Errorf("Reload = %v", err)
	}
}
