package hosttest

import (
	"context"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

func testErrors(s *suite) {
	if _, err := s.Agents.List(s.Context(), schema.AgentQuery{}); schema.CodeOf(err) != schema.CodeUnauthenticated {
		s.Fatalf("nobody was let in (%v): these services are not behind host/guard; wrap them with guard.New, or hold the bare runtime to TestRuntime", err)
	}
	s.test("bad-values", boundsBadValues)
	s.test("bad-values-are-named", boundsNamed)
	s.test("bad-values-change-nothing", boundsChangeNothing)
	s.test("cancelled", func(s *suite) {
		ctx, cancel := context.WithCancel(s.admin())
		cancel()
		for _, err := range everyCall(ctx, s) {
			s.wantCode(err, schema.CodeCancelled)
		}
	})
	s.test("deadline-exceeded", func(s *suite) {
		ctx, cancel := context.WithDeadline(s.admin(), time.Now().Add(-time.Second))
		defer cancel()
		for _, err := range everyCall(ctx, s) {
			s.wantCode(err, schema.CodeDeadlineExceeded)
		}
	})
}

// everyCall makes one call of each service and returns their errors.
func everyCall(ctx context.Context, s *suite) []error {
	_, update := s.Agents.Update(ctx, nyx, schema.AgentPatch{Name: schema.Set(unique("late"))})
	_, turn := send(ctx, s.Chat, schema.SendRequest{AgentID: nyx, Message: "hello"})
	_, memory := s.Memory.Store(ctx, schema.NewMemory{AgentID: nyx, Content: "x"})
	events := read(ctx, s.Events, schema.EventQuery{}, func(schema.Event) error { return nil })
	return []error{update, turn, memory, events}
}
