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

// everyCall makes one call of each service that is offered and returns their errors.
func everyCall(ctx context.Context, s *suite) (errs []error) {
	if s.Agents != nil {
		_, err := s.Agents.Get(ctx, nyx)
		if s.has(updateAgent) {
			_, err = s.Agents.Update(ctx, nyx, schema.AgentPatch{Name: schema.Set(unique("late"))})
		}
		errs = append(errs, err)
	}
	if s.Chat != nil {
		_, err := send(ctx, s.Chat, schema.SendRequest{AgentID: nyx, Message: "hello"})
		errs = append(errs, err)
	}
	if s.Memory != nil {
		_, err := s.Memory.Store(ctx, schema.NewMemory{AgentID: nyx, Content: "x"})
		errs = append(errs, err)
	}
	if s.Events != nil {
		errs = append(errs, read(ctx, s.Events, schema.EventQuery{}, func(schema.Event) error { return nil }))
	}
	return errs
}
