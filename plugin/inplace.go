package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// errUnsettled is why a generation ends that was asked to take a block, and did not say what it has done with it.
var errUnsettled = errors.New("it did not say whether it has taken another block, which no other generation could take; it is started as it was")

// declinedError says why a generation leaves a block to the next one.
type declinedError struct{ why string }

func (e *declinedError) Error() string { return e.why }

// placing is a reload that the generation which serves is asked to carry out itself.
type placing struct {
	wish  *reload
	g     *generation
	begun time.Time
	done  chan struct{} // closed when it has answered
	err   error         // read after done
}

// over is closed when the generation has answered; it is nil where none is asked.
func (p *placing) over() <-chan struct{} {
	if p == nil {
		return nil
	}
	return p.done
}

// differsInBlockOnly reports whether what runs as before can become what is to run as s by taking another block.
func (s Spec) differsInBlockOnly(before Spec) bool {
	before.Config = s.Config
	return reflect.DeepEqual(before, s)
}

// placeable reports whether a reload may be carried out by the generation that serves.
func (s *supervisor) placeable(r *reload) bool {
	if !r.inPlace || s.serving == nil || s.again != nil {
		return false
	}
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	return r.spec.differsInBlockOnly(s.e.spec)
}

// place asks the generation that serves to take the block of a reload. It is not asked to forget it again: whoever wants
// something else waits for its answer.
func (s *supervisor) place(r *reload) {
	p := &placing{wish: r, g: s.serving, begun: time.Now(), done: make(chan struct{})}
	s.placing = p
	go func() {
		defer close(p.done)
		ctx, cancel := context.WithTimeout(s.e.watching, r.spec.StartTimeout)
		defer cancel()
		p.err = p.g.take(ctx, r.spec.Config)
	}()
}

// placed is what follows when the generation has answered. It may be gone by now.
func (s *supervisor) placed() {
	p := s.placing
	s.placing = nil
	var problems *ProblemsError
	var declined *declinedError
	switch {
	case p.err == nil:
		s.took(p)
		return
	case errors.As(p.err, &problems):
		s.e.finish(p.wish, failed(p.wish.spec, 0, PhaseReload, problems))
		return
	case errors.As(p.err, &declined):
		p.g.log.Info("the next generation takes the block", "why", declined.why)
	default:
		p.g.log.Warn("extension did not say whether it has taken the block; the next generation takes it", "error", p.err.Error())
		s.unsettled = p.g
	}
	s.replace(p.wish)
}

// took makes the block that was taken the one with which the extension is started anew from now on.
func (s *supervisor) took(p *placing) {
	s.e.mu.Lock()
	s.e.spec = p.wish.spec
	if s.serving == p.g {
		s.e.now.Reloaded = time.Now()
	}
	s.e.mu.Unlock()
	p.g.log.Info("extension is reloaded in place", "took", time.Since(p.begun).Round(time.Millisecond).String())
	s.e.manager.observe(Change{Kind: ChangeReloaded, Extension: s.e.name, Generation: p.g.number, Previous: p.g.number})
	s.e.finish(p.wish, nil)
}

// settle ends a generation of which nobody knows which block it has, and which no other one has replaced. It is started as it
// was.
func (s *supervisor) settle() {
	if s.serving != nil && s.serving == s.unsettled {
		s.fall(errUnsettled)
	}
}

// take hands another block over. The error is a *ProblemsError, with which it goes on as it was, or a *declinedError; any
// other one leaves open what it has done.
func (g *generation) take(ctx context.Context, block json.RawMessage) error {
	out, err := g.client.Reload(ctx, &pb.ReloadRequest{Config: block})
	switch code := status.Code(err); {
	case code == codes.Unimplemented:
		return &declinedError{"it takes none while it serves"}
	case code == codes.FailedPrecondition:
		return &declinedError{status.Convert(err).Message()}
	case err != nil:
		return fmt.Errorf("hand another block over: %w", wire.FromStatus(err))
	}
	if wrong := g.wrong(out.GetProblems()); len(wrong) > 0 {
		return &ProblemsError{Problems: wrong}
	}
	if why := out.GetDeclined(); why != "" {
		return &declinedError{why}
	}
	return nil
}
