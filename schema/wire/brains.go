package wire

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"

	"google.golang.org/grpc"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// ToBrainInfo converts what is offered.
func ToBrainInfo(b schema.BrainInfo) *pb.BrainInfo {
	return &pb.BrainInfo{Provider: b.Provider, Description: b.Description, OptionsSchema: b.OptionsSchema, Embeds: b.Embeds}
}

// FromBrainInfo converts what is offered.
func FromBrainInfo(m *pb.BrainInfo) schema.BrainInfo {
	return schema.BrainInfo{
		Provider: m.GetProvider(), Description: m.GetDescription(), OptionsSchema: m.GetOptionsSchema(), Embeds: m.GetEmbeds(),
	}
}

// ToThinkRequest converts a request.
func ToThinkRequest(r schema.ThinkRequest) (*pb.ThinkRequest, error) {
	options, err := toObject("options", r.Options)
	if err != nil {
		return nil, err
	}
	messages, err := each(r.Messages, ToThinkMessage)
	if err != nil {
		return nil, fmt.Errorf("messages: %w", err)
	}
	out := &pb.ThinkRequest{
		Id: r.ID, Provider: r.Provider, Options: options, System: r.System, Messages: messages, MaxTokens: toInt32(r.MaxTokens),
		AgentId: r.AgentID, ConversationId: r.ConversationID, RunId: r.RunID,
	}
	for _, t := range r.Tools {
		out.Tools = append(out.Tools, &pb.Tool{Name: t.Name, Description: t.Description, InputSchema: t.InputSchema})
	}
	return out, nil
}

// FromThinkRequest converts a request.
func FromThinkRequest(m *pb.ThinkRequest) (schema.ThinkRequest, error) {
	options, err := fromObject("options", m.GetOptions())
	if err != nil {
		return schema.ThinkRequest{}, err
	}
	messages, err := each(m.GetMessages(), FromThinkMessage)
	if err != nil {
		return schema.ThinkRequest{}, fmt.Errorf("messages: %w", err)
	}
	r := schema.ThinkRequest{
		ID: m.GetId(), Provider: m.GetProvider(), Options: options, System: m.GetSystem(), Messages: messages, MaxTokens: int(m.GetMaxTokens()),
		AgentID: m.GetAgentId(), ConversationID: m.GetConversationId(), RunID: m.GetRunId(),
	}
	for _, t := range m.GetTools() {
		r.Tools = append(r.Tools, schema.Tool{Name: t.GetName(), Description: t.GetDescription(), InputSchema: t.GetInputSchema()})
	}
	return r, nil
}

// ToThinkMessage converts a message.
func ToThinkMessage(t schema.ThinkMessage) (*pb.ThinkMessage, error) {
	calls, err := each(t.Calls, ToToolCall)
	if err != nil {
		return nil, fmt.Errorf("calls: %w", err)
	}
	out := &pb.ThinkMessage{Role: string(t.Role), Text: t.Text, Calls: calls, State: t.State}
	for _, r := range t.Results {
		out.Results = append(out.Results, &pb.ToolResult{CallId: r.CallID, Name: r.Name, Output: r.Output, Failed: r.Failed})
	}
	return out, nil
}

// FromThinkMessage converts a message.
func FromThinkMessage(m *pb.ThinkMessage) (schema.ThinkMessage, error) {
	calls, err := each(m.GetCalls(), FromToolCall)
	if err != nil {
		return schema.ThinkMessage{}, fmt.Errorf("calls: %w", err)
	}
	out := schema.ThinkMessage{Role: schema.ThinkRole(m.GetRole()), Text: m.GetText(), Calls: calls, State: m.GetState()}
	for _, r := range m.GetResults() {
		out.Results = append(out.Results, schema.ToolResult{CallID: r.GetCallId(), Name: r.GetName(), Output: r.GetOutput(), Failed: r.GetFailed()})
	}
	return out, nil
}

// ToToolCall converts a call.
func ToToolCall(c schema.ToolCall) (*pb.ToolCall, error) {
	input, err := toObject("input", c.Input)
	return &pb.ToolCall{Id: c.ID, Name: c.Name, Input: input}, err
}

// FromToolCall converts a call.
func FromToolCall(m *pb.ToolCall) (schema.ToolCall, error) {
	input, err := fromObject("input", m.GetInput())
	return schema.ToolCall{ID: m.GetId(), Name: m.GetName(), Input: input}, err
}

// ToThinkEvent converts an event.
func ToThinkEvent(e schema.ThinkEvent) (*pb.ThinkEvent, error) {
	switch {
	case e.Done != nil:
		return &pb.ThinkEvent{Event: &pb.ThinkEvent_Done{Done: &pb.ThinkDone{
			Stop: string(e.Done.Stop), Model: e.Done.Model, Usage: ToTokenUsage(e.Done.Usage), State: e.Done.State,
		}}}, nil
	case e.Call != nil:
		c, err := ToToolCall(*e.Call)
		return &pb.ThinkEvent{Event: &pb.ThinkEvent_Call{Call: c}}, err
	case e.Thought != "":
		return &pb.ThinkEvent{Event: &pb.ThinkEvent_Thought{Thought: e.Thought}}, nil
	case e.Text != "":
		return &pb.ThinkEvent{Event: &pb.ThinkEvent_Text{Text: e.Text}}, nil
	}
	return nil, errors.New("an event with nothing in it")
}

// FromThinkEvent converts an event.
func FromThinkEvent(m *pb.ThinkEvent) (schema.ThinkEvent, error) {
	switch e := m.GetEvent().(type) {
	case *pb.ThinkEvent_Done:
		return schema.ThinkEvent{Done: &schema.ThinkDone{
			Stop: schema.StopReason(e.Done.GetStop()), Model: e.Done.GetModel(), Usage: FromTokenUsage(e.Done.GetUsage()), State: e.Done.GetState(),
		}}, nil
	case *pb.ThinkEvent_Call:
		c, err := FromToolCall(e.Call)
		return schema.ThinkEvent{Call: &c}, err
	case *pb.ThinkEvent_Thought:
		return schema.ThinkEvent{Thought: e.Thought}, nil
	case *pb.ThinkEvent_Text:
		return schema.ThinkEvent{Text: e.Text}, nil
	}
	return schema.ThinkEvent{}, errMissing("event")
}

// ToTokenUsage converts what was used.
func ToTokenUsage(u schema.TokenUsage) *pb.TokenUsage {
	return &pb.TokenUsage{
		InputTokens: u.InputTokens, CachedTokens: u.CachedTokens, OutputTokens: u.OutputTokens, ReasoningTokens: u.ReasoningTokens,
	}
}

// FromTokenUsage converts what was used; nil is nothing.
func FromTokenUsage(m *pb.TokenUsage) schema.TokenUsage {
	return schema.TokenUsage{
		InputTokens: m.GetInputTokens(), CachedTokens: m.GetCachedTokens(), OutputTokens: m.GetOutputTokens(), ReasoningTokens: m.GetReasoningTokens(),
	}
}

// ToEmbeddings converts vectors.
func ToEmbeddings(e schema.Embeddings) *pb.EmbedResponse {
	out := &pb.EmbedResponse{Model: e.Model, Usage: ToTokenUsage(e.Usage)}
	for _, v := range e.Vectors {
		out.Vectors = append(out.Vectors, &pb.Vector{Values: v})
	}
	return out
}

// FromEmbeddings converts the vectors of that many texts. It fails for another number of them, for ones of different lengths, and for what is not finite.
func FromEmbeddings(m *pb.EmbedResponse, texts int) (schema.Embeddings, error) {
	out := schema.Embeddings{Model: m.GetModel(), Usage: FromTokenUsage(m.GetUsage())}
	if len(m.GetVectors()) != texts {
		return out, fmt.Errorf("vectors: there are %d for %d texts", len(m.GetVectors()), texts)
	}
	for i, v := range m.GetVectors() {
		values := v.GetValues()
		if len(values) == 0 || len(values) != len(m.GetVectors()[0].GetValues()) {
			return out, fmt.Errorf("vectors: entry %d has %d numbers and the first one %d", i, len(values), len(m.GetVectors()[0].GetValues()))
		}
		for _, f := range values {
			if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
				return out, fmt.Errorf("vectors: entry %d has what is no number", i)
			}
		}
		out.Vectors = append(out.Vectors, values)
	}
	return out, nil
}

// Think has the extension behind rpc take a step, on behalf of the caller of ctx. Errors are *schema.Error, with the status as
// their cause.
func Think(ctx context.Context, rpc pb.BrainsClient, r schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error] {
	req, err := ToThinkRequest(r)
	if err != nil {
		return failed[schema.ThinkEvent](badRequest(err))
	}
	req.Caller = ToCaller(schema.CallerFrom(ctx))
	return stream(ctx, rpc.Think, req, (*pb.ThinkResponse).GetEvents, FromThinkEvent)
}

// Embed has the extension behind rpc embed texts. Errors are those of Think.
func Embed(ctx context.Context, rpc pb.BrainsClient, r schema.EmbedRequest) (schema.Embeddings, error) {
	req := &pb.EmbedRequest{Caller: ToCaller(schema.CallerFrom(ctx)), Provider: r.Provider, Model: r.Model, Texts: r.Texts}
	return unary(ctx, rpc.Embed, req, func(m *pb.EmbedResponse) (schema.Embeddings, error) { return FromEmbeddings(m, len(r.Texts)) })
}

// ServeThink has think take the step that a request asks for, and streams what comes of it. A panic is in the log.
func ServeThink(
	ctx context.Context, log *slog.Logger, m *pb.ThinkRequest, out grpc.ServerStreamingServer[pb.ThinkResponse],
	think func(context.Context, schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error],
) error {
	return serveThink(ctx, &server{believes: true, log: log}, m, out, think)
}

func serveThink(
	ctx context.Context, s *server, m *pb.ThinkRequest, out grpc.ServerStreamingServer[pb.ThinkResponse],
	think func(context.Context, schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error],
) error {
	return serveStream(ctx, s, m.GetCaller(),
		func(ctx context.Context) iter.Seq2[schema.ThinkEvent, error] {
			r, err := FromThinkRequest(m)
			if err == nil {
				err = r.Validate()
			}
			if err != nil {
				return failed[schema.ThinkEvent](badRequest(err))
			}
			return think(ctx, r)
		},
		ToThinkEvent,
		func(batch []*pb.ThinkEvent) error { return out.Send(&pb.ThinkResponse{Events: batch}) })
}

// ServeEmbed has embed make the vectors that a request asks for. A panic is in the log.
func ServeEmbed(
	ctx context.Context, log *slog.Logger, m *pb.EmbedRequest, embed func(context.Context, schema.EmbedRequest) (schema.Embeddings, error),
) (*pb.EmbedResponse, error) {
	return serveEmbed(ctx, &server{believes: true, log: log}, m, embed)
}

func serveEmbed(
	ctx context.Context, s *server, m *pb.EmbedRequest, embed func(context.Context, schema.EmbedRequest) (schema.Embeddings, error),
) (*pb.EmbedResponse, error) {
	return serve(ctx, s, m.GetCaller(), func(ctx context.Context) (*pb.EmbedResponse, error) {
		r := schema.EmbedRequest{Provider: m.GetProvider(), Model: m.GetModel(), Texts: m.GetTexts()}
		if err := r.Validate(); err != nil {
			return nil, err
		}
		e, err := embed(ctx, r)
		return ToEmbeddings(e), err
	})
}

// brainsClient calls the brains that a host offers to a runtime.
type brainsClient struct{ rpc pb.BrainsClient }

var _ schema.Brains = brainsClient{}

func (c brainsClient) List(ctx context.Context) ([]schema.BrainInfo, error) {
	return unary(ctx, c.rpc.List, &pb.ListBrainsRequest{Caller: ToCaller(schema.CallerFrom(ctx))},
		func(m *pb.ListBrainsResponse) ([]schema.BrainInfo, error) {
			all := make([]schema.BrainInfo, len(m.GetBrains()))
			for i, x := range m.GetBrains() {
				all[i] = FromBrainInfo(x)
			}
			return all, nil
		})
}

func (c brainsClient) Think(ctx context.Context, r schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error] {
	return Think(ctx, c.rpc, r)
}

func (c brainsClient) Embed(ctx context.Context, r schema.EmbedRequest) (schema.Embeddings, error) {
	return Embed(ctx, c.rpc, r)
}

// brainsServer offers brains to a runtime.
type brainsServer struct {
	pb.UnimplementedBrainsServer
	*server
	svc schema.Brains
}

func (s brainsServer) List(ctx context.Context, m *pb.ListBrainsRequest) (*pb.ListBrainsResponse, error) {
	return serve(ctx, s.server, m.GetCaller(), func(ctx context.Context) (*pb.ListBrainsResponse, error) {
		all, err := s.svc.List(ctx)
		out := &pb.ListBrainsResponse{}
		for _, b := range all {
			out.Brains = append(out.Brains, ToBrainInfo(b))
		}
		return out, err
	})
}

func (s brainsServer) Think(m *pb.ThinkRequest, out grpc.ServerStreamingServer[pb.ThinkResponse]) error {
	return serveThink(out.Context(), s.server, m, out, s.svc.Think)
}

func (s brainsServer) Embed(ctx context.Context, m *pb.EmbedRequest) (*pb.EmbedResponse, error) {
	return serveEmbed(ctx, s.server, m, s.svc.Embed)
}
