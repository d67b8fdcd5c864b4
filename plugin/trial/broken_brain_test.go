package trial_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/sdk"
)

// pondering is how long a brain thinks about the next number.
const pondering = 5 * time.Millisecond

type counting struct {
	UpTo int `json:"upTo" required:"true" minimum:"1"`
}

// Brain has one that counts.
func (g *greeter) Brain() sdk.Brain { return sdk.NewBrain("Counts.", g.think, sdk.Embeds(g.embed)) }

func (g *greeter) think(ctx context.Context, r sdk.ThinkRequest, o counting) iter.Seq2[sdk.ThinkEvent, error] {
	return func(yield func(sdk.ThinkEvent, error) bool) {
		switch g.defect {
		case "has no key":
			yield(sdk.ThinkEvent{}, schema.Errorf(schema.CodeUnauthenticated, "say apiKey"))
			return
		case "dies of thinking":
			os.Exit(3)
		}
		said := 0
		if last := r.Messages[len(r.Messages)-1]; last.Role == sdk.ThinkAgent && g.defect != "begins again" {
			said = len(strings.Fields(last.Text))
		}
		next := func() int { said++; return said }
		if g.defect == "has one head for all" {
			g.thought.Store(int64(said))
			next = func() int { return int(g.thought.Add(1)) }
		}
		for n := next(); n <= o.UpTo; n = next() {
			if !yield(sdk.ThinkEvent{Text: fmt.Sprintf("%d ", n)}, nil) || !g.ponder(ctx) {
				return
			}
		}
		yield(sdk.ThinkEvent{Done: &sdk.ThinkDone{Stop: sdk.StopEnd, Model: "counter"}}, nil)
	}
}

// ponder reports whether anybody wants the next number.
func (g *greeter) ponder(ctx context.Context) bool {
	if g.defect == "thinks on" {
		<-time.After(dawdling)
		return true
	}
	select {
	case <-time.After(pondering):
		return true
	case <-ctx.Done():
		return false
	}
}

func (g *greeter) embed(_ context.Context, r sdk.EmbedRequest) (sdk.Embeddings, error) {
	e := sdk.Embeddings{Model: "counter"}
	for i, text := range r.Texts {
		v := []float32{float32(len(text)), 1}
		if strings.ContainsFunc(text, func(c rune) bool { return c > 'z' }) && g.defect == "embeds ASCII" {
			v = v[:1]
		}
		if i < 100 || g.defect != "embeds a few" {
			e.Vectors = append(e.Vectors, v)
		}
	}
	return e, nil
}

// brokenBrain is the brain as it is called.
type brokenBrain struct {
	pb.BrainsServer
	*broken
}

func (c brokenBrain) Think(in *pb.ThinkRequest, out grpc.ServerStreamingServer[pb.ThinkResponse]) error {
	err := c.BrainsServer.Think(in, brokenAnswer{out, c.broken})
	code := status.Code(err)
	switch {
	case c.defect == "takes any options" && code == codes.InvalidArgument,
		c.defect == "thinks when it has left" && code == codes.Aborted:
		return out.Send(&pb.ThinkResponse{Events: []*pb.ThinkEvent{{Event: &pb.ThinkEvent_Text{Text: "1 "}}, done(schema.StopEnd)}})
	case c.defect == "is only unavailable" && code == codes.Aborted:
		return status.Error(codes.Unavailable, status.Convert(err).Message())
	}
	return err
}

func done(reason schema.StopReason) *pb.ThinkEvent {
	return &pb.ThinkEvent{Event: &pb.ThinkEvent_Done{Done: &pb.ThinkDone{Stop: string(reason), Model: "counter"}}}
}

// brokenAnswer is an answer as it comes.
type brokenAnswer struct {
	grpc.ServerStreamingServer[pb.ThinkResponse]
	*broken
}

func (a brokenAnswer) Send(m *pb.ThinkResponse) error {
	var events []*pb.ThinkEvent
	for _, e := range m.GetEvents() {
		switch last := e.GetDone() != nil; {
		case a.defect == "is never done" && last, a.defect == "says nothing" && !last:
		case a.defect == "is done twice" && last:
			events = append(events, e, e)
		case a.defect == "stops at a whim" && last:
			events = append(events, done("whim"))
		default:
			events = append(events, e)
		}
	}
	if a.defect == "cuts off what it thinks" {
		return a.cut(events[0])
	}
	return a.ServerStreamingServer.Send(&pb.ThinkResponse{Events: events})
}

// cut sends one event, and fails when the extension is drained.
func (a brokenAnswer) cut(first *pb.ThinkEvent) error {
	if err := a.ServerStreamingServer.Send(&pb.ThinkResponse{Events: []*pb.ThinkEvent{first}}); err != nil {
		return err
	}
	select {
	case <-a.leaving:
	case <-a.Context().Done():
	}
	return status.Error(codes.Unavailable, "it leaves")
}
