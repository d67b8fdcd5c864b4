package services

import (
	"context"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

func errorChecks() []check {
	return []check{
		{"bad-values", "a value out of bounds is CodeInvalidArgument", "schema.ErrorCode", boundsBadValues},
		{"odd-ids", "an id that can be nobody's is CodeNotFound or CodeInvalidArgument", "schema.ErrorCode", boundsOddIDs},
		{"bad-values-are-named", "each wrong value is named", "schema.Error", boundsNamed},
		{"bad-values-change-nothing", "a refused call changes nothing", "schema.ErrorCode", boundsChangeNothing},
		{"cancelled", "a call whose context is cancelled is CodeCancelled", "schema.ErrorCode", errorsCancelled},
		{"deadline-exceeded", "a call whose deadline has passed is CodeDeadlineExceeded", "schema.ErrorCode", errorsLate},
	}
}

func errorsCancelled(s *suite) {
	ctx, cancel := context.WithCancel(s.admin())
	cancel()
	for _, err := range everyCall(ctx, s) {
		s.wantCode(err, schema.CodeCancelled)
	}
}

func errorsLate(s *suite) {
	ctx, cancel := context.WithDeadline(s.admin(), time.Now().Add(-time.Second))
	defer cancel()
	for _, err := range everyCall(ctx, s) {
		s.wantCode(err, schema.CodeDeadlineExceeded)
	}
}

// everyCall makes one call of each service and returns their errors.
func everyCall(ctx context.Context, s *suite) []error {
	_, update := s.Agents.Update(ctx, nyx, schema.AgentPatch{Name: schema.Set(unique("late"))})
	_, turn := send(ctx, s.Chat, schema.SendRequest{AgentID: nyx, Message: "hello"})
	_, memory := s.Memory.Store(ctx, schema.NewMemory{AgentID: nyx, Content: "x"})
	events := read(ctx, s.Events, schema.EventQuery{}, func(schema.Event) error { return nil })
	return []error{update, turn, memory, events}
}
