package wire_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// conversion is one pair of ToX and FromX with the types forgotten.
type conversion struct {
	name  string
	draw  func(t *rapid.T) any
	there func(v any) (proto.Message, error)
	back  func(m proto.Message) (any, error)
	empty func() proto.Message
}

// pair makes a conversion of functions that can fail both ways.
func pair[T any, M any, PM interface {
	*M
	proto.Message
}](name string, there func(T) (PM, error), back func(PM) (T, error)) conversion {
	gen := rapid.MakeCustom[T](generators())
	return conversion{
		name:  name,
		draw:  func(t *rapid.T) any { return gen.Draw(t, name) },
		there: func(v any) (proto.Message, error) { return there(v.(T)) },
		back:  func(m proto.Message) (any, error) { return back(m.(PM)) },
		empty: func() proto.Message { return PM(new(M)) },
	}
}

// sure makes a function that cannot fail look like one that can.
func sure[A, B any](f func(A) B) func(A) (B, error) {
	return func(a A) (B, error) { return f(a), nil }
}

// patched is a patch with the agent that it is for.
type patched struct {
	ID    string
	Patch schema.AgentPatch
}

// patchedConversation is a patch with the conversation that it is for.
type patchedConversation struct {
	ID    string
	Patch schema.ConversationPatch
}

func conversions() []conversion {
	return []conversion{
		pair("caller", sure(wire.ToCaller), sure(wire.FromCaller)),
		pair("emotion", sure(wire.ToEmotion), wire.FromEmotion),
		pair("cursor", sure(wire.ToCursor), sure(wire.FromCursor)),
		pair("agent", wire.ToAgent, wire.FromAgent),
		pair("brain", wire.ToBrain, wire.FromBrain),
		pair("agent query", sure(wire.ToAgentQuery), sure(wire.FromAgentQuery)),
		pair("agent page", wire.ToAgentPage, wire.FromAgentPage),
		pair("new agent", wire.ToNewAgent, wire.FromNewAgent),
		pair("agent patch",
			func(p patched) (*pb.UpdateAgentRequest, error) { return wire.ToAgentPatch(p.ID, p.Patch) },
			func(m *pb.UpdateAgentRequest) (patched, error) {
				id, p, err := wire.FromAgentPatch(m)
				return patched{id, p}, err
			}),
		pair("brain info", sure(wire.ToBrainInfo), sure(wire.FromBrainInfo)),
		pair("think request", wire.ToThinkRequest, wire.FromThinkRequest),
		pair("token usage", sure(wire.ToTokenUsage), sure(wire.FromTokenUsage)),
		pair("message", sure(wire.ToMessage), wire.FromMessage),
		pair("run", sure(wire.ToRun), wire.FromRun),
		pair("run page", sure(wire.ToRunPage), wire.FromRunPage),
		pair("runs query", sure(wire.ToRunsQuery), sure(wire.FromRunsQuery)),
		pair("send request", wire.ToSendRequest, wire.FromSendRequest),
		pair("chat event", wire.ToChatEvent, wire.FromChatEvent),
		pair("accepted", sure(wire.ToAccepted), wire.FromAccepted),
		pair("route request", wire.ToRouteRequest, wire.FromRouteRequest),
		pair("route decision", sure(wire.ToRouteDecision), wire.FromRouteDecision),
		pair("conversation", sure(wire.ToConversation), wire.FromConversation),
		pair("conversation summary", sure(wire.ToConversationSummary), wire.FromConversationSummary),
		pair("conversation page", sure(wire.ToConversationPage), wire.FromConversationPage),
		pair("new conversation", sure(wire.ToNewConversation), sure(wire.FromNewConversation)),
		pair("conversation patch",
			sure(func(p patchedConversation) *pb.UpdateConversationRequest {
				return wire.ToConversationPatch(p.ID, p.Patch)
			}),
			func(m *pb.UpdateConversationRequest) (patchedConversation, error) {
				id, p, err := wire.FromConversationPatch(m)
				return patchedConversation{id, p}, err
			}),
		pair("conversation query", sure(wire.ToConversationQuery), sure(wire.FromConversationQuery)),
		pair("conversations query", sure(wire.ToConversationsQuery), sure(wire.FromConversationsQuery)),
		pair("memory item", wire.ToMemoryItem, wire.FromMemoryItem),
		pair("memory hit", wire.ToMemoryHit, wire.FromMemoryHit),
		pair("new memory", wire.ToNewMemory, wire.FromNewMemory),
		pair("memory query", sure(wire.ToMemoryQuery), wire.FromMemoryQuery),
		pair("usage query", sure(wire.ToUsageQuery), wire.FromUsageQuery),
		pair("usage report", sure(wire.ToUsageReport), wire.FromUsageReport),
		pair("event", sure(wire.ToEvent), wire.FromEvent),
		pair("command", sure(wire.ToCommand), sure(wire.FromCommand)),
		pair("command call", wire.ToCommandCall, wire.FromCommandCall),
		pair("event query", sure(wire.ToEventQuery), sure(wire.FromEventQuery)),
	}
}

// TestRoundTrip sends any value of every type there and back. The values are made by reflection, so that a new field that
// a conversion forgets fails here.
func TestRoundTrip(t *testing.T) {
	for _, c := range conversions() {
		t.Run(c.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				in := c.draw(t)
				out, err := roundTrip(c, in)
				if err != nil {
					t.Fatalf("%+v: %v", in, err)
				}
				if !alike(reflect.ValueOf(in), reflect.ValueOf(out)) {
					t.Fatalf("%+v\ncame back as\n%+v", in, out)
				}
			})
		})
	}
}

func roundTrip(c conversion, in any) (any, error) {
	m, err := c.there(in)
	if err != nil {
		return nil, err
	}
	b, err := proto.Marshal(m)
	if err != nil {
		return nil, err
	}
	read := c.empty()
	if err := proto.Unmarshal(b, read); err != nil {
		return nil, err
	}
	return c.back(read)
}

// FuzzConversions reads any bytes as any message. A conversion may refuse what it finds; what it accepts must survive
// another round trip unchanged.
func FuzzConversions(f *testing.F) {
	all := conversions()
	for i := range all {
		f.Add(uint8(i), []byte{})
		f.Add(uint8(i), []byte{0x0a, 0x01, 'x', 0x12, 0x02, '{', '}'})
	}
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		c := all[int(kind)%len(all)]
		m := c.empty()
		if proto.Unmarshal(b, m) != nil {
			return
		}
		v, err := c.back(m)
		if err != nil {
			return
		}
		again, err := roundTrip(c, v)
		if err != nil {
			t.Fatalf("%s: %+v was read and cannot be sent: %v", c.name, v, err)
		}
		if !alike(reflect.ValueOf(v), reflect.ValueOf(again)) {
			t.Errorf("%s: %+v\ncame back as\n%+v", c.name, v, again)
		}
	})
}

// alike is reflect.DeepEqual, but that nil and empty lists and maps are the same.
func alike(a, b reflect.Value) bool {
	if a.Kind() != b.Kind() {
		return false
	}
	switch a.Kind() {
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !alike(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Struct:
		if _, ok := a.Interface().(time.Time); ok {
			return reflect.DeepEqual(a.Interface(), b.Interface())
		}
		for i := range a.NumField() {
			if !alike(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Pointer:
		return a.IsNil() == b.IsNil() && (a.IsNil() || alike(a.Elem(), b.Elem()))
	case reflect.Map:
		return a.Len() == b.Len() && (a.Len() == 0 || reflect.DeepEqual(a.Interface(), b.Interface()))
	default:
		return reflect.DeepEqual(a.Interface(), b.Interface())
	}
}

// generators says how to make what reflection alone would make wrongly.
func generators() rapid.MakeConfig {

	object := rapid.Custom(drawObject)
	payload := rapid.Map(object, func(o schema.Object) any { return schema.NewPayload(o) })
	when := rapid.Custom(func(t *rapid.T) time.Time {
		s := rapid.Int64Range(-62135596800, 253402300799).Draw(t, "seconds") // the years 1 to 9999
		return time.Unix(s, rapid.Int64Range(1, 999_999_999).Draw(t, "nanoseconds")).UTC()
	})
	return rapid.MakeConfig{
		Types: map[reflect.Type]*rapid.Generator[any]{
			reflect.TypeFor[schema.Object]():               object.AsAny(),
			reflect.TypeFor[json.RawMessage]():             payload,
			reflect.TypeFor[time.Time]():                   when.AsAny(),
			reflect.TypeFor[schema.ChatEvent]():            rapid.Custom(drawChatEvent).AsAny(),
			reflect.TypeFor[schema.Field[string]]():        field(rapid.String()),
			reflect.TypeFor[schema.Field[bool]]():          field(rapid.Bool()),
			reflect.TypeFor[schema.Field[[]string]]():      field(rapid.SliceOf(rapid.String())),
			reflect.TypeFor[schema.Field[schema.Object]](): field(object),
			reflect.TypeFor[schema.Field[schema.Brain]]():  field(rapid.Custom(drawBrain)),
		},
		Kinds: map[reflect.Kind]*rapid.Generator[any]{
			reflect.Int:     rapid.Map(rapid.Int32(), func(n int32) any { return int(n) }),
			reflect.Float64: rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64).AsAny(),
		},
	}
}

func field[T any](value *rapid.Generator[T]) *rapid.Generator[any] {
	return rapid.OneOf(
		rapid.Just(schema.Field[T]{}), rapid.Just(schema.Clear[T]()), rapid.Map(value, schema.Set[T]),
	).AsAny()
}

func drawBrain(t *rapid.T) schema.Brain {
	return schema.Brain{Provider: rapid.String().Draw(t, "provider"), Options: rapid.Custom(drawObject).Draw(t, "options")}
}

func drawChatEvent(t *rapid.T) schema.ChatEvent {
	if rapid.Bool().Draw(t, "accepted") {
		a := rapid.MakeCustom[schema.Accepted](generators()).Draw(t, "accepted")
		return schema.ChatEvent{Accepted: &a}
	}
	e := rapid.MakeCustom[schema.Event](generators()).Draw(t, "event")
	return schema.ChatEvent{Event: &e}
}

// drawObject makes an object as decoding makes it.
func drawObject(t *rapid.T) schema.Object {
	m := rapid.MapOfN(rapid.String(), value(2), 0, 4).Draw(t, "members")
	if len(m) == 0 {
		return nil
	}
	return schema.Object(m)
}

func value(depth int) *rapid.Generator[any] {
	kinds := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.String().AsAny(),
		rapid.Map(rapid.StringMatching(`-?[1-9][0-9]{0,30}(\.[0-9]{1,5})?(e-?[1-9][0-9]{0,3})?`),
			func(s string) any { return json.Number(s) }),
	}
	if depth > 0 {
		kinds = append(kinds,
			rapid.SliceOfN(value(depth-1), 0, 3).AsAny(), rapid.MapOfN(rapid.String(), value(depth-1), 0, 3).AsAny())
	}
	return rapid.OneOf(kinds...)
}

func TestBadAnswersAreRefused(t *testing.T) {
	late := &timestamppb.Timestamp{Seconds: math.MaxInt64}
	nan := &pb.Emotion{Intensity: math.NaN()}
	for name, err := range map[string]error{
		"nil agent":        second(wire.FromAgent(nil)),
		"agent metadata":   second(wire.FromAgent(&pb.Agent{Metadata: []byte(`[]`)})),
		"agent options":    second(wire.FromAgent(&pb.Agent{Brain: &pb.Brain{Options: []byte(`{`)}})),
		"agent emotion":    second(wire.FromAgent(&pb.Agent{Emotion: nan})),
		"agent created":    second(wire.FromAgent(&pb.Agent{CreatedAt: late})),
		"agent updated":    second(wire.FromAgent(&pb.Agent{UpdatedAt: late})),
		"agent of a page":  second(wire.FromAgentPage(&pb.ListAgentsResponse{Agents: []*pb.Agent{{Emotion: nan}}})),
		"new brain":        second(wire.FromNewAgent(&pb.CreateAgentRequest{Values: &pb.Agent{Brain: &pb.Brain{Options: []byte("{")}}})),
		"new metadata":     second(wire.FromNewAgent(&pb.CreateAgentRequest{Values: &pb.Agent{Metadata: []byte("1")}})),
		"nil message":      second(wire.FromMessage(nil)),
		"message emotion":  second(wire.FromMessage(&pb.Message{Emotion: nan})),
		"message time":     second(wire.FromMessage(&pb.Message{CreatedAt: late})),
		"nil run":          second(wire.FromRun(nil)),
		"run queued":       second(wire.FromRun(&pb.Run{QueuedAt: late})),
		"run started":      second(wire.FromRun(&pb.Run{StartedAt: late})),
		"run finished":     second(wire.FromRun(&pb.Run{FinishedAt: late})),
		"nil event":        second(wire.FromEvent(nil)),
		"event payload":    second(wire.FromEvent(&pb.Event{Payload: []byte(`"x"`)})),
		"event half":       second(wire.FromEvent(&pb.Event{Payload: []byte(`{"a":`)})),
		"event two":        second(wire.FromEvent(&pb.Event{Payload: []byte(`{}{}`)})),
		"event blank":      second(wire.FromEvent(&pb.Event{Payload: []byte(` `)})),
		"event time":       second(wire.FromEvent(&pb.Event{Time: late})),
		"empty chat event": second(wire.FromChatEvent(&pb.ChatEvent{})),
		"no message":       second(wire.FromAccepted(&pb.Accepted{})),
		"nil decision":     second(wire.FromRouteDecision(nil)),
		"threshold":        second(wire.FromRouteDecision(&pb.RouteDecision{Threshold: math.Inf(1)})),
		"score":            second(wire.FromRouteDecision(&pb.RouteDecision{Candidates: []*pb.RouteCandidate{{Score: math.NaN()}}})),
		"nil conversation": second(wire.FromConversation(&pb.GetConversationResponse{})),
		"nil memory":       second(wire.FromMemoryItem(nil)),
		"memory metadata":  second(wire.FromMemoryItem(&pb.MemoryItem{Metadata: []byte(`1`)})),
		"importance":       second(wire.FromMemoryItem(&pb.MemoryItem{Importance: math.NaN()})),
		"expires":          second(wire.FromMemoryItem(&pb.MemoryItem{ExpiresAt: late})),
		"min importance":   second(wire.FromMemoryQuery(&pb.SearchMemoryRequest{MinImportance: math.NaN()})),
		"hit score":        second(wire.FromMemoryHit(&pb.MemoryHit{Memory: &pb.MemoryItem{}, Score: math.Inf(-1)})),
		"usage since":      second(wire.FromUsageQuery(&pb.UsageRequest{Since: late})),
		"usage until":      second(wire.FromUsageQuery(&pb.UsageRequest{Until: late})),
		"usage total":      second(wire.FromUsageReport(&pb.UsageResponse{})),
		"usage group":      second(wire.FromUsageReport(&pb.UsageResponse{Total: &pb.UsageSum{}, Groups: []*pb.UsageGroup{{}}})),
		"two chat events":  second(wire.ToChatEvent(schema.ChatEvent{Accepted: &schema.Accepted{}, Event: &schema.Event{}})),
		"no chat event":    second(wire.ToChatEvent(schema.ChatEvent{})),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestPatchRefusesWhatItDoesNotKnow(t *testing.T) {
	for name, m := range map[string]*pb.UpdateAgentRequest{
		"set":      {Set: []string{"name", "colour"}},
		"clear":    {Clear: []string{"id"}},
		"both":     {Set: []string{"name"}, Clear: []string{"name"}},
		"metadata": {Set: []string{"metadata"}, Values: &pb.Agent{Metadata: []byte("x")}},
		"brain":    {Set: []string{"brain"}, Values: &pb.Agent{Brain: &pb.Brain{Options: []byte("x")}}},
	} {
		if _, p, err := wire.FromAgentPatch(m); err == nil {
			t.Errorf("%s: read as %+v", name, p)
		}
	}
	for name, m := range map[string]*pb.UpdateConversationRequest{
		"set":   {Set: []string{"title", "colour"}},
		"clear": {Clear: []string{"id"}},
		"both":  {Set: []string{"title"}, Clear: []string{"title"}},
	} {
		if _, p, err := wire.FromConversationPatch(m); err == nil {
			t.Errorf("%s of a conversation: read as %+v", name, p)
		}
	}
}

func TestLimitsAreBounded(t *testing.T) {
	for in, want := range map[int]int{math.MaxInt: math.MaxInt32, math.MinInt: math.MinInt32, -1: -1, 0: 0} {
		if got := wire.FromAgentQuery(wire.ToAgentQuery(schema.AgentQuery{Limit: in})).Limit; got != want {
			t.Errorf("%d arrived as %d, want %d", in, got, want)
		}
	}
}

func TestListsAreNeverNull(t *testing.T) {
	agent, err := wire.FromAgent(&pb.Agent{})
	page, err2 := wire.FromAgentPage(&pb.ListAgentsResponse{})
	decision, err3 := wire.FromRouteDecision(&pb.RouteDecision{Candidates: []*pb.RouteCandidate{{}}})
	conversation, err4 := wire.FromConversation(&pb.GetConversationResponse{Conversation: &pb.ConversationSummary{}})
	conversations, err5 := wire.FromConversationPage(&pb.ListConversationsResponse{})
	report, err6 := wire.FromUsageReport(&pb.UsageResponse{Total: &pb.UsageSum{}})
	for _, err := range []error{err, err2, err3, err4, err5, err6} {
		if err != nil {
			t.Error(err)
		}
	}
	if agent.Skills == nil || page.Agents == nil || decision.Candidates[0].Reasons == nil || conversation.Messages == nil ||
		conversations.Conversations == nil || report.Groups == nil {
		t.Error("a list that JSON shows is nil")
	}
}
