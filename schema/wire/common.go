package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// ToCaller converts a caller; the anonymous one is nil.
func ToCaller(c schema.Caller) *pb.Caller {
	if c.Principal == "" && len(c.Scopes) == 0 && c.Extension == "" {
		return nil
	}
	return &pb.Caller{Principal: c.Principal, Scopes: toStrings(c.Scopes), Extension: c.Extension}
}

// FromCaller converts a caller; nil is the anonymous one.
func FromCaller(m *pb.Caller) schema.Caller {
	return schema.Caller{
		Principal: m.GetPrincipal(), Scopes: fromStrings[schema.Scope](m.GetScopes()), Extension: m.GetExtension(),
	}
}

// ToEmotion converts an emotion.
func ToEmotion(e schema.Emotion) *pb.Emotion {
	return &pb.Emotion{Name: e.Name, Intensity: e.Intensity, Valence: e.Valence, Arousal: e.Arousal}
}

// FromEmotion converts an emotion; nil is the zero one. It fails for a number that JSON cannot hold.
func FromEmotion(m *pb.Emotion) (schema.Emotion, error) {
	for _, f := range []float64{m.GetIntensity(), m.GetValence(), m.GetArousal()} {
		if err := finite(f); err != nil {
			return schema.Emotion{}, fmt.Errorf("emotion: %w", err)
		}
	}
	return schema.Emotion{
		Name: m.GetName(), Intensity: m.GetIntensity(), Valence: m.GetValence(), Arousal: m.GetArousal(),
	}, nil
}

// ToCursor converts a cursor; the zero one is nil.
func ToCursor(c schema.Cursor) *pb.Cursor {
	if c.IsZero() {
		return nil
	}
	return &pb.Cursor{Epoch: c.Epoch, Seq: c.Seq}
}

// FromCursor converts a cursor; nil is the zero one.
func FromCursor(m *pb.Cursor) schema.Cursor {
	return schema.Cursor{Epoch: m.GetEpoch(), Seq: m.GetSeq()}
}

// toObject encodes a free-form object; an empty one is no bytes.
func toObject(member string, o schema.Object) ([]byte, error) {
	if len(o) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("%s: encode object: %w", member, err)
	}
	return b, nil
}

// fromObject decodes a free-form object; no bytes, null and {} are nil.
func fromObject(member string, b []byte) (schema.Object, error) {
	if len(b) == 0 {
		return nil, nil
	}
	var o schema.Object
	if err := json.Unmarshal(b, &o); err != nil {
		return nil, fmt.Errorf("%s: not a JSON object: %w", member, err)
	}
	if len(o) == 0 {
		return nil, nil
	}
	return o, nil
}

// fromPayload checks that b is one JSON object and returns it as it is; no bytes are {}.
func fromPayload(b []byte) (json.RawMessage, error) {
	if len(b) == 0 {
		return json.RawMessage("{}"), nil
	}
	if t := bytes.TrimLeft(b, " \t\r\n"); len(t) == 0 || t[0] != '{' || !json.Valid(b) {
		return nil, errors.New("payload: not a JSON object")
	}
	return b, nil
}

// toTime converts a time; the zero one is nil.
func toTime(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// fromTime converts a time to UTC; nil is the zero one. It fails for a time outside the years 1 to 9999.
func fromTime(member string, m *timestamppb.Timestamp) (time.Time, error) {
	if m == nil {
		return time.Time{}, nil
	}
	if err := m.CheckValid(); err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", member, err)
	}
	return m.AsTime(), nil
}

// toTimePtr converts a time that may be missing.
func toTimePtr(t *time.Time) *timestamppb.Timestamp {
	if t == nil {
		return nil
	}
	return toTime(*t)
}

// fromTimePtr converts a time that may be missing.
func fromTimePtr(member string, m *timestamppb.Timestamp) (*time.Time, error) {
	if m == nil {
		return nil, nil
	}
	t, err := fromTime(member, m)
	if err != nil {
		return nil, err
	}
	return &t, nil
}

// toInt32 converts a count, bounded to what fits.
func toInt32(n int) int32 {
	return int32(min(max(n, math.MinInt32), math.MaxInt32))
}

// finite refuses what JSON cannot hold.
func finite(f float64) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("%v is not a number that JSON can hold", f)
	}
	return nil
}

// toStrings converts a list of names; an empty one is nil.
func toStrings[S ~string](in []S) []string {
	if len(in) == 0 {
		return nil
	}
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = string(s)
	}
	return out
}

// fromStrings converts a list of names; an empty one is nil.
func fromStrings[S ~string](in []string) []S {
	if len(in) == 0 {
		return nil
	}
	out := make([]S, len(in))
	for i, s := range in {
		out[i] = S(s)
	}
	return out
}

// shown returns the list as JSON shows it, which is never null.
func shown[T any](in []T) []T {
	if in == nil {
		return []T{}
	}
	return in
}

// each converts a list and stops at the first failure. Its result is never nil.
func each[A, B any](in []A, convert func(A) (B, error)) ([]B, error) {
	out := make([]B, 0, len(in))
	for i, a := range in {
		b, err := convert(a)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		out = append(out, b)
	}
	return out, nil
}

// errMissing says that a message lacks what it exists for.
func errMissing(what string) error { return fmt.Errorf("%s: missing", what) }
