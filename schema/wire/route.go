package wire

import (
	"fmt"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// ToRouteRequest converts a question about routing.
func ToRouteRequest(r schema.RouteRequest) (*pb.RouteRequest, error) {
	hints, err := toObject("context", r.Context)
	if err != nil {
		return nil, err
	}
	return &pb.RouteRequest{Message: r.Message, Context: hints}, nil
}

// FromRouteRequest converts a question about routing.
func FromRouteRequest(m *pb.RouteRequest) (schema.RouteRequest, error) {
	hints, err := fromObject("context", m.GetContext())
	if err != nil {
		return schema.RouteRequest{}, err
	}
	return schema.RouteRequest{Message: m.GetMessage(), Context: hints}, nil
}

// ToRouteDecision converts a decision.
func ToRouteDecision(d schema.RouteDecision) *pb.RouteDecision {
	out := &pb.RouteDecision{AgentId: d.AgentID, Reason: d.Reason, Threshold: d.Threshold}
	for _, c := range d.Candidates {
		out.Candidates = append(out.Candidates, &pb.RouteCandidate{AgentId: c.AgentID, Score: c.Score, Reasons: c.Reasons})
	}
	return out
}

// FromRouteDecision converts a decision; nil is an error.
func FromRouteDecision(m *pb.RouteDecision) (schema.RouteDecision, error) {
	if m == nil {
		return schema.RouteDecision{}, errMissing("decision")
	}
	if err := finite(m.GetThreshold()); err != nil {
		return schema.RouteDecision{}, fmt.Errorf("threshold: %w", err)
	}
	candidates, err := each(m.GetCandidates(), fromRouteCandidate)
	if err != nil {
		return schema.RouteDecision{}, fmt.Errorf("candidates: %w", err)
	}
	return schema.RouteDecision{
		AgentID: m.GetAgentId(), Reason: m.GetReason(), Threshold: m.GetThreshold(), Candidates: candidates,
	}, nil
}

func fromRouteCandidate(m *pb.RouteCandidate) (schema.RouteCandidate, error) {
	if err := finite(m.GetScore()); err != nil {
		return schema.RouteCandidate{}, fmt.Errorf("score: %w", err)
	}
	return schema.RouteCandidate{AgentID: m.GetAgentId(), Score: m.GetScore(), Reasons: shown(m.GetReasons())}, nil
}
