package wire

import (
	"context"
	"fmt"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// usageClient is a schema.Usage behind a connection.
type usageClient struct{ rpc pb.UsageClient }

var _ schema.Usage = usageClient{}

func (c usageClient) Report(ctx context.Context, q schema.UsageQuery) (schema.UsageReport, error) {
	req := ToUsageQuery(q)
	req.Caller = callerOf(ctx)
	return unary(ctx, c.rpc.Report, req, FromUsageReport)
}

// usageServer puts a schema.Usage behind a server.
type usageServer struct {
	pb.UnimplementedUsageServer
	*server
	svc schema.Usage
}

func (s usageServer) Report(ctx context.Context, m *pb.UsageRequest) (*pb.UsageResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.UsageResponse, error) {
		q, err := FromUsageQuery(m)
		if err != nil {
			return nil, badRequest(err)
		}
		r, err := s.svc.Report(ctx, q)
		return ToUsageReport(r), err
	})
}

// ToUsageQuery converts a query.
func ToUsageQuery(q schema.UsageQuery) *pb.UsageRequest {
	return &pb.UsageRequest{
		AgentId: q.AgentID, Principal: q.Principal, RunId: q.RunID, Since: toTime(q.Since), Until: toTime(q.Until),
		GroupBy: string(q.GroupBy), Limit: toInt32(q.Limit), Cursor: q.Cursor,
	}
}

// FromUsageQuery converts a query.
func FromUsageQuery(m *pb.UsageRequest) (schema.UsageQuery, error) {
	since, err := fromTime("since", m.GetSince())
	if err != nil {
		return schema.UsageQuery{}, err
	}
	until, err := fromTime("until", m.GetUntil())
	if err != nil {
		return schema.UsageQuery{}, err
	}
	return schema.UsageQuery{
		AgentID: m.GetAgentId(), Principal: m.GetPrincipal(), RunID: m.GetRunId(), Since: since, Until: until,
		GroupBy: schema.UsageGrouping(m.GetGroupBy()), Limit: int(m.GetLimit()), Cursor: m.GetCursor(),
	}, nil
}

// ToUsageReport converts a report.
func ToUsageReport(r schema.UsageReport) *pb.UsageResponse {
	out := &pb.UsageResponse{Currency: r.Currency, Total: ToUsageSum(r.Total), NextCursor: r.NextCursor}
	for _, g := range r.Groups {
		out.Groups = append(out.Groups, &pb.UsageGroup{Key: g.Key, Sum: ToUsageSum(g.UsageSum)})
	}
	return out
}

// FromUsageReport converts a report.
func FromUsageReport(m *pb.UsageResponse) (schema.UsageReport, error) {
	if m.GetTotal() == nil {
		return schema.UsageReport{}, errMissing("total")
	}
	groups, err := each(m.GetGroups(), func(g *pb.UsageGroup) (schema.UsageGroup, error) {
		if g.GetSum() == nil {
			return schema.UsageGroup{}, errMissing("sum")
		}
		return schema.UsageGroup{Key: g.GetKey(), UsageSum: FromUsageSum(g.GetSum())}, nil
	})
	if err != nil {
		return schema.UsageReport{}, fmt.Errorf("groups: %w", err)
	}
	return schema.UsageReport{Currency: m.GetCurrency(), Total: FromUsageSum(m.GetTotal()), Groups: groups, NextCursor: m.GetNextCursor()}, nil
}

// ToUsageSum converts a sum.
func ToUsageSum(s schema.UsageSum) *pb.UsageSum {
	return &pb.UsageSum{Steps: s.Steps, Tokens: ToTokenUsage(s.TokenUsage), CostMicros: s.CostMicros, UnpricedTokens: s.UnpricedTokens}
}

// FromUsageSum converts a sum; nil is nothing.
func FromUsageSum(m *pb.UsageSum) schema.UsageSum {
	return schema.UsageSum{
		Steps: m.GetSteps(), TokenUsage: FromTokenUsage(m.GetTokens()), CostMicros: m.GetCostMicros(), UnpricedTokens: m.GetUnpricedTokens(),
	}
}
