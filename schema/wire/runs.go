package wire

import (
	"fmt"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// ToRun converts a run.
func ToRun(r schema.Run) *pb.Run {
	out := &pb.Run{
		Id: r.ID, ConversationId: r.ConversationID, AgentId: r.AgentID, Principal: r.Principal, Status: string(r.Status),
		Reason: r.Reason, Error: r.Error, MessageId: r.MessageID, ReplyId: r.ReplyID, Since: r.Since,
		QueuedAt: toTime(r.QueuedAt), StartedAt: toTimePtr(r.StartedAt), FinishedAt: toTimePtr(r.FinishedAt),
	}
	if r.Reply != nil {
		out.Reply = ToMessage(*r.Reply)
	}
	if r.Usage != nil {
		out.Usage = ToUsageSum(*r.Usage)
	}
	return out
}

// FromRun converts a run; nil is an error.
func FromRun(m *pb.Run) (schema.Run, error) {
	if m == nil {
		return schema.Run{}, errMissing("run")
	}
	r := schema.Run{
		ID: m.GetId(), ConversationID: m.GetConversationId(), AgentID: m.GetAgentId(), Principal: m.GetPrincipal(),
		Status: schema.RunStatus(m.GetStatus()), Reason: m.GetReason(), Error: m.GetError(),
		MessageID: m.GetMessageId(), ReplyID: m.GetReplyId(), Since: m.GetSince(),
	}
	var err error
	if r.QueuedAt, err = fromTime("queued_at", m.GetQueuedAt()); err != nil {
		return schema.Run{}, err
	}
	if r.StartedAt, err = fromTimePtr("started_at", m.GetStartedAt()); err != nil {
		return schema.Run{}, err
	}
	if r.FinishedAt, err = fromTimePtr("finished_at", m.GetFinishedAt()); err != nil {
		return schema.Run{}, err
	}
	if m.GetReply() != nil {
		reply, err := FromMessage(m.GetReply())
		if err != nil {
			return schema.Run{}, err
		}
		r.Reply = &reply
	}
	if m.GetUsage() != nil {
		used := FromUsageSum(m.GetUsage())
		r.Usage = &used
	}
	return r, nil
}

// ToRunPage converts a page of runs.
func ToRunPage(p schema.RunPage) *pb.ListRunsResponse {
	out := &pb.ListRunsResponse{NextCursor: p.NextCursor}
	for _, r := range p.Runs {
		out.Runs = append(out.Runs, ToRun(r))
	}
	return out
}

// FromRunPage converts a page of runs.
func FromRunPage(m *pb.ListRunsResponse) (schema.RunPage, error) {
	runs, err := each(m.GetRuns(), FromRun)
	if err != nil {
		return schema.RunPage{}, fmt.Errorf("runs: %w", err)
	}
	return schema.RunPage{Runs: runs, NextCursor: m.GetNextCursor()}, nil
}

// ToRunsQuery converts a query.
func ToRunsQuery(q schema.RunsQuery) *pb.ListRunsRequest {
	return &pb.ListRunsRequest{
		ConversationId: q.ConversationID, AgentId: q.AgentID, Status: string(q.Status), Limit: toInt32(q.Limit), Cursor: q.Cursor,
	}
}

// FromRunsQuery converts a query.
func FromRunsQuery(m *pb.ListRunsRequest) schema.RunsQuery {
	return schema.RunsQuery{
		ConversationID: m.GetConversationId(), AgentID: m.GetAgentId(), Status: schema.RunStatus(m.GetStatus()),
		Limit: int(m.GetLimit()), Cursor: m.GetCursor(),
	}
}
